//! What is called: by the person, and by the agent itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::view::{Device, DeviceList, Me};
use crate::agents::Method;

/// Says who you are, and by which session.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub struct Whoami;

impl Method for Whoami {
    const NAME: &'static str = "whoami";
    type Reply = Me;
}

/// Lists where you are signed in.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub struct ListDevices;

impl Method for ListDevices {
    const NAME: &'static str = "devices";
    type Reply = DeviceList;
}

/// Signs you out of a device, or of this one. Answers with the ids of the sessions that have ended.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Revoke {
    /// Id of the session.
    pub session: String,
}

impl Method for Revoke {
    const NAME: &'static str = "revoke";
    type Reply = Vec<String>;
}

/// Signs you out of all devices but this one. Answers with the ids of the sessions that have ended.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub struct RevokeOthers;

impl Method for RevokeOthers {
    const NAME: &'static str = "revokeOthers";
    type Reply = Vec<String>;
}

/// Looks whether something has changed, as long as somebody is connected.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub(super) struct Look;

impl Method for Look {
    const NAME: &'static str = "look";
    type Reply = ();
}

/// The open sessions, or that nobody tells them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(super) struct Looked {
    pub(super) devices: Option<Vec<Device>>,
}

impl Method for Looked {
    const NAME: &'static str = "looked";
    type Reply = ();
}
