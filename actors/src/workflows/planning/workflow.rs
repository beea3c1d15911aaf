//! The planning workflow: which step follows which.

use cluster::prelude::{ActorError, ActorRef, Ctx, Interface, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    effect::{self, Applied, Effect},
    plan::Plan,
    record::{APPROVAL, NewEvent, RECORD, Record},
    store,
};
use crate::{
    audit,
    env::Env,
    records::{KillVerdict, RunConfig, RunEventKind, RunStatus},
    run::{
        ApproveRun, CancelRun, Decision, DeleteRun, GetArtifact, GetPackage, GetRun, GetRunDetail, ListArtifacts,
        ListRunEvents, Origin, PauseRun, PhaseStatus, RejectRun, ResumeRun, Run, SendTexts, StartRun,
    },
    vectors::{self, VectorIndex},
    workflows::{Change, StepError, Steps, Workflow, limits},
};

/// Most pivots of a run.
pub(super) const MAX_PIVOTS: u32 = 3;

/// The workflow of a planning run.
#[derive(Debug)]
pub struct Planning;

/// What a run is created with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunParams {
    /// Tenant of the run.
    pub tenant: String,
    /// Id of the run.
    pub run_id: String,
    /// The idea, trimmed.
    pub idea: String,
    /// Options.
    pub config: RunConfig,
    /// The parked idea that it continues.
    pub origin: Option<Origin>,
}

/// How a run ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The package is ready.
    Completed,
    /// The kill test stopped it.
    Killed,
}

impl Workflow for Planning {
    const CLASS: &'static str = "run";
    const NAME: &'static str = "planning";
    type Env = Env;
    type Params = RunParams;
    type Output = Outcome;
    type Effect = Effect;
    type Reply = Applied;
    type State = Option<Record>;
    type Others = ActorRef<VectorIndex>;

    fn interface(i: Interface<Run>) -> Interface<Run> {
        i.on::<StartRun>()
            .on::<GetRun>()
            .on::<GetRunDetail>()
            .on::<ListArtifacts>()
            .on::<GetArtifact>()
            .on::<ListRunEvents>()
            .on::<GetPackage>()
            .on::<PauseRun>()
            .on::<ResumeRun>()
            .on::<CancelRun>()
            .on::<DeleteRun>()
            .on::<SendTexts>()
            .on::<ApproveRun>()
            .on::<RejectRun>()
    }

    fn others(ctx: &Ctx<Run>) -> ActorRef<VectorIndex> {
        ctx.get(vectors::NAME)
    }

    async fn load(ctx: &mut Ctx<Run>) -> Result<Self::State> {
        ctx.storage().get(&RECORD).await
    }

    async fn run(params: RunParams, env: Env, steps: Steps<Self>) -> Result<Outcome, StepError> {
        let mut plan = Plan::new(params, env, steps);
        loop {
            match plan.attempt().await? {
                KillVerdict::Go => break,
                KillVerdict::Pivot => plan.begin_next_attempt(),
                KillVerdict::Kill | KillVerdict::PivotExhausted => return Ok(Outcome::Killed),
            }
        }
        if plan.params.config.require_approval {
            plan.steps
                .record("approval/request", &Effect::ApprovalRequested)
                .await?;
            // A rejection terminates the instance, so whatever arrives is an approval.
            let () = plan
                .steps
                .wait_for_event("approval/wait", APPROVAL, limits::SLEEP)
                .await?;
        }
        let package = store::package(&plan).await?;
        plan.steps.record("complete", &Effect::Completed { package }).await?;
        Ok(Outcome::Completed)
    }

    async fn apply(state: &mut Self::State, effect: Effect, ctx: &mut Ctx<Run>) -> Result<Applied> {
        effect::apply(existing(state)?, effect, ctx).await
    }

    async fn changed(state: &mut Self::State, change: &Change, ctx: &mut Ctx<Run>) -> Result<()> {
        let record = existing(state)?;
        let phase = record.run.current_phase.clone();
        if *change == Change::Paused && record.run.status != RunStatus::Running {
            let status = record.run.status.as_str();
            return Err(ActorError::conflict(
                "run.wrong-state",
                format!("the run is {status} and cannot be paused"),
            ));
        }
        let (status, event, audited) = match change {
            Change::Paused => (
                RunStatus::Paused,
                NewEvent::new(RunEventKind::RunPaused),
                Some(audit::events::RUN_PAUSED),
            ),
            Change::Resumed => (
                RunStatus::Running,
                NewEvent::new(RunEventKind::RunResumed),
                Some(audit::events::RUN_RESUMED),
            ),
            Change::Terminated => match &record.approval {
                Some(approval) if approval.decision == Decision::Rejected => {
                    let event = NewEvent::new(RunEventKind::RunRejected).reason(approval.comment.clone());
                    (RunStatus::Cancelled, event, Some(audit::events::RUN_REJECTED))
                }
                Some(_) | None => (
                    RunStatus::Cancelled,
                    NewEvent::new(RunEventKind::RunCancelled),
                    Some(audit::events::RUN_CANCELLED),
                ),
            },
            Change::Restarted => {
                return Err(ActorError::unsupported(
                    "run.restart",
                    "a planning run is not restarted: start another one",
                ));
            }
            // Its own effects have said so already.
            Change::Completed => return Ok(()),
            Change::Errored { message } => {
                record.error = Some(message.clone());
                if let Some(progress) = record.phases.iter_mut().find(|p| p.status == PhaseStatus::InProgress) {
                    progress.status = PhaseStatus::Failed;
                }
                (
                    RunStatus::Failed,
                    NewEvent::new(RunEventKind::RunFailed).reason(message.clone()),
                    // The engine records that it ended.
                    None,
                )
            }
        };
        record.run.status = status;
        if let Some(audited) = audited {
            audit::record(ctx, audited, json!({ "runId": record.run.id }))?;
        }
        record.emit(event.phase(phase), ctx)?;
        record.save(None, ctx)
    }
}

/// The record of a run that was started.
pub(super) fn existing(state: &mut Option<Record>) -> Result<&mut Record> {
    state
        .as_mut()
        .ok_or_else(|| ActorError::not_found("run.not-found", "there is no such run"))
}
