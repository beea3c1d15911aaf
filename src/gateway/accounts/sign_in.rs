//! Signing in with a password.

use std::time::Duration;

use actors::{
    account::Person,
    audit::{AuditLog, NAME, append_once, events},
    email::Email,
    identity::{Entered, IdentityError, NewSession},
    membership::Standing,
    role::system_tenant,
};
use cluster::{
    Timestamp,
    prelude::{ActorId, TenantId, Uuid},
};
use serde_json::json;
use tokio::time::Instant;

use super::{STRANGER, as_late_as_any, for_stranger, identity, refused, sign_up::confirm_again};
use crate::gateway::{
    callers::{NO_PLAN, Opened},
    error::Problem,
    state::Gateway,
    token::{Purpose, Signer},
};

/// Somebody at the door.
#[derive(Debug)]
pub(crate) struct Entrance {
    pub(crate) email: Email,
    pub(crate) password: String,
    /// The tenant they want to work in; otherwise the last one.
    pub(crate) tenant: Option<TenantId>,
    /// Where they come from, in words.
    pub(crate) device: String,
    /// The session that their browser shows; it ends, for nobody must be able to give somebody theirs.
    pub(crate) old: Option<(Uuid, String)>,
}

/// Somebody who is in.
#[derive(Debug)]
pub(crate) struct SignedIn {
    pub(crate) person: Person,
    pub(crate) opened: Opened,
    pub(crate) tenant: Option<(TenantId, Standing)>,
}

/// Opens a session for whoever has the password. All refusals are the same to strangers; each is recorded.
///
/// # Errors
///
/// Fails with `auth.refused`, with `tenant.unknown` or `tenant.suspended` if only the wanted tenant is in the way, and when who
/// it is cannot be found out.
pub(crate) async fn sign_in(gateway: &Gateway, entrance: Entrance) -> Result<SignedIn, Problem> {
    let began = Instant::now();
    let Entrance {
        email,
        password,
        tenant,
        device,
        old,
    } = entrance;
    let life = Duration::from_hours(gateway.auth.session_hours);
    let mut claims = Signer::claims(&system_tenant(), STRANGER, Purpose::Session, life);
    claims.jti = Uuid::now_v7();
    let checked = for_stranger(gateway, identity(gateway).check_password(&email, password)).await;
    let person = match checked {
        Ok(person) => person,
        Err(error) => {
            let recorded = turned_away(gateway, &email, &error).await;
            as_late_as_any(began).await;
            return Err(recorded.err().unwrap_or_else(|| refused(error)));
        }
    };
    let session = NewSession {
        session: claims.jti,
        tenant,
        device: actors::line::device(&device),
        expires: Timestamp::from_millis(i64::try_from(claims.exp.saturating_mul(1000)).unwrap_or(i64::MAX)),
    };
    // From here on it is known who acts.
    let user = person.user.clone();
    let entering = Box::pin(identity(gateway).enter(person, session));
    let entered = gateway
        .context
        .on_behalf(&system_tenant(), user.as_str(), NO_PLAN, entering);
    let Entered { person, tenant, .. } = entered.await?;
    if let Some((session, user)) = old {
        // It is one of this browser only, and ends by itself.
        if let Err(problem) = gateway.callers.close(session, &user).await {
            tracing::warn!(%problem, "the session before this one could not be closed");
        }
    }
    claims.sub = person.user.as_str().to_owned();
    claims.tid = tenant
        .as_ref()
        .map_or(claims.tid, |(tenant, _)| tenant.as_str().to_owned());
    tracing::info!(user = %person.user, "a person signed in");
    Ok(SignedIn {
        opened: Opened {
            token: gateway.signer.sign(&claims),
            expires_at: claims.exp,
        },
        person,
        tenant,
    })
}

/// Does what is to be done about somebody who was turned away. Accounts record wrong passwords themselves.
async fn turned_away(gateway: &Gateway, email: &Email, error: &IdentityError) -> Result<(), Problem> {
    match error {
        IdentityError::Unknown => record(gateway, email, "unknown").await,
        IdentityError::Locked { .. } => record(gateway, email, "locked").await,
        IdentityError::Unverified => confirm_again(gateway, email).await,
        IdentityError::Refused | IdentityError::Password(_) | IdentityError::Actor(_) => Ok(()),
    }
}

/// Records a refusal where no account does, with the digest of the address: what people mistype may be a password.
async fn record(gateway: &Gateway, email: &Email, why: &str) -> Result<(), Problem> {
    let members = json!({ "address_sha256": email.account(), "why": why });
    let chain = ActorId::from_name::<AuditLog>(&system_tenant(), NAME);
    let chain = gateway.cluster.get::<AuditLog>(chain);
    let append = append_once(&chain, STRANGER, Uuid::now_v7(), events::SIGN_IN_REFUSED, members);
    Ok(for_stranger(gateway, append).await.map(drop)?)
}
