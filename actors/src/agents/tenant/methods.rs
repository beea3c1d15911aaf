//! What is called: by people and other agents, and by the agent itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::view::{MembersPage, TenantState, UsageView};
use crate::agents::Method;

/// Looks what the tenant is by now; all who are connected hear of what has changed.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub struct Refresh;

impl Method for Refresh {
    const NAME: &'static str = "refresh";
    type Reply = TenantState;
}

/// Lists members by their ids. It needs the permission `user:view`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Members {
    /// What the page before has as `next`.
    pub after: Option<String>,
    /// Most members returned, 1 to 100; 50 where nothing is said.
    pub limit: Option<u32>,
}

impl Method for Members {
    const NAME: &'static str = "members";
    type Reply = MembersPage;
}

/// Tells how much the tenant uses, as far as the caller may know.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub struct UsageNow;

impl Method for UsageNow {
    const NAME: &'static str = "usage";
    type Reply = UsageView;
}

/// Looks whether something has changed, as long as somebody is connected.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub(super) struct Look;

impl Method for Look {
    const NAME: &'static str = "look";
    type Reply = ();
}

/// What the tenant is, or that nobody says.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(super) struct Looked {
    pub(super) state: Option<TenantState>,
}

impl Method for Looked {
    const NAME: &'static str = "looked";
    type Reply = ();
}
