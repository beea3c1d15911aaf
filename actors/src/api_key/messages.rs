//! What is asked of an API key.

use cluster::{
    TenantId, Timestamp,
    prelude::{ActorId, Message, Uuid},
};
use serde::{Deserialize, Serialize};

use super::{ApiKey, Scope};
use crate::{secret::Hashed, user::UserId};

impl ApiKey {
    /// Address of a key.
    #[must_use]
    pub fn address(tenant: &TenantId, key: Uuid) -> ActorId {
        ActorId::unique::<Self>(tenant, key)
    }
}

/// Makes the key. The membership of the tenant sends it; whoever does not want to wait for that asks the same. Again it changes
/// nothing, also once the key was revoked.
///
/// Errors: `key.exists` with another secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Message)]
#[message(name = "key.create")]
pub struct CreateKey {
    /// The random secret.
    pub secret: Hashed,
    /// What it is called.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// Who makes it.
    pub by: UserId,
    /// When it ends by itself, if it does.
    pub expires: Option<Timestamp>,
}

/// Asks what somebody may do who shows the secret.
///
/// Errors: `key.invalid` if there is no such key or the secret is another one; with the right one `key.revoked`, `key.expired`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "key.check", reply = KeyState)]
pub struct CheckKey {
    /// The secret that is shown.
    pub secret: Hashed,
}

/// A key that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyState {
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
    /// When it was last used before, five minutes more or less after a restart.
    pub used: Option<Timestamp>,
}

/// Revokes the key. The membership of the tenant sends it; whoever does not want to wait for that asks the same. Again it changes
/// nothing.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "key.revoke")]
pub struct RevokeKey;
