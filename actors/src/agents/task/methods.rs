//! What is called: by people and other agents, and by the queue itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    job::Job,
    rows::Status,
    view::{Failure, TaskPage, TaskView},
};
use crate::agents::Method;

/// Gives a task. Under a key that a task has already it answers with that task, and gives no other one, for as long as that
/// task is known.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Enqueue {
    /// What it does.
    pub job: Job,
    /// An idempotency key, 1 to 100 characters.
    #[serde(default)]
    pub key: Option<String>,
    /// How many tasks have led to this one. A task that gives another one says so by itself.
    #[serde(default)]
    pub depth: u32,
}

impl Method for Enqueue {
    const NAME: &'static str = "enqueue";
    type Reply = TaskView;
}

/// Lists tasks, the latest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ListTasks {
    /// Only those that were given before this one: what the page before has as `next`.
    pub before: Option<u64>,
    /// Most tasks returned, 1 to 100; 50 where nothing is said.
    pub limit: Option<u32>,
    /// Only those that stand so.
    pub status: Option<Status>,
}

impl Method for ListTasks {
    const NAME: &'static str = "list";
    type Reply = TaskPage;
}

/// Shows a task.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub struct GetTask {
    /// Its number.
    pub id: u64,
}

impl Method for GetTask {
    const NAME: &'static str = "get";
    type Reply = TaskView;
}

/// Takes back a task that waits.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub struct Cancel {
    /// Its number.
    pub id: u64,
}

impl Method for Cancel {
    const NAME: &'static str = "cancel";
    type Reply = TaskView;
}

/// Has a task done after all that has failed or was cancelled.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub struct Retry {
    /// Its number.
    pub id: u64,
}

impl Method for Retry {
    const NAME: &'static str = "retry";
    type Reply = TaskView;
}

/// Looks whether something is due, or was left by another activation.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
pub(super) struct Look;

impl Method for Look {
    const NAME: &'static str = "look";
    type Reply = ();
}

/// An attempt has ended.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(super) struct Ended {
    pub(super) number: u64,
    pub(super) attempt: u32,
    pub(super) outcome: Result<Value, Broken>,
}

impl Method for Ended {
    const NAME: &'static str = "ended";
    type Reply = ();
}

/// An attempt that has failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(super) struct Broken {
    pub(super) failure: Failure,
    /// Whether another attempt may help.
    pub(super) may_pass: bool,
    /// Whether it may have had its effect all the same.
    pub(super) is_unknown: bool,
}
