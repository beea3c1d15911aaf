//! What the run changes in its stored state, each in one turn: rows, columns, events, and what others are told.

use std::collections::BTreeMap;

use cluster::prelude::{ActorError, Ctx, List, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{
    memory,
    phase::PhaseId,
    record::{ARTIFACTS, EXHAUSTED_MONTHS, NewEvent, Record, artifact_key, cut},
    verdict::KillAssessment,
    workflow::MAX_PIVOTS,
};
use crate::{
    audit,
    records::{
        KillVerdict, ParkedIdea, PlanningArtifact, PlanningRun, RevenuePotential, ReviewVerdict, RunEventKind,
        RunStatus,
    },
    run::{PackageKeys, PhaseStatus, Run},
    tenant::{self, Park, PhaseTiming, Tenant},
};

/// Characters of each artifact in the summary of a parked idea.
const SUMMARY_CHARS: usize = 500;

/// A change of a run that its workflow records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Effect {
    /// A phase is begun.
    PhaseStarted {
        /// Phase identifier.
        phase: String,
    },
    /// An artifact was accepted. `created_at` and `duration_ms` are filled in when this is applied.
    PhaseAccepted(Box<Accepted>),
    /// A person must decide.
    ApprovalRequested,
    /// The package is about to be made: the reply is the run as the package shows it.
    PackageBegun,
    /// The package is stored.
    Completed {
        /// Where it is.
        package: PackageKeys,
    },
    /// The index is to forget the texts of the present attempt.
    AttemptForgotten,
}

/// What applying an effect tells the workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Applied {
    /// Nothing more.
    Done,
    /// When an artifact was accepted, Unix seconds, and how long it took.
    Accepted {
        /// The artifact's `created_at`.
        created_at: i64,
        /// The artifact's `duration_ms`.
        duration_ms: u64,
    },
    /// The columns of the run.
    Run(Box<PlanningRun>),
}

/// An accepted artifact and what follows from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    /// The artifact.
    pub artifact: PlanningArtifact,
    /// The idea as the opportunity phase refined it.
    pub refined_idea: Option<String>,
    /// Revenue potential of the chosen opportunity.
    pub revenue_potential: Option<RevenuePotential>,
    /// What the kill test amounts to.
    pub kill: Option<KillAssessment>,
}

/// Applies an effect to the run.
pub(super) async fn apply(record: &mut Record, effect: Effect, ctx: &mut Ctx<Run>) -> Result<Applied> {
    match effect {
        Effect::PhaseStarted { phase } => start_phase(record, phase, ctx)?,
        Effect::PhaseAccepted(accepted) => return accept(record, *accepted, ctx).await,
        Effect::ApprovalRequested => {
            record.run.status = RunStatus::AwaitingApproval;
            record.emit(
                NewEvent::new(RunEventKind::ApprovalRequested).score(record.run.quality_score),
                ctx,
            )?;
            record.save(None, ctx)?;
        }
        Effect::PackageBegun => {
            let run = PlanningRun {
                updated_at: ctx.now().as_secs(),
                ..record.run.clone()
            };
            return Ok(Applied::Run(Box::new(run)));
        }
        Effect::Completed { package } => {
            record.run.status = RunStatus::Completed;
            record.run.package_key = Some(package.json_key.clone());
            record.package = Some(package);
            record.emit(
                NewEvent::new(RunEventKind::RunCompleted).score(record.run.quality_score),
                ctx,
            )?;
            record.save(None, ctx)?;
        }
        Effect::AttemptForgotten => memory::forget(record, Some(record.attempt), ctx)?,
    }
    Ok(Applied::Done)
}

fn start_phase(record: &mut Record, phase: String, ctx: &mut Ctx<Run>) -> Result<()> {
    let now = ctx.now().as_millis();
    let progress = record.progress(&phase)?;
    progress.status = PhaseStatus::InProgress;
    progress.started_at_ms = Some(now);
    record.run.current_phase = Some(phase.clone());
    record.emit(NewEvent::new(RunEventKind::PhaseStarted).phase(phase), ctx)?;
    record.save(None, ctx)
}

async fn accept(record: &mut Record, accepted: Accepted, ctx: &mut Ctx<Run>) -> Result<Applied> {
    let Accepted {
        mut artifact,
        refined_idea,
        revenue_potential,
        kill,
    } = accepted;
    let phase = artifact.phase.clone();
    let expected = record.versions.get(&phase).copied().unwrap_or_default() + 1;
    if artifact.version != expected || artifact.attempt != record.attempt {
        return Err(ActorError::internal(
            "run.version",
            format!(
                "version {} of {phase} cannot be stored: {expected} is next",
                artifact.version
            ),
        ));
    }
    let now = ctx.now();
    let progress = record.progress(&phase)?;
    let started = progress.started_at_ms.unwrap_or_else(|| now.as_millis());
    progress.status = PhaseStatus::Completed;
    progress.finished_at_ms = Some(now.as_millis());
    progress.version = Some(artifact.version);
    progress.review_verdict = artifact.review_verdict;
    progress.overall_score = artifact.overall_score;
    // Each review but the last one sent the draft back.
    progress.drafts = artifact.review_iterations;
    artifact.created_at = now.as_secs();
    artifact.duration_ms = now.as_millis().saturating_sub(started).max(0).unsigned_abs();
    ctx.storage()
        .put(&ARTIFACTS.key(&artifact_key(&phase, artifact.version)), &artifact)?;
    memory::put(&artifact, ctx)?;
    let posted = json!({
        "runId": artifact.run_id,
        "artifactId": artifact.id,
        "phase": artifact.phase,
        "version": artifact.version,
    });
    audit::record(ctx, audit::events::ARTIFACT_POSTED, posted)?;

    record.versions.insert(phase.clone(), artifact.version);
    record.usage += artifact.usage;
    record.model = Some(artifact.model.clone());
    record.profile = Some(artifact.profile);
    if refined_idea.is_some() {
        record.run.refined_idea = refined_idea;
    }
    record.run.revenue_potential = revenue_potential.or(record.run.revenue_potential);
    record.grade();
    let verdict = artifact.review_verdict.map(|verdict| verdict_name(verdict).to_owned());
    let completed = NewEvent::new(RunEventKind::PhaseCompleted)
        .phase(phase.clone())
        .verdict(verdict);
    record.emit(completed.score(artifact.overall_score), ctx)?;
    if let Some(kill) = kill {
        decide(record, kill, ctx).await?;
    }
    let (created_at, duration_ms) = (artifact.created_at, artifact.duration_ms);
    record.save(Some(PhaseTiming { phase, duration_ms }), ctx)?;
    Ok(Applied::Accepted {
        created_at,
        duration_ms,
    })
}

