//! The one alarm of an actor: what the handler is told, and when a failed one is tried again.

use crate::Timestamp;

/// What an alarm handler is told about its firing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alarm {
    /// Failed firings before this one that counted.
    pub retry_count: u32,
    /// Whether this firing repeats a failed one.
    pub is_retry: bool,
    /// The moment the alarm was set for.
    pub scheduled: Timestamp,
}
