//! The events of a run, as sentences.

use crate::planes::ui::{moment::Moment, phase::PhaseInfo};

/// What happened. The names are those of the records and of the event stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// The run was created.
    RunStarted,
    /// A phase was begun.
    PhaseStarted,
    /// An artifact was accepted.
    PhaseCompleted,
    /// The run starts again.
    PivotTriggered,
    /// The run waits for a person.
    ApprovalRequested,
    /// A person approved.
    RunApproved,
    /// A person rejected.
    RunRejected,
    /// The kill test stopped it.
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
    /// The idea was parked.
    IdeaParked,
    /// A parked idea became this run.
    IdeaPromoted,
}

/// An event, with the fields of its record.
#[derive(Debug, Clone, PartialEq)]
pub struct EventView {
    /// 1 for the first event of the run.
    pub seq: u64,
    /// What happened.
    pub kind: EventKind,
    /// Identifier of the phase it happened in.
    pub phase: Option<String>,
    /// Verdict of the kill test or of review, as the record names it.
    pub verdict: Option<String>,
    /// Score, 0 to 10.
    pub score: Option<f64>,
    /// Pivots so far.
    pub pivot_count: u32,
    /// Why, in words for people.
    pub reason: Option<String>,
    /// Unix seconds.
    pub timestamp: i64,
}

impl EventView {
    pub(in crate::planes::ui) fn at(&self) -> Moment {
        Moment::clock(self.timestamp)
    }

    fn phase_name(&self) -> &str {
        let id = self.phase.as_deref().unwrap_or("A phase");
        PhaseInfo::find(id).map_or(id, |phase| phase.name)
    }

    /// What happened, as a sentence.
    pub(in crate::planes::ui) fn sentence(&self) -> String {
        let phase = self.phase_name();
        match self.kind {
            EventKind::RunStarted => "Run started".to_owned(),
            EventKind::PhaseStarted => format!("{phase} started"),
            EventKind::PhaseCompleted => match (self.phase.as_deref(), self.verdict.as_deref(), self.score) {
                (Some("kill-test"), Some(verdict), Some(score)) => format!("Verdict {verdict}, {score:.1}"),
                (Some("kill-test"), Some(verdict), None) => format!("Verdict {verdict}, not assessed"),
                (_, _, Some(score)) => format!("{phase} accepted at {score:.1}"),
                (_, _, None) => format!("{phase} accepted"),
            },
            EventKind::PivotTriggered => format!("Pivot {} of 3: the run starts again at phase 1", self.pivot_count),
            EventKind::ApprovalRequested => "The run waits for your decision".to_owned(),
            EventKind::RunApproved => "Approved".to_owned(),
            EventKind::RunRejected => "Rejected".to_owned(),
            EventKind::RunKilled => "Killed at the kill test".to_owned(),
            EventKind::RunCompleted => "Plan finished, package sealed".to_owned(),
            EventKind::RunFailed => format!("{phase} failed"),
            EventKind::RunCancelled => "Cancelled".to_owned(),
            EventKind::RunPaused => "Paused".to_owned(),
            EventKind::RunResumed => "Resumed".to_owned(),
            EventKind::IdeaParked => "Idea parked".to_owned(),
            EventKind::IdeaPromoted => "Started from a parked idea".to_owned(),
        }
    }

    /// Pigment of the dot.
    pub(in crate::planes::ui) fn tone(&self) -> &'static str {
        match self.kind {
            EventKind::RunStarted | EventKind::PhaseStarted | EventKind::RunResumed | EventKind::IdeaPromoted => {
                "t-live"
            }
            EventKind::PhaseCompleted => "t-stone",
            EventKind::RunApproved | EventKind::RunCompleted => "t-good",
            EventKind::PivotTriggered => "t-pivot",
            EventKind::ApprovalRequested => "t-wait",
            EventKind::RunKilled | EventKind::RunFailed | EventKind::RunRejected => "t-bad",
            EventKind::RunCancelled | EventKind::RunPaused | EventKind::IdeaParked => "t-ink",
        }
    }
}
