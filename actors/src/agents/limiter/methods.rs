//! What is called.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::view::{LimitView, LimitsView, Standing};
use crate::agents::Method;

/// Counts one of what a limit is for, if the limit allows it. Whoever is refused waits for `retry_after_ms`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// Name of the limit.
    pub name: String,
}

impl Method for Check {
    const NAME: &'static str = "check";
    type Reply = Standing;
}

/// Shows the limits that concern whoever asks, and how they stand. Nothing is counted by it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub struct ListLimits;

impl Method for ListLimits {
    const NAME: &'static str = "limits";
    type Reply = LimitsView;
}

/// Gives the agent a limit, or another one under the same name. It needs the permission `tenant:configure`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Define {
    /// Its name: 1 to 64 letters, digits, hyphens, underscores and dots.
    pub name: String,
    /// Length of the window in milliseconds, up to a day.
    pub window_ms: u64,
    /// How many any window lets through.
    pub max_requests: u32,
}

impl Method for Define {
    const NAME: &'static str = "define";
    type Reply = LimitView;
}

/// Takes a limit away. It needs the permission `tenant:configure`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Remove {
    /// Its name.
    pub name: String,
}

impl Method for Remove {
    const NAME: &'static str = "remove";
    type Reply = ();
}
