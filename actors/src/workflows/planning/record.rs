//! What a run stores, and how it tells others of a change.

#[cfg(test)]
mod golden;

use std::collections::BTreeMap;

use cluster::prelude::{ActorError, Ctx, Key, Keys, Result, Timestamp};
use serde::{Deserialize, Serialize};

use super::{RunParams, phase::PhaseId, verdict::KillAssessment};
use crate::{
    events::{self, Append, EventLog},
    ports::{Profile, Usage},
    records::{KillVerdict, Mode, PlanningArtifact, PlanningRun, RunConfig, RunEvent, RunEventKind, RunStatus},
    run::{Approval, EarlierAttempt, Origin, PackageKeys, PhaseProgress, PhaseStatus, Run},
    tenant::{self, PhaseTiming, RunChanged, RunSummary, Tenant},
};

pub(super) const RECORD: Key<Record> = Key::new("run");
pub(crate) const ARTIFACTS: Keys<PlanningArtifact> = Keys::new("artifacts/");
pub(crate) const EVENTS: Keys<RunEvent> = Keys::new("events/");

/// Type of the workflow event that ends the wait for approval.
pub(crate) const APPROVAL: &str = "approval";

/// Characters of the idea that the index of the tenant keeps.
const INDEXED_CHARS: usize = 500;

/// Months after which an idea without a viable direction is looked at again.
pub(super) const EXHAUSTED_MONTHS: u32 = 6;

/// The stored run; [`crate::run`] has what others see of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub(crate) tenant: String,
    pub(crate) run: PlanningRun,
    pub(crate) config: RunConfig,
    pub(crate) origin: Option<Origin>,
    pub(crate) created_ms: i64,
    pub(crate) error: Option<String>,
    /// Pivots before the present attempt.
    pub(crate) attempt: u32,
    pub(crate) phases: Vec<PhaseProgress>,
    pub(crate) earlier: Vec<EarlierAttempt>,
    /// Latest version of each phase's artifact, all attempts counted.
    pub(crate) versions: BTreeMap<String, u32>,
    pub(crate) kill: Option<KillAssessment>,
    pub(crate) approval: Option<Approval>,
    pub(crate) usage: Usage,
    pub(crate) model: Option<String>,
    pub(crate) profile: Option<Profile>,
    pub(crate) package: Option<PackageKeys>,
    /// Number of the latest event.
    pub(crate) last_event: u64,
    /// Raised with each change that is told to the tenant.
    pub(crate) revision: u64,
}

impl Record {
    /// A run that begins now.
    pub(crate) fn new(params: &RunParams, now: Timestamp) -> Self {
        Self {
            tenant: params.tenant.clone(),
            run: PlanningRun {
                id: params.run_id.clone(),
                idea: params.idea.clone(),
                refined_idea: None,
                status: RunStatus::Running,
                current_phase: None,
                mode: Mode::Cloud,
                quality_score: None,
                revenue_potential: None,
                workflow_instance_id: params.run_id.clone(),
                kill_verdict: None,
                pivot_count: 0,
                package_key: None,
                created_at: now.as_secs(),
                updated_at: now.as_secs(),
            },
            config: params.config,
            origin: params.origin.clone(),
            created_ms: now.as_millis(),
            error: None,
            attempt: 0,
            phases: pending(0),
            earlier: Vec::new(),
            versions: BTreeMap::new(),
            kill: None,
            approval: None,
            usage: Usage::default(),
            model: None,
            profile: None,
            package: None,
            last_event: 0,
            revision: 0,
        }
    }

    /// The progress of a phase in the present attempt.
    pub(crate) fn progress(&mut self, phase: &str) -> Result<&mut PhaseProgress> {
        self.phases
            .iter_mut()
            .find(|progress| progress.phase == phase)
            .ok_or_else(|| ActorError::invalid("run.phase", format!("{phase} is not a phase")))
    }

    /// Leaves the present attempt behind and begins the next one.
    pub(crate) fn begin_next_attempt(&mut self, reason: String, brief: Option<String>) {
        self.earlier.push(EarlierAttempt {
            attempt: self.attempt,
            refined_idea: self.run.refined_idea.take(),
            reason,
            brief,
            phases: std::mem::replace(&mut self.phases, pending(self.attempt + 1)),
        });
        self.attempt += 1;
        self.run.pivot_count = self.attempt;
        self.run.quality_score = None;
        self.run.revenue_potential = None;
    }

    /// Sets the quality of the run to the mean of what was assessed in the present attempt.
    pub(crate) fn grade(&mut self) {
        let scores: Vec<f64> = self
            .phases
            .iter()
            .filter_map(|progress| progress.overall_score)
            .collect();
        let sum: f64 = scores.iter().sum();
        self.run.quality_score = (!scores.is_empty()).then(|| sum / scores.len() as f64);
    }

