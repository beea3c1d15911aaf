//! What the membership of a tenant stores.

use cluster::{TenantId, Timestamp, prelude::Uuid};
use serde::{Deserialize, Serialize};

use crate::{
    api_key::Scope,
    email::Email,
    role::{Plan, Role, TenantStatus},
    secret::Hashed,
    user::UserId,
};

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantProfile {
    /// The id.
    pub tenant: TenantId,
    /// What it is called.
    pub name: String,
    /// What it has room for.
    pub plan: Plan,
    /// Whether it is served.
    pub status: TenantStatus,
    /// When it was founded.
    pub founded: Timestamp,
    /// The first admin.
    pub founder: UserId,
}

/// A member of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The person.
    pub user: UserId,
    /// Their address.
    pub email: Email,
    /// What they are called.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Since when they are a member.
    pub since: Timestamp,
}

/// An invitation as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Invited {
    pub(super) token: Hashed,
    pub(super) email: Email,
    pub(super) role: Role,
    pub(super) by: UserId,
    pub(super) created: Timestamp,
    pub(super) expires: Timestamp,
    pub(super) accepted: Option<Acceptance>,
}

/// Who accepted an invitation, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    /// The person.
    pub user: UserId,
    /// When.
    pub at: Timestamp,
}

/// An API key in the index of its tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyEntry {
    /// Id of the key.
    pub key: Uuid,
    /// What it is called.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// Who made it.
    pub by: UserId,
    /// When.
    pub created: Timestamp,
    /// When it ends by itself, if it does.
    pub expires: Option<Timestamp>,
}
