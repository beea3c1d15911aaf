//! What an agent does one after another.

use cluster::prelude::Timestamp;

/// Most calls that wait in the queue of one agent.
pub(super) const QUEUE_MAX: u64 = 10_000;

/// A call that waits in the queue of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    /// Its number: a smaller one is done before.
    pub number: u64,
    /// The method.
    pub method: String,
    /// The arguments, as JSON.
    pub args: String,
    /// Not before; later than it was queued if it has failed.
    pub due: Timestamp,
}

/// The key of a number, such that keys are ordered as numbers are.
pub(super) fn key(number: u64) -> String {
    format!("{number:020}")
}
