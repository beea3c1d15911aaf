//! Who shows a token of an issuer outside.
//!
//! The token proves an address, and no more: the account of that address says who it is, and the membership of the tenant what
//! they may do. Nobody gets an account or a role by a token. What was found out is kept for a moment like the answers about
//! sessions, so taking a membership away, suspending a tenant and erasing an account are felt as soon.

use actors::{
    audit::{AuditLog, NAME, append_once, events},
    email::Email,
    membership::{GetMember, Standing},
    role::TenantStatus,
    user::UserId,
};
use cluster::prelude::{ActorError, ActorId, TenantId, Uuid};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Callers, refused, served};
use crate::gateway::{
    caller::{self, Caller, Proof},
    error::Problem,
    issuers::{Issuer, IssuerError, LEEWAY_SECONDS, Proven, Unproven},
    token::TokenError,
};

/// What a token is remembered by.
pub(super) type TokenDigest = [u8; 32];

/// A person whom a token let in.
#[derive(Debug, Clone)]
pub(super) struct Outsider {
    user: UserId,
    tenant: TenantId,
    standing: Standing,
    /// When the token ends, Unix seconds.
    expires_at: u64,
}

impl Callers {
    /// Finds out who shows a token that names `issuer`.
    pub(super) async fn by_issuer(&self, issuer: &Issuer, token: &str) -> Result<Caller, Problem> {
        let digest = Sha256::digest(token.as_bytes()).into();
        let ask = || Box::pin(self.outsider(issuer, token, digest));
        let outsider = self.outsiders.get(&digest, ask).await?;
        if outsider.expires_at.saturating_add(LEEWAY_SECONDS) < jsonwebtoken::get_current_timestamp() {
            self.outsiders.forget(&digest);
            return Err(caller::refused(TokenError::Expired));
        }
        served(outsider.standing.status)?;
        Ok(Caller {
            tenant: outsider.tenant,
            user: outsider.user.as_str().to_owned(),
            scope: actors::api_key::Scope::Role(outsider.standing.role),
            plan: outsider.standing.plan,
            proof: Proof::Issuer {
                token: token.to_owned(),
            },
            expires_at: outsider.expires_at,
        })
    }

    async fn outsider(&self, issuer: &Issuer, token: &str, digest: TokenDigest) -> Result<Outsider, Problem> {
        let Proven {
            email,
            tenant,
            expires_at,
        } = issuer.verify(token).await.map_err(unproven)?;
        let member = self.as_server(self.member(&email, &tenant)).await;
        let (user, standing) = member.map_err(not_admitted)?;
        let outsider = Outsider {
            user,
            tenant,
            standing,
            expires_at,
        };
        let is_new = !self.outsiders.knows(&digest);
        if is_new && outsider.standing.status == TenantStatus::Active {
            self.record(issuer, &outsider, digest).await.map_err(refused)?;
        }
        Ok(outsider)
    }

    /// The member of a tenant who has an address.
    async fn member(&self, email: &Email, tenant: &TenantId) -> Result<(UserId, Standing), ActorError> {
        let person = self.identity.person(email).await?;
        if !person.is_verified {
            // Anybody can have registered the address of somebody else, and still waits for that person to confirm it.
            return Err(ActorError::not_found(
                "account.unknown",
                "nobody has proven this address",
            ));
        }
        let get = GetMember {
            user: person.user.clone(),
        };
        Ok((person.user, self.membership(tenant).ask(get).await?))
    }

    /// Has it recorded that a person begins to work in a tenant: once for each token, whichever nodes see it.
    async fn record(&self, issuer: &Issuer, outsider: &Outsider, digest: TokenDigest) -> Result<(), ActorError> {
        let Outsider {
            user, tenant, standing, ..
        } = outsider;
        let (once, _) = digest.split_at(size_of::<Uuid>());
        let once = Uuid::from_slice(once).expect("a digest is longer than an id");
        let members = json!({ "user": user, "issuer": issuer.name(), "role": standing.role });
        let audit = self.cluster.get(ActorId::from_name::<AuditLog>(tenant, NAME));
        let append = append_once(&audit, user.as_str(), once, events::SIGNED_IN, members);
        let plan = standing.plan.as_str();
        match self.context.on_behalf(tenant, user.as_str(), plan, append).await {
            // A node has recorded it, under the id of another request.
            Err(error) if error.code() == "idempotency.reused" => Ok(()),
            appended => appended.map(drop),
        }
    }
}

fn unproven(error: IssuerError) -> Problem {
    match error {
        IssuerError::Unproven(Unproven::Expired) => caller::refused(TokenError::Expired),
        IssuerError::Unproven(Unproven::Invalid | Unproven::Address) => {
            Problem::unauthorized("auth.invalid-token", error.to_string())
        }
        IssuerError::Unproven(Unproven::Tenant) => Problem::forbidden("auth.no-member", error.to_string()),
        IssuerError::Unreachable => Problem::unavailable("auth.unavailable", error.to_string()),
    }
}

/// Whether the account, the tenant or the membership is missing is told to nobody.
fn not_admitted(error: ActorError) -> Problem {
    match error.code() {
        "account.unknown" | "member.unknown" | "tenant.unknown" | "tenant.reserved" => Problem::forbidden(
            "auth.no-member",
            "no member of the tenant has the address that the token proves",
        ),
        _ => refused(error),
    }
}
