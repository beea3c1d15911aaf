//! What an account stores.

use cluster::{TenantId, Timestamp, prelude::Uuid};
use serde::{Deserialize, Serialize};

use super::messages::Purpose;
use crate::{
    email::Email,
    secret::{Hashed, PasswordHash},
    user::UserId,
};

/// Who the person is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Profile {
    pub(super) user: UserId,
    pub(super) email: Email,
    pub(super) name: String,
    pub(super) registered: Timestamp,
    /// When the address was proven.
    pub(super) verified: Option<Timestamp>,
    /// The code that proved it, for whoever shows it again.
    pub(super) verified_by: Option<Hashed>,
    /// Name of the tenant that the person founds, until it is there.
    pub(super) founds: Option<String>,
    pub(super) last_tenant: Option<TenantId>,
}

/// What was given with a registration, and counts once that is proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Registration {
    pub(super) name: String,
    pub(super) password: PasswordHash,
    pub(super) founds: Option<String>,
}

/// A code that was mailed and not shown yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Code {
    pub(super) purpose: Purpose,
    pub(super) hash: Hashed,
    pub(super) issued: Timestamp,
    pub(super) expires: Timestamp,
    /// Wrong codes that were shown for this purpose since.
    pub(super) attempts: u32,
    /// The registration that it proves. Whoever registers the address of somebody else so cannot have it proven by the code of
    /// that person's own registration.
    pub(super) registration: Option<Registration>,
}

/// An open session of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownSession {
    /// Id of the session.
    pub session: Uuid,
    /// Where the person signed in.
    pub device: String,
    /// When.
    pub opened: Timestamp,
    /// When it ends by itself.
    pub expires: Timestamp,
}

/// A tenant that an account knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownTenant {
    /// The tenant.
    pub tenant: TenantId,
    /// What it was called when this was noted.
    pub name: String,
    /// When it was noted the last time.
    pub noted: Timestamp,
}
