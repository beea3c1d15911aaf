//! Sessions as their owner sees them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::account::KnownSession;

/// Who somebody is, and by which session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Me {
    /// Id of the person.
    pub user: String,
    /// The address that the session was opened for.
    pub email: String,
    /// The tenant that the person works in.
    pub tenant: Option<String>,
    /// Id of the session.
    pub session: String,
    /// Where the person signed in, as the browser or program said of itself.
    pub device: String,
    /// When, Unix seconds.
    pub opened_at: i64,
    /// When the session was last asked for, Unix seconds.
    pub seen_at: i64,
    /// When it ends by itself, Unix seconds.
    pub expires_at: i64,
}

/// An open session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Device {
    /// Id of the session.
    pub id: String,
    /// Where the person signed in, as the browser or program said of itself.
    pub device: String,
    /// When, Unix seconds.
    pub opened_at: i64,
    /// When it ends by itself, Unix seconds.
    pub expires_at: i64,
}

/// The open sessions of an account; there are few.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceList {
    /// Id of the session that asks.
    pub current: String,
    /// The latest first.
    pub items: Vec<Device>,
}

/// What all who are connected see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionsState {
    /// The open sessions of the account, the latest first.
    pub devices: Vec<Device>,
}

impl From<KnownSession> for Device {
    fn from(known: KnownSession) -> Self {
        Self {
            id: known.session.to_string(),
            device: known.device,
            opened_at: known.opened.as_secs(),
            expires_at: known.expires.as_secs(),
        }
    }
}
