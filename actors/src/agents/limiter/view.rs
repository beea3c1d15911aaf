//! Limits as they are shown.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limiter::{Leased, Limit};

/// So many in any window of this length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LimitView {
    /// Length of the window in milliseconds, up to a day.
    pub window_ms: u64,
    /// How many any window lets through.
    pub max_requests: u32,
}

/// What all who are connected see.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LimitsState {
    /// The limits by their names.
    pub limits: BTreeMap<String, LimitView>,
}

/// How a limit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Standing {
    /// Whether it was counted and may go on; of what was only looked at, whether one would.
    pub allowed: bool,
    /// The limit.
    pub limit: LimitView,
    /// How many are left.
    pub remaining: u32,
    /// Milliseconds until all of the limit is there again, if nothing is asked meanwhile.
    pub reset_ms: u64,
    /// Milliseconds until another one may be allowed; 0 if one may be now.
    pub retry_after_ms: u64,
}

/// A limit with its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// How it stands.
    #[serde(flatten)]
    pub standing: Standing,
}

/// All limits that concern whoever asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LimitsView {
    /// Of requests to the server by the whole tenant, if there is one.
    pub tenant: Option<Standing>,
    /// Of requests to the server by the API key that asks, if one does.
    pub key: Option<Standing>,
    /// Those of this agent, by their names.
    pub items: Vec<Named>,
}

impl From<Limit> for LimitView {
    fn from(limit: Limit) -> Self {
        Self {
            window_ms: limit.window_ms,
            max_requests: limit.max_requests,
        }
    }
}

impl From<LimitView> for Limit {
    fn from(limit: LimitView) -> Self {
        Self {
            window_ms: limit.window_ms,
            max_requests: limit.max_requests,
        }
    }
}

impl Standing {
    /// What was only looked at.
    pub(super) fn seen(leased: Leased) -> Self {
        Self {
            allowed: leased.remaining > 0,
            limit: leased.limit.into(),
            remaining: leased.remaining,
            reset_ms: leased.reset_ms,
            retry_after_ms: leased.retry_after_ms,
        }
    }
}

impl From<crate::limiter::Checked> for Standing {
    fn from(checked: crate::limiter::Checked) -> Self {
        Self {
            allowed: checked.allowed,
            limit: checked.limit.into(),
            remaining: checked.remaining,
            reset_ms: checked.reset_ms,
            retry_after_ms: checked.retry_after_ms,
        }
    }
}
