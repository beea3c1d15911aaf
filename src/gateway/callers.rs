//! Who may come in: what a session or an API key proves, and what its owner may do in the tenant.
//!
//! A session token is signed, and the session that it names is asked whether it goes on; the membership of the tenant is asked
//! for the role. Both answers are kept for a moment (`recent`), so signing out, removing a member or suspending a tenant is
//! felt on every node within a second, and within five on one that is cut off.

mod outsiders;

use std::{future::Future, sync::Arc, time::Duration};

use actors::{
    api_key::{KeyState, Scope},
    audit::Hex,
    email::Email,
    identity::{Admitted, Identity},
    membership::{AddMember, CreateTenantKey, FoundTenant, KeyEntry, Membership, NewMember, SetRole, TenantProfile},
    ports::Passwords,
    role::{HOME_TENANT, Plan, Role, TenantStatus, system_tenant},
    secret::Hashed,
    session::{OpenSession, Session},
    user::UserId,
};
use cluster::{
    Timestamp,
    prelude::{ActorError, ActorRef, Cluster, TenantId, Uuid},
};
use sha2::{Digest, Sha256};

use self::outsiders::{Outsider, TokenDigest};
use super::{
    caller::{Caller, Proof},
    context_token::ContextTokens,
    error::Problem,
    issuers::Issuers,
    recent::Recent,
    session_owner::{NOBODYS_DOMAIN, SessionOwner},
    token::{Claims, Purpose, Signer, TokenError},
};

/// What API keys begin with.
pub(crate) const KEY_PREFIX: &str = "fdn_";

/// The plan of who acts on a session and not in a tenant.
pub(crate) const NO_PLAN: &str = "none";

/// Longest API key.
const KEY_BYTES_MAX: usize = 256;

/// What the home tenant is called until somebody calls it otherwise.
const HOME_NAME: &str = "Home";

/// The first user of a tenant that whoever looks after the server makes.
pub const FIRST_USER: &str = "admin";

/// Finds out who asks, and lets people and programs in. It has its own memory of recent answers.
#[derive(Debug)]
pub struct Callers {
    cluster: Cluster,
    identity: Identity,
    context: ContextTokens,
    signer: Signer,
    sessions: Recent<Uuid, Admitted>,
    keys: Recent<(TenantId, Uuid, [u8; 32]), (KeyState, TenantProfile)>,
    issuers: Issuers,
    outsiders: Recent<TokenDigest, Outsider>,
}

/// A session that was opened for someone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opened {
    pub(crate) token: String,
    /// Unix seconds.
    pub(crate) expires_at: u64,
}

impl Callers {
    /// Asks the actors of a cluster, and takes tokens of `issuers` beside those of `signer`.
    #[must_use]
    pub fn new(
        cluster: Cluster,
        passwords: Arc<dyn Passwords>,
        context: ContextTokens,
        signer: Signer,
        issuers: Issuers,
    ) -> Self {
        Self {
            identity: Identity::new(cluster.clone(), passwords),
            cluster,
            context,
            signer,
            sessions: Recent::default(),
            keys: Recent::default(),
            issuers,
            outsiders: Recent::default(),
        }
    }

    /// Those outside whose tokens are taken.
    pub(crate) fn issuers(&self) -> &Issuers {
        &self.issuers
    }

