//! The messages of an instance: those for everybody, and those between an instance and its own run.

use std::time::Duration;

use cluster::prelude::{Message, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{StepPolicy, WorkError, status::Status};

/// Creates the instance. A second one is a conflict.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "workflow.create", reply = InstanceStatus)]
pub struct Create {
    /// Parameters as JSON, at most 1 MiB.
    pub params: String,
}

/// Stops the instance between two steps.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "workflow.pause", reply = InstanceStatus)]
pub struct Pause;

/// Lets a paused instance go on. Its pending timers move by the time it was paused.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "workflow.resume", reply = InstanceStatus)]
pub struct Resume;

/// Ends the instance and aborts the step that is executed.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "workflow.terminate", reply = InstanceStatus)]
pub struct Terminate;

/// Forgets all steps and starts again with the same parameters.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "workflow.restart", reply = InstanceStatus)]
pub struct Restart;

/// Gives the instance an event. One that nobody waits for yet is kept.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "workflow.send-event", reply = InstanceStatus)]
pub struct SendEvent {
    /// Type that a step waits for.
    pub event_type: String,
    /// Payload as JSON, at most 1 MiB.
    pub payload: String,
}

/// Asks where the instance stands.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "workflow.status", reply = InstanceStatus)]
pub struct GetStatus;

/// Where an instance stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Its state.
    pub status: Status,
    /// Output as JSON, once complete.
    pub output: Option<String>,
    /// What it failed of, once errored.
    pub error: Option<String>,
}

/// What a step is for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum StepKind {
    Work,
    Sleep { duration: Duration },
    SleepUntil { at: Timestamp },
    Event { event_type: String, timeout: Duration },
}

/// The run is about to begin a step.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "workflow.begin-step", reply = Next)]
pub(super) struct BeginStep {
    pub(super) token: Uuid,
    pub(super) name: String,
    /// Empty in the first call: the instance counts.
    pub(super) occurrence: Option<u32>,
    pub(super) kind: StepKind,
}

/// An attempt is over.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "workflow.finish-step", reply = Next)]
pub(super) struct FinishStep {
    pub(super) token: Uuid,
    pub(super) name: String,
    pub(super) occurrence: u32,
    pub(super) attempt: u32,
    pub(super) policy: StepPolicy,
    /// Output as JSON.
    pub(super) outcome: Result<String, WorkError>,
}

/// A step whose work is one turn of the instance.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "workflow.record-effect", reply = Next)]
pub(super) struct RecordEffect {
    pub(super) token: Uuid,
    pub(super) name: String,
    pub(super) occurrence: Option<u32>,
    /// Effect as JSON.
    pub(super) effect: String,
}

/// What the run does next about a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Next {
    /// Go on with this output.
    Output(String),
    /// The step failed for good.
    Failed(String),
    /// Execute this attempt.
    Execute { occurrence: u32, attempt: u32 },
    /// Ask again when something happened.
    Wait { occurrence: u32 },
}

/// The run has waited for long without executing anything.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "workflow.hibernate")]
pub(super) struct Hibernate {
    pub(super) token: Uuid,
}

/// The run is over.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "workflow.ran")]
pub(super) struct Ran {
    pub(super) token: Uuid,
    pub(super) end: RunEnd,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum RunEnd {
    /// Output as JSON.
    Complete(String),
    Failed(String),
    Interrupted,
}
