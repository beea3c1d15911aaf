//! What is asked of a session.

use cluster::{
    TenantId, Timestamp,
    prelude::{ActorId, Message, Uuid},
};
use serde::{Deserialize, Serialize};

use super::Session;
use crate::{email::Email, role::system_tenant, user::UserId};

impl Session {
    /// Address of a session.
    #[must_use]
    pub fn address(session: Uuid) -> ActorId {
        ActorId::unique::<Self>(&system_tenant(), session)
    }
}

/// Opens the session. Again with the same content it changes nothing, also once the session was revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Message)]
#[message(name = "session.open")]
pub struct OpenSession {
    /// Whose session it is.
    pub user: UserId,
    /// Address of the account.
    pub email: Email,
    /// The tenant the person works in, if there is one.
    pub tenant: Option<TenantId>,
    /// Where the person signed in, in words of [`device`](crate::line::device).
    pub device: String,
    /// When it ends by itself.
    pub expires: Timestamp,
}

/// Asks whether the session goes on.
///
/// Errors: `session.unknown`, `session.revoked`, `session.expired`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "session.check", reply = SessionState)]
pub struct CheckSession;

/// A session that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionState {
    /// Whose session it is.
    pub user: UserId,
    /// Address of the account.
    pub email: Email,
    /// The tenant the person works in, if there is one.
    pub tenant: Option<TenantId>,
    /// Where the person signed in.
    pub device: String,
    /// When it was opened.
    pub opened: Timestamp,
    /// When it was last asked for, five minutes more or less after a restart.
    pub seen: Timestamp,
    /// When it ends by itself.
    pub expires: Timestamp,
}

/// Lets the person work in another tenant. Whoever asks has made sure that the person is a member there.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "session.switch-tenant", reply = SessionState)]
pub struct SwitchTenant {
    /// The other tenant, or none.
    pub tenant: Option<TenantId>,
}

/// Ends the session for good. Again it changes nothing.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "session.revoke")]
pub struct RevokeSession {
    /// Why.
    pub why: SessionEnd,
}

/// Why a session was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionEnd {
    /// The person signed out.
    SignedOut,
    /// The person closed it from elsewhere.
    Closed,
    /// The person has another password.
    PasswordChanged,
    /// The account has more sessions than it may, and this was the oldest.
    TooMany,
    /// An administrator closed it.
    Administrator,
    /// The account is gone.
    Erased,
}

impl SessionEnd {
    /// The name in the audit chain.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed-out",
            Self::Closed => "closed",
            Self::PasswordChanged => "password-changed",
            Self::TooMany => "too-many",
            Self::Administrator => "administrator",
            Self::Erased => "erased",
        }
    }
}
