//! An event of a run: stored in order, delivered to watchers and, later, to webhooks.

use serde::{Deserialize, Serialize};

/// One event. Its id is `<run>:<seq>` and never repeats.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunEvent {
    /// `<run>:<seq>`.
    pub id: String,
    /// 1 for the first event of the run, without gaps.
    pub seq: u64,
    /// What happened.
    pub kind: RunEventKind,
    /// Run it happened to.
    pub run_id: String,
    /// Phase it happened in.
    pub phase: Option<String>,
    /// Status of the run after it.
    pub status: String,
    /// Verdict of the kill test or of review, where one fell.
    pub verdict: Option<String>,
    /// Overall score of the artifact, where there is one.
    pub score: Option<f64>,
    /// Pivots so far.
    pub pivot_count: u32,
    /// Why, in words for people: the error, the pivot's reason, a comment.
    pub reason: Option<String>,
    /// Unix seconds.
    pub timestamp: i64,
}

/// What happened to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunEventKind {
    /// The run was created.
    RunStarted,
    /// A phase was begun.
    PhaseStarted,
    /// An artifact was accepted.
    PhaseCompleted,
    /// The kill test said PIVOT and the run starts again.
    PivotTriggered,
    /// The run waits for approval.
    ApprovalRequested,
    /// A person approved.
    RunApproved,
    /// A person rejected.
    RunRejected,
    /// The run was stopped by the kill test.
    RunKilled,
    /// The package is ready.
    RunCompleted,
    /// A step failed for good.
    RunFailed,
    /// A person cancelled.
    RunCancelled,
    /// A person paused.
    RunPaused,
    /// A person resumed.
    RunResumed,
    /// The idea of the run was parked.
    IdeaParked,
    /// A parked idea became this run.
    IdeaPromoted,
}
