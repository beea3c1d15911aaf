//! Samples of records, for golden files: every field has a value of its own.

use super::{KillVerdict, Mode, ParkedIdea, PlanningRun, RevenuePotential, RunEvent, RunEventKind, RunStatus};

/// Every status, in the order in which they are stored.
pub(crate) const STATUSES: [RunStatus; 8] = [
    RunStatus::Running,
    RunStatus::AwaitingApproval,
    RunStatus::Paused,
    RunStatus::Completed,
    RunStatus::Killed,
    RunStatus::Failed,
    RunStatus::Cancelled,
    RunStatus::Deleted,
];

const POTENTIALS: [RevenuePotential; 5] = [
    RevenuePotential::VeryHigh,
    RevenuePotential::High,
    RevenuePotential::Medium,
    RevenuePotential::Low,
    RevenuePotential::NotAssessed,
];

const VERDICTS: [KillVerdict; 4] = [
    KillVerdict::Go,
    KillVerdict::Pivot,
    KillVerdict::Kill,
    KillVerdict::PivotExhausted,
];

const KINDS: [RunEventKind; 15] = [
    RunEventKind::RunStarted,
    RunEventKind::PhaseStarted,
    RunEventKind::PhaseCompleted,
    RunEventKind::PivotTriggered,
    RunEventKind::ApprovalRequested,
    RunEventKind::RunApproved,
    RunEventKind::RunRejected,
    RunEventKind::RunKilled,
    RunEventKind::RunCompleted,
    RunEventKind::RunFailed,
    RunEventKind::RunCancelled,
    RunEventKind::RunPaused,
    RunEventKind::RunResumed,
    RunEventKind::IdeaParked,
    RunEventKind::IdeaPromoted,
];

/// Runs with every status, potential, verdict and mode.
pub(crate) fn runs() -> Vec<PlanningRun> {
    let run = |(number, status): (usize, RunStatus)| PlanningRun {
        id: format!("run-{number}"),
        idea: "an idea".into(),
        refined_idea: (number > 0).then(|| "a refined idea".into()),
        status,
        current_phase: (number > 1).then(|| "opportunity".into()),
        mode: if number % 2 == 0 { Mode::Cloud } else { Mode::Local },
        quality_score: (number > 2).then_some(7.25),
        revenue_potential: POTENTIALS.get(number).copied(),
        workflow_instance_id: format!("instance-{number}"),
        kill_verdict: VERDICTS.get(number).copied(),
        pivot_count: 2,
        package_key: (number > 3).then(|| "package.json".into()),
        created_at: 1_790_000_000,
        updated_at: 1_790_000_001,
    };
    STATUSES.into_iter().enumerate().map(run).collect()
}

/// Events of every kind.
pub(crate) fn events() -> Vec<RunEvent> {
    let event = |(seq, kind): (u64, RunEventKind)| RunEvent {
        id: format!("run-1:{seq}"),
        seq,
        kind,
        run_id: "run-1".into(),
        phase: (seq > 1).then(|| "market".into()),
        status: "running".into(),
        verdict: (seq > 2).then(|| "GO".into()),
        score: (seq > 3).then_some(8.5),
        pivot_count: 1,
        reason: (seq > 4).then(|| "a reason".into()),
        timestamp: 1_790_000_002,
    };
    (1..).zip(KINDS).map(event).collect()
}

/// A parked idea with every field, and one with none that may be missing.
pub(crate) fn parked_ideas() -> Vec<ParkedIdea> {
    let full = ParkedIdea {
        id: "parked-1".into(),
        idea: "an idea".into(),
        refined_idea: Some("a refined idea".into()),
        run_id: Some("run-1".into()),
        source_phase: "kill-test".into(),
        reason: "too small a market".into(),
        revisit_estimate_months: Some(6),
        revisit_estimate_note: Some("the market may grow".into()),
        artifact_summary: Some("{}".into()),
        created_at: 1_790_000_003,
        promoted_run_id: Some("run-2".into()),
    };
    let bare = ParkedIdea {
        refined_idea: None,
        run_id: None,
        revisit_estimate_months: None,
        revisit_estimate_note: None,
        artifact_summary: None,
        promoted_run_id: None,
        ..full.clone()
    };
    vec![full, bare]
}
