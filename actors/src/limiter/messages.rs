//! What a limiter is asked.

use std::time::Duration;

use cluster::prelude::{ActorError, Message, Result};
use serde::{Deserialize, Serialize};

/// Longest window.
pub const MAX_WINDOW: Duration = Duration::from_hours(24);
/// Most requests of a window.
pub const MAX_REQUESTS: u32 = 1_000_000_000;

/// So many requests in any window of this length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limit {
    /// Length of the window in milliseconds, at least 1.
    pub window_ms: u64,
    /// Requests that any window lets through.
    pub max_requests: u32,
}

impl Default for Limit {
    /// 100 requests in any minute.
    fn default() -> Self {
        Self {
            window_ms: 60_000,
            max_requests: 100,
        }
    }
}

impl Limit {
    /// So many requests in any minute.
    #[must_use]
    pub const fn per_minute(max_requests: u32) -> Self {
        Self {
            window_ms: 60_000,
            max_requests,
        }
    }

    /// Length of the window.
    #[must_use]
    pub const fn window(self) -> Duration {
        Duration::from_millis(self.window_ms)
    }

    /// Checks the bounds.
    pub(crate) fn check(self) -> Result<Self> {
        if self.window_ms == 0 || self.window() > MAX_WINDOW {
            return Err(ActorError::invalid(
                "limiter.window",
                format!("a window has 1 to {} milliseconds", MAX_WINDOW.as_millis()),
            ));
        }
        if self.max_requests > MAX_REQUESTS {
            return Err(ActorError::invalid(
                "limiter.max-requests",
                format!("a window lets through at most {MAX_REQUESTS} requests"),
            ));
        }
        Ok(self)
    }
}

/// Counts one request, if the limit allows it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "limiter.check", reply = Checked)]
pub struct Check {
    /// The limit, as far as the limiter was not configured otherwise.
    pub limit: Limit,
}

/// What a limiter says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Whether it may go on.
    pub allowed: bool,
    /// The limit that holds.
    pub limit: Limit,
    /// Requests that are left.
    pub remaining: u32,
    /// Milliseconds until all of the limit is there again, if nothing is asked meanwhile.
    pub reset_ms: u64,
    /// Milliseconds until another request may be allowed; 0 if one may be now.
    pub retry_after_ms: u64,
}

/// Counts several requests at once, which a node will let through by itself.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "limiter.lease", reply = Leased)]
pub struct Lease {
    /// Requests wanted. Fewer are granted where fewer are left.
    pub want: u32,
    /// The limit, as far as the limiter was not configured otherwise.
    pub limit: Limit,
}

/// Requests that a node may let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leased {
    /// How many.
    pub granted: u32,
    /// Milliseconds for which they may be used, from the moment they were asked for.
    pub expires_ms: u64,
    /// The limit that holds.
    pub limit: Limit,
    /// Requests that are left for others.
    pub remaining: u32,
    /// Milliseconds until all of the limit is there again, if nothing is asked meanwhile.
    pub reset_ms: u64,
    /// Milliseconds until another request may be allowed; 0 if one may be now.
    pub retry_after_ms: u64,
}

/// Sets the limit, durably, instead of the one that callers name. What is not named stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Message)]
#[message(name = "limiter.configure", reply = Limit)]
pub struct Configure {
    /// Length of the window in milliseconds.
    pub window_ms: Option<u64>,
    /// Requests that any window lets through.
    pub max_requests: Option<u32>,
}

/// Forgets what was counted. Nodes that remember a refusal or hold a lease hear of it within a second.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "limiter.reset")]
pub struct Reset;
