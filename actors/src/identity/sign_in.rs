//! Signing in.

use std::fmt;

use cluster::prelude::{ActorError, IdempotencyKey, Result, TenantId, Timestamp, Uuid};

use super::{Identity, IdentityError, error::is, passwords::Proven};
use crate::{
    account::{ForgetMembership, KnownTenant, Person, Purpose, Redeem, Refusal, Renew, SignInFailed, SignedIn},
    email::Email,
    membership::{Enter, GetMember, Membership, Standing},
    ports::Verdict,
    role::TenantStatus,
    secret::Hashed,
    session::{OpenSession, Session},
};

/// A person who signs in with a password.
pub struct SignIn {
    /// The address.
    pub email: Email,
    /// The password in clear.
    pub password: String,
    /// The session that is opened.
    pub session: NewSession,
}

/// A session that is to be opened.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its id, made by the caller, never one that a client gave.
    pub session: Uuid,
    /// The tenant the person wants to work in; otherwise the last one.
    pub tenant: Option<TenantId>,
    /// Where the person signs in, in words of [`device`](crate::line::device).
    pub device: String,
    /// When it ends by itself.
    pub expires: Timestamp,
}

/// Somebody who signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entered {
    /// The person.
    pub person: Person,
    /// Their session.
    pub session: Uuid,
    /// The tenant they work in, and how they stand to it. Who is no member of any has none.
    pub tenant: Option<(TenantId, Standing)>,
}

impl Identity {
    /// Signs in with a password.
    ///
    /// # Errors
    /// Says why not; `tenant.unknown` or `tenant.suspended` if only the wanted tenant is in the way.
    pub async fn sign_in(&self, sign_in: SignIn) -> Result<Entered, IdentityError> {
        let SignIn {
            email,
            password,
            session,
        } = sign_in;
        let person = self.check_password(&email, password).await?;
        Ok(self.enter(person, session).await?)
    }

    /// Signs in with a code that was mailed.
    ///
    /// # Errors
    /// `code.invalid`, and as [`sign_in`](Self::sign_in).
    pub async fn sign_in_by_code(&self, email: &Email, code: Hashed, session: NewSession) -> Result<Entered> {
        let redeem = Redeem {
            purpose: Purpose::SignIn,
            code,
            password: None,
        };
        let person = self.ask_account(email, redeem).await?;
        self.enter(person, session).await
    }

    /// Lets in whoever has the password of an account that is verified. As much is worked on it whether there is an account or not, and
    /// whether it is looked at.
    ///
    /// # Errors
    /// Says why not.
    pub async fn check_password(&self, email: &Email, password: String) -> Result<Person, IdentityError> {
        let Proven { person, hash, verdict } = self.proven(email, password.clone()).await?;
        if !person.is_verified {
            let why = Refusal::Unverified;
            self.ask_account(email, SignInFailed { why }).await?;
            return Err(IdentityError::Unverified);
        }
        if let (Verdict::Outdated, Some(instead_of)) = (verdict, hash) {
            let password = self.passwords.hash(password).await?;
            self.ask_account(email, Renew { instead_of, password }).await?;
        }
        Ok(person)
    }

    /// Opens a session of somebody who has proven who they are, as [`check_password`](Self::check_password) finds.
    ///
    /// # Errors
    /// `tenant.unknown` or `tenant.suspended` if only the wanted tenant is in the way; or an actor does not answer.
    pub async fn enter(&self, person: Person, new: NewSession) -> Result<Entered> {
        let person = self.found_own(&person).await?;
        let tenant = self.choose(&person, new.tenant).await?;
        let chosen = tenant.as_ref().map(|(tenant, _)| tenant.clone());
        let signed_in = SignedIn {
            session: new.session,
            tenant: chosen.clone(),
            device: new.device.clone(),
            expires: new.expires,
        };
        let person = self.ask_account(&person.email, signed_in).await?;
        let open = OpenSession {
            user: person.user.clone(),
            email: person.email.clone(),
            tenant: chosen,
            device: new.device,
            expires: new.expires,
        };
        // The account has sent the same; this is only not to wait for it.
        let session = self.cluster.get::<Session>(Session::address(new.session));
        session.ask(open).await?;
        if let Some((tenant, _)) = &tenant {
            let enter = Enter {
                user: person.user.clone(),
                session: new.session,
            };
            let key = IdempotencyKey::new(&format!("enter/{}", new.session))?;
            let membership = self.cluster.get::<Membership>(Membership::address(tenant));
            membership.ask_idempotent(&key, enter).await?;
        }
        Ok(Entered {
            person,
            session: new.session,
            tenant,
        })
    }

    /// The tenant that somebody works in who signs in: the wanted one, or else the last one, or else the first that is served.
    async fn choose(&self, person: &Person, wanted: Option<TenantId>) -> Result<Option<(TenantId, Standing)>> {
        if let Some(wanted) = wanted {
            let known = person.tenants.iter().find(|known| known.tenant == wanted);
            let standing = match known {
                Some(known) => self.standing(person, known).await?,
                None => None,
            };
            return match standing {
                Some(standing) if standing.status == TenantStatus::Active => Ok(Some((wanted, standing))),
                Some(_) => Err(ActorError::forbidden("tenant.suspended", "the tenant is suspended")),
                None => Err(no_tenant()),
            };
        }
        let is_last = |known: &&KnownTenant| person.last_tenant.as_ref() == Some(&known.tenant);
        let last = person.tenants.iter().filter(is_last);
        let others = person.tenants.iter().filter(|known| !is_last(known));
        for known in last.chain(others) {
            if let Some(standing) = self.standing(person, known).await?
                && standing.status == TenantStatus::Active
            {
                return Ok(Some((known.tenant.clone(), standing)));
            }
        }
        Ok(None)
    }

    /// How a person stands to a tenant that their account knows. If they turn out to be no member, the account forgets it.
    pub(super) async fn standing(&self, person: &Person, known: &KnownTenant) -> Result<Option<Standing>> {
        let get = GetMember {
            user: person.user.clone(),
        };
        match self.ask_tenant(&known.tenant, get).await {
            Ok(standing) => Ok(Some(standing)),
            Err(error) if is(&error, &["member.unknown", "tenant.unknown"]) => {
                let forget = ForgetMembership {
                    tenant: known.tenant.clone(),
                };
                self.ask_account(&person.email, forget).await?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Of a tenant where somebody is no member nobody is told whether it exists.
pub(super) fn no_tenant() -> ActorError {
    ActorError::not_found("tenant.unknown", "there is no such tenant")
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn")
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}