    /// The steps by which people come and go.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Does `work` of the server itself, which may go over several tenants.
    fn as_server<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        self.context.as_system(&system_tenant(), work)
    }

    /// Finds out who shows a token: of a session, of the local operator, of an issuer outside, or an API key.
    ///
    /// # Errors
    ///
    /// Fails when it is not accepted, when the tenant is suspended, or when that cannot be found out.
    pub(crate) async fn who(&self, token: &str) -> Result<Caller, Problem> {
        if let Some(key) = token.strip_prefix(KEY_PREFIX) {
            return self.by_key(key).await;
        }
        if let Some(issuer) = self.issuers.named_by(token) {
            return self.by_issuer(issuer, token).await;
        }
        let claims = self.signer.verify(token, &[Purpose::Session, Purpose::Local]);
        let claims = claims.map_err(super::caller::refused)?;
        match claims.aud {
            Purpose::Session => self.by_session(claims.jti).await,
            Purpose::Local => by_file(&claims),
            Purpose::SignIn => Err(super::caller::refused(TokenError::Invalid)),
        }
    }

    /// Finds out whose session a token names.
    ///
    /// # Errors
    ///
    /// Fails when it is not accepted or names none, or when that cannot be found out.
    pub(crate) async fn owner(&self, token: &str) -> Result<SessionOwner, Problem> {
        if token.starts_with(KEY_PREFIX) || self.issuers.named_by(token).is_some() {
            return Err(no_session());
        }
        let claims = self.signer.verify(token, &[Purpose::Session, Purpose::Local]);
        let claims = claims.map_err(super::caller::refused)?;
        if claims.aud == Purpose::Local {
            return Err(no_session());
        }
        Ok(SessionOwner::new(claims.jti, self.admitted(claims.jti).await?))
    }

    /// The owner of the session by which a caller came in.
    pub(crate) async fn owner_of(&self, caller: &Caller) -> Option<SessionOwner> {
        match &caller.proof {
            Proof::Session(id) => {
                let admitted = self.admitted(*id).await.ok()?;
                Some(SessionOwner::new(*id, admitted))
            }
            Proof::Key { .. } | Proof::Issuer { .. } | Proof::Local => None,
        }
    }

    /// Forgets what is known of a session that has changed.
    pub(crate) fn forget(&self, session: Uuid) {
        self.sessions.forget(&session);
    }

    async fn admitted(&self, id: Uuid) -> Result<Admitted, Problem> {
        let ask = || self.as_server(self.identity.check_session(id));
        self.sessions.get(&id, ask).await.map_err(refused)
    }

    /// Whether someone who was let in still would be.
    pub(crate) async fn is_still(&self, caller: &Caller) -> bool {
        self.again(caller).await.is_ok()
    }

    /// Who someone is now who was let in before.
    ///
    /// # Errors
    ///
    /// Fails when they would not be let in any more, or for another tenant, or when that cannot be found out.
    pub(crate) async fn again(&self, caller: &Caller) -> Result<Caller, Problem> {
        let now = match &caller.proof {
            Proof::Session(session) => self.by_session(*session).await?,
            Proof::Key { token } => self.by_key(token).await?,
            Proof::Issuer { token } => self.who(token).await?,
            Proof::Local => caller.clone(),
        };
        if now.tenant == caller.tenant {
            Ok(now)
        } else {
            Err(Problem::unauthorized(
                "auth.signed-out",
                "the session works in another tenant now",
            ))
        }
    }

    async fn by_session(&self, id: Uuid) -> Result<Caller, Problem> {
        let Admitted { session, standing } = self.admitted(id).await?;
        let (Some(tenant), Some(standing)) = (session.tenant, standing) else {
            return Err(Problem::forbidden(
                "auth.no-member",
                "you are no member of a tenant; found one, or accept an invitation",
            ));
        };
        served(standing.status)?;
        Ok(Caller {
            tenant,
            user: session.user.as_str().to_owned(),
            scope: Scope::Role(standing.role),
            plan: standing.plan,
            proof: Proof::Session(id),
            expires_at: seconds(session.expires),
        })
    }

    /// Whether an API key, without its prefix, was good when this node last asked.
    pub(crate) fn has_seen(&self, text: &str) -> bool {
        key_parts(text).is_some_and(|(tenant, id, secret)| {
            let secret = Sha256::digest(&secret).into();
            self.keys.knows(&(tenant, id, secret))
        })
    }

    async fn by_key(&self, text: &str) -> Result<Caller, Problem> {
        let invalid = || Problem::unauthorized("auth.invalid-key", "the API key is not valid");
        let (tenant, id, secret) = key_parts(text).ok_or_else(invalid)?;
        let place = (tenant.clone(), id, Sha256::digest(&secret).into());
        let ask = || self.as_server(self.identity.check_key(&tenant, id, Hashed::of(&secret)));
        let (key, profile) = self.keys.get(&place, ask).await.map_err(refused)?;
        served(profile.status)?;
        Ok(Caller {
            tenant,
            user: format!("key:{id}"),
            scope: key.scope,
            plan: profile.plan,
            proof: Proof::Key { token: text.to_owned() },
            expires_at: key.expires.map_or(u64::MAX, seconds),
        })
    }

    fn membership(&self, tenant: &TenantId) -> ActorRef<Membership> {
        self.cluster.get(Membership::address(tenant))
    }

    /// Founds the home tenant, if it is not there yet.
    ///
    /// # Errors
    ///
    /// Fails when the cluster does not answer.
    pub async fn found_home(&self) -> Result<(), ActorError> {
        let tenant = TenantId::new(HOME_TENANT)?;
        let found = FoundTenant {
            name: HOME_NAME.to_owned(),
            plan: Plan::Enterprise,
            admin: new_member(FIRST_USER)?,
        };
        let membership = self.membership(&tenant);
        match self.as_server(membership.ask(found)).await {
            Err(error) if error.code() != "tenant.exists" => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Sees to it that a user is a member of a tenant, on the word of whoever may say so. A role is set only if one is asked
    /// for; a tenant that is not there is founded.
    ///
    /// # Errors
    ///
    /// Fails when the membership refuses, for example to lower the last admin.
    pub(crate) async fn enrol(&self, tenant: &TenantId, user: &str, role: Option<Role>) -> Result<(), Problem> {
        let membership = self.membership(tenant);
        let member = new_member(user)?;
        let add = AddMember {
            member: member.clone(),
            role: role.unwrap_or(Role::Admin),
        };
        let mut added = membership.ask(add.clone()).await;
        if added.as_ref().is_err_and(|error| error.code() == "tenant.unknown") {
            let is_admin = add.role == Role::Admin;
            let found = FoundTenant {
                name: tenant.as_str().to_owned(),
                plan: Plan::Free,
                admin: if is_admin {
                    member.clone()
                } else {
                    new_member(FIRST_USER)?
                },
            };
            membership.ask(found).await?;
            added = membership.ask(add).await;
        }
        match (added, role) {
            (Err(error), Some(role)) if error.code() == "member.exists" => {
                membership
                    .ask(SetRole {
                        user: member.user.clone(),
                        role,
                    })
                    .await?;
            }
            (Err(error), None) if error.code() == "member.exists" => {}
            (added, _) => drop(added?),
        }
        Ok(())
    }

    /// Makes an API key in the caller's tenant, which counts when this is answered.
    ///
    /// # Errors
    ///
    /// Fails when the membership refuses or does not answer.
    pub(crate) async fn create_key(&self, caller: &Caller, create: CreateTenantKey) -> Result<KeyEntry, Problem> {
        Ok(self.identity.create_key(&caller.tenant, create).await?)
    }

    /// Revokes an API key of the caller's tenant, everywhere within a second.
    ///
    /// # Errors
    ///
    /// Fails when there is no such key, or the actors do not answer.
    pub(crate) async fn revoke_key(&self, caller: &Caller, key: Uuid) -> Result<(), Problem> {
        Ok(self.identity.revoke_key(&caller.tenant, key).await?)
    }

    /// Opens a session for a member of a tenant.
    ///
    /// # Errors
    ///
    /// Fails when the cluster does not answer.
    pub(crate) async fn open(
        &self,
        tenant: &TenantId,
        user: &str,
        device: &str,
        life: Duration,
    ) -> Result<Opened, Problem> {
        let mut claims = Signer::claims(tenant, user, Purpose::Session, life);
        claims.jti = Uuid::now_v7();
        let member = new_member(user)?;
        let open = OpenSession {
            user: member.user,
            email: member.email,
            tenant: Some(tenant.clone()),
            device: actors::line::device(device),
            expires: Timestamp::from_millis(i64::try_from(claims.exp.saturating_mul(1000)).unwrap_or(i64::MAX)),
        };
        let session = self.cluster.get::<Session>(Session::address(claims.jti));
        self.as_server(session.ask(open)).await?;
        Ok(Opened {
            token: self.signer.sign(&claims),
            expires_at: claims.exp,
        })
    }

    /// Ends a session, here at once.
    ///
    /// # Errors
    ///
    /// Fails when the cluster does not answer.
    pub(crate) async fn close(&self, session: Uuid, user: &str) -> Result<(), Problem> {
        let closed = self.identity.sign_out(session);
        let closed = self.context.on_behalf(&system_tenant(), user, NO_PLAN, closed).await;
        self.sessions.forget(&session);
        Ok(closed?)
    }
}

fn no_session() -> Problem {
    Problem::forbidden(
        "auth.no-session",
        "this is for people who are signed in, and what was shown is no session",
    )
}

/// The caller whom the file of the local operator proves.
fn by_file(claims: &Claims) -> Result<Caller, Problem> {
    Ok(Caller {
        tenant: TenantId::new(&claims.tid)?,
        user: claims.sub.clone(),
        scope: Scope::Role(Role::Admin),
        plan: Plan::Enterprise,
        proof: Proof::Local,
        expires_at: claims.exp,
    })
}

fn served(status: TenantStatus) -> Result<(), Problem> {
    match status {
        TenantStatus::Active => Ok(()),
        TenantStatus::Suspended => Err(Problem::forbidden("tenant.suspended", "the tenant is suspended")),
    }
}

/// What a refusal of an actor means for who shows a credential.
fn refused(error: ActorError) -> Problem {
    match error.code() {
        "session.unknown" | "session.revoked" => Problem::unauthorized("auth.signed-out", "the session has ended"),
        "session.expired" => Problem::unauthorized("auth.expired", "the session has expired"),
        "key.invalid" | "key.revoked" | "key.expired" => Problem::unauthorized("auth.invalid-key", error.message()),
        "tenant.unknown" => Problem::unauthorized("auth.no-member", "you are no member of the tenant"),
        _ => {
            tracing::warn!(
                code = error.code(),
                message = error.message(),
                "who asks could not be found out"
            );
            Problem::unavailable("auth.unavailable", "who you are cannot be checked at the moment")
        }
    }
}

/// An API key without its prefix, and what is kept of its secret.
pub(crate) fn key_text(tenant: &TenantId, id: Uuid, secret: &[u8; 32]) -> (String, Hashed) {
    let secret = Hex(*secret).to_string();
    let hashed = Hashed::of(secret.as_bytes());
    (format!("{tenant}_{}_{secret}", id.simple()), hashed)
}

/// `<tenant>_<id>_<secret>`, the secret in hexadecimal digits.
pub(crate) fn key_parts(text: &str) -> Option<(TenantId, Uuid, Vec<u8>)> {
    if text.len() > KEY_BYTES_MAX {
        return None;
    }
    let mut parts = text.rsplitn(3, '_');
    let (secret, id, tenant) = (parts.next()?, parts.next()?, parts.next()?);
    let is_secret = secret.len() == 64 && secret.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !is_secret || id.len() != 32 {
        return None;
    }
    Some((
        TenantId::new(tenant).ok()?,
        Uuid::try_parse(id).ok()?,
        secret.as_bytes().to_vec(),
    ))
}

/// A user without an account gets an address at which nobody is.
fn new_member(user: &str) -> Result<NewMember, ActorError> {
    let email = Email::new(user).or_else(|_| {
        let digest: [u8; 32] = Sha256::digest(user.as_bytes()).into();
        let mut name = Hex(digest).to_string();
        name.truncate(16);
        Email::new(&format!("{name}{NOBODYS_DOMAIN}"))
    })?;
    Ok(NewMember {
        user: UserId::new(user)?,
        email,
        name: user.to_owned(),
    })
}

pub(crate) fn seconds(at: Timestamp) -> u64 {
    at.as_secs().max(0).unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_from_its_end() {
        let (id, secret) = ("01980000000070008000000000000001", "ab".repeat(32));
        let (tenant, uuid, bytes) = key_parts(&format!("acme-2_{id}_{secret}")).unwrap();
        assert_eq!((tenant.as_str(), uuid.simple().to_string()), ("acme-2", id.to_owned()));
        assert_eq!(bytes, secret.as_bytes());
        for bad in [
            String::new(),
            format!("acme_{id}"),
            format!("acme_{id}_{}", "AB".repeat(32)),
            format!("acme_{id}_{}", "a".repeat(63)),
            format!("_{id}_{secret}"),
            format!("acme_x_{secret}"),
            "x".repeat(300),
        ] {
            assert!(key_parts(&bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_key_that_was_made_is_read_back() {
        let tenant = TenantId::new("acme").unwrap();
        let (text, hashed) = key_text(&tenant, Uuid::from_u128(7), &[0xab; 32]);
        let (read, id, secret) = key_parts(&text).unwrap();
        assert_eq!((read, id, Hashed::of(&secret)), (tenant, Uuid::from_u128(7), hashed));
    }

    #[test]
    fn users_without_an_account_have_addresses_of_their_own() {
        let (ann, bob) = (new_member("ann").unwrap(), new_member("bob").unwrap());
        assert_ne!(ann.email, bob.email);
        assert!(ann.email.as_str().ends_with("@users.invalid"));
        assert_eq!(new_member("ann@example.org").unwrap().email.as_str(), "ann@example.org");
    }
}
