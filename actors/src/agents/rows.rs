//! What is stored of every agent. Authors have all keys but those that begin with `agent/`.

use cluster::prelude::{Key, Keys, Timestamp};
use serde::{Deserialize, Serialize};

use super::Schedule;

/// The state, as JSON. There is none until one was set.
pub(super) const STATE: Key<String> = Key::new("agent/state");
/// What is to be done at its time, by its id.
pub(super) const SCHEDULES: Keys<StoredSchedule> = Keys::new("agent/schedules/");
/// What is to be done one after another, by its number.
pub(super) const QUEUE: Keys<QueuedCall> = Keys::new("agent/queue/");

/// A schedule, and how it is going.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredSchedule {
    pub(super) schedule: Schedule,
    /// Failures since it last succeeded.
    pub(super) failures: u32,
}

/// A call in the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct QueuedCall {
    pub(super) method: String,
    /// JSON, as serde writes the arguments.
    pub(super) args: String,
    /// Not before.
    pub(super) due: Timestamp,
    pub(super) failures: u32,
}
