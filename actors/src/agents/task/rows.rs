//! What is stored of a queue.

use cluster::prelude::{Keys, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::view::Failure;
use crate::agents::AgentCaller;

/// Tasks by their numbers.
pub(super) const TASKS: Keys<StoredTask> = Keys::new("task/tasks/");

/// The suffix of a number, such that keys are ordered as numbers are.
pub(super) fn suffix(number: u64) -> String {
    format!("{number:020}")
}

/// How a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It waits for its turn, or for another attempt.
    Waiting,
    /// It is being done.
    Running,
    /// It was done.
    Done,
    /// It has failed for good.
    Failed,
    /// It was cancelled before it was done.
    Cancelled,
}

impl Status {
    /// Whether anything is still to happen.
    pub(super) fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Running)
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredTask {
    /// JSON.
    pub(super) job: String,
    /// The idempotency key under which it was given.
    pub(super) key: Option<String>,
    /// On whose behalf it is done.
    pub(super) by: AgentCaller,
    /// How many tasks have led to this one.
    pub(super) depth: u32,
    pub(super) enqueued: Timestamp,
    pub(super) status: Status,
    /// Not before.
    pub(super) due: Timestamp,
    /// Attempts that were begun.
    pub(super) attempts: u32,
    /// Grows when it is certain that an attempt has had no effect that another one could double: part of the key under which
    /// an agent is called.
    pub(super) generation: u32,
    /// What went wrong last.
    pub(super) error: Option<Failure>,
    /// What it came to, as JSON.
    pub(super) result: Option<String>,
}
