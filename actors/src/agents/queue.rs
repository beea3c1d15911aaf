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

/// The first number of an empty queue. Of those that were given before nothing is stored any more, but it is larger than each
/// of them, as long as fewer than 1024 were given in a millisecond.
pub(super) fn first_number(now: Timestamp) -> u64 {
    u64::try_from(now.as_millis()).unwrap_or_default() << 10
}

/// The key of a number, such that keys are ordered as numbers are.
pub(super) fn key(number: u64) -> String {
    format!("{number:020}")
}