    /// Stores an event and sends it to the tenant's log, in this turn.
    pub(crate) fn emit(&mut self, event: NewEvent, ctx: &mut Ctx<Run>) -> Result<()> {
        self.last_event += 1;
        let event = RunEvent {
            id: format!("{}:{}", self.run.id, self.last_event),
            seq: self.last_event,
            kind: event.kind,
            run_id: self.run.id.clone(),
            phase: event.phase,
            status: self.run.status.as_str().to_owned(),
            verdict: event.verdict,
            score: event.score,
            pivot_count: self.run.pivot_count,
            reason: event.reason,
            timestamp: ctx.now().as_secs(),
        };
        ctx.storage().put(&EVENTS.key(&format!("{:020}", event.seq)), &event)?;
        let log = ctx.get::<EventLog>(events::NAME);
        ctx.send(&log, Append { event })
    }

    /// Why the run stands where it stands, in words for people: the error, the reason of the kill test, the comment of whoever
    /// ended it.
    pub(crate) fn reason(&self) -> Option<String> {
        match self.run.status {
            RunStatus::Failed => self.error.clone(),
            RunStatus::Killed => self.kill.as_ref().map(|kill| kill.reason.clone()),
            RunStatus::Cancelled => self.approval.as_ref().and_then(|approval| approval.comment.clone()),
            RunStatus::Running
            | RunStatus::AwaitingApproval
            | RunStatus::Paused
            | RunStatus::Completed
            | RunStatus::Deleted => None,
        }
    }

    /// Months after which a parked idea is looked at again.
    pub(crate) fn revisit_months(&self) -> Option<u32> {
        let kill = self.kill.as_ref().filter(|_| self.run.status == RunStatus::Killed)?;
        Some(match self.run.kill_verdict {
            Some(KillVerdict::PivotExhausted) => EXHAUSTED_MONTHS,
            Some(KillVerdict::Go | KillVerdict::Pivot | KillVerdict::Kill) | None => kill.revisit_months,
        })
    }

    /// Stores the run and tells the tenant of it, in this turn.
    pub(crate) fn save(&mut self, timing: Option<PhaseTiming>, ctx: &mut Ctx<Run>) -> Result<()> {
        self.run.updated_at = ctx.now().as_secs();
        self.revision += 1;
        ctx.storage().put(&RECORD, self)?;
        let mut run = self.run.clone();
        run.idea = cut(&run.idea, INDEXED_CHARS);
        let summary = RunSummary {
            run,
            config: self.config,
            revision: self.revision,
            created_ms: self.created_ms,
            phases_done: self
                .phases
                .iter()
                .filter(|progress| progress.status == PhaseStatus::Completed)
                .count() as u32,
            profile: self.profile,
            verdict_score: self
                .kill
                .as_ref()
                .filter(|kill| kill.assessed)
                .and_then(|kill| kill.score),
            revisit_months: self.revisit_months(),
            reason: self.reason(),
            error: self.error.clone(),
        };
        let tenant = ctx.get::<Tenant>(tenant::NAME);
        ctx.send(&tenant, RunChanged { summary, timing })
    }
}

/// An event before it has a place in the run.
#[derive(Debug, Clone)]
pub(crate) struct NewEvent {
    kind: RunEventKind,
    phase: Option<String>,
    verdict: Option<String>,
    score: Option<f64>,
    reason: Option<String>,
}

impl NewEvent {
    pub(crate) fn new(kind: RunEventKind) -> Self {
        Self {
            kind,
            phase: None,
            verdict: None,
            score: None,
            reason: None,
        }
    }

    pub(crate) fn phase(mut self, phase: impl Into<Option<String>>) -> Self {
        self.phase = phase.into();
        self
    }

    pub(crate) fn verdict(mut self, verdict: impl Into<Option<String>>) -> Self {
        self.verdict = verdict.into();
        self
    }

    pub(crate) fn score(mut self, score: Option<f64>) -> Self {
        self.score = score;
        self
    }

    pub(crate) fn reason(mut self, reason: impl Into<Option<String>>) -> Self {
        self.reason = reason.into();
        self
    }
}

fn pending(attempt: u32) -> Vec<PhaseProgress> {
    let phase = |id: PhaseId| PhaseProgress {
        phase: id.as_str().to_owned(),
        number: id.number(),
        status: PhaseStatus::Pending,
        attempt,
        version: None,
        review_verdict: None,
        overall_score: None,
        drafts: 0,
        started_at_ms: None,
        finished_at_ms: None,
    };
    PhaseId::ALL.into_iter().map(phase).collect()
}

/// The storage key of an artifact.
pub(crate) fn artifact_key(phase: &str, version: u32) -> String {
    format!("{phase}/{version:010}")
}

/// The first `chars` characters of a text.
pub(crate) fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => text[..end].to_owned(),
        None => text.to_owned(),
    }
}
