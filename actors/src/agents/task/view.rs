//! Tasks as they are shown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    job::Job,
    rows::{Status, StoredTask},
};

/// Why a task has failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// For programs.
    pub code: String,
    /// For people.
    pub message: String,
}

/// A task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskView {
    /// Its number: a smaller one was given before.
    pub id: u64,
    /// What it does.
    pub job: Job,
    /// The idempotency key under which it was given.
    pub key: Option<String>,
    /// On whose behalf it is done.
    pub by: String,
    /// How it stands.
    pub status: Status,
    /// Attempts that were begun.
    pub attempts: u32,
    /// When it was given, Unix seconds.
    pub enqueued_at: i64,
    /// When it is tried next, Unix seconds, if it waits.
    pub due_at: Option<i64>,
    /// What went wrong last.
    pub error: Option<Failure>,
    /// What it came to. Of a result that is too long only its length is kept, as `omitted_bytes`.
    pub result: Option<Value>,
}

/// A page of tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskPage {
    /// The latest first.
    pub items: Vec<TaskView>,
    /// What the next page is asked for with, as `before`, if there is more.
    pub next: Option<u64>,
}

/// A task in a few words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskLine {
    /// Its number.
    pub id: u64,
    /// What it does: `start_run`, `call_agent`, `notify`.
    #[serde(rename = "do")]
    pub what: String,
    /// How it stands.
    pub status: Status,
    /// Attempts that were begun.
    pub attempts: u32,
    /// Code of what went wrong last.
    pub error: Option<String>,
}

/// What all who are connected to a queue see.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TasksState {
    /// Tasks that wait.
    pub waiting: usize,
    /// The one that is being done.
    pub running: Option<u64>,
    /// Tasks that were done, of those that are still known.
    pub done: usize,
    /// Tasks that have failed for good, of those that are still known.
    pub failed: usize,
    /// Tasks that were cancelled, of those that are still known.
    pub cancelled: usize,
    /// The last tasks, the latest first.
    pub last: Vec<TaskLine>,
}

impl StoredTask {
    pub(super) fn view(&self, id: u64) -> cluster::prelude::Result<TaskView> {
        Ok(TaskView {
            id,
            job: Job::read(&self.job)?,
            key: self.key.clone(),
            by: self.by.user.clone(),
            status: self.status,
            attempts: self.attempts,
            enqueued_at: self.enqueued.as_secs(),
            due_at: (self.status == Status::Waiting).then(|| self.due.as_secs()),
            error: self.error.clone(),
            result: self.result.as_deref().and_then(|json| serde_json::from_str(json).ok()),
        })
    }

    pub(super) fn line(&self, id: u64) -> TaskLine {
        TaskLine {
            id,
            what: Job::read(&self.job).map_or_else(|_| String::new(), |job| job.name().to_owned()),
            status: self.status,
            attempts: self.attempts,
            error: self.error.as_ref().map(|error| error.code.clone()),
        }
    }
}