/// What the kill test says about the run.
async fn decide(record: &mut Record, kill: KillAssessment, ctx: &mut Ctx<Run>) -> Result<()> {
    record.kill = Some(kill.clone());
    match kill.verdict {
        KillVerdict::Go => {
            record.run.kill_verdict = Some(KillVerdict::Go);
            Ok(())
        }
        KillVerdict::Pivot if record.run.pivot_count < MAX_PIVOTS => {
            record.run.kill_verdict = Some(KillVerdict::Pivot);
            let phase = PhaseId::KillTest.as_str().to_owned();
            record.begin_next_attempt(kill.reason.clone(), kill.pivot_brief);
            let event = NewEvent::new(RunEventKind::PivotTriggered)
                .phase(phase)
                .score(kill.score);
            record.emit(
                event
                    .verdict(KillVerdict::Pivot.as_str().to_owned())
                    .reason(kill.reason),
                ctx,
            )
        }
        KillVerdict::Pivot | KillVerdict::PivotExhausted => {
            let reason = format!(
                "no viable direction after {MAX_PIVOTS} pivots; the last kill test: {}",
                kill.reason
            );
            stop(record, KillVerdict::PivotExhausted, reason, EXHAUSTED_MONTHS, kill, ctx).await
        }
        KillVerdict::Kill => {
            let (reason, months) = (kill.reason.clone(), kill.revisit_months);
            stop(record, KillVerdict::Kill, reason, months, kill, ctx).await
        }
    }
}

/// Stops the run and parks its idea.
async fn stop(
    record: &mut Record,
    verdict: KillVerdict,
    reason: String,
    months: u32,
    kill: KillAssessment,
    ctx: &mut Ctx<Run>,
) -> Result<()> {
    record.run.status = RunStatus::Killed;
    record.run.kill_verdict = Some(verdict);
    let phase = PhaseId::KillTest.as_str().to_owned();
    let event = |kind| {
        NewEvent::new(kind)
            .phase(phase.clone())
            .verdict(verdict.as_str().to_owned())
    };
    record.emit(
        event(RunEventKind::RunKilled).score(kill.score).reason(reason.clone()),
        ctx,
    )?;
    let idea = ParkedIdea {
        id: parked_id(ctx.tenant().as_str(), &record.run.id),
        idea: record.run.idea.clone(),
        refined_idea: record.run.refined_idea.clone(),
        run_id: Some(record.run.id.clone()),
        source_phase: phase.clone(),
        reason: reason.clone(),
        revisit_estimate_months: Some(months),
        revisit_estimate_note: Some(kill.revisit_note),
        artifact_summary: Some(summary(record, ctx).await?),
        created_at: ctx.now().as_secs(),
        promoted_run_id: None,
    };
    let tenant = ctx.get::<Tenant>(tenant::NAME);
    ctx.send(&tenant, Park { idea })?;
    record.emit(event(RunEventKind::IdeaParked).reason(reason), ctx)
}

/// A JSON object: phase to the beginning of its artifact in the present attempt.
async fn summary(record: &Record, ctx: &mut Ctx<Run>) -> Result<String> {
    let mut beginnings = BTreeMap::new();
    for (_, artifact) in ctx.storage().list(&ARTIFACTS, List::default()).await? {
        if artifact.attempt == record.attempt {
            beginnings.insert(artifact.phase, cut(&artifact.content, SUMMARY_CHARS));
        }
    }
    serde_json::to_string(&beginnings).map_err(|error| ActorError::internal("run.summary", error.to_string()))
}

/// A run parks its idea at most once, so the id follows from the run.
fn parked_id(tenant: &str, run_id: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("parked/{tenant}/{run_id}").as_bytes()).to_string()
}

/// The name of a verdict in events.
fn verdict_name(verdict: ReviewVerdict) -> &'static str {
    match verdict {
        ReviewVerdict::Accept => "ACCEPT",
        ReviewVerdict::Revise => "REVISE",
        ReviewVerdict::Reject => "REJECT",
        ReviewVerdict::Go => "GO",
        ReviewVerdict::Pivot => "PIVOT",
        ReviewVerdict::Kill => "KILL",
    }
}
