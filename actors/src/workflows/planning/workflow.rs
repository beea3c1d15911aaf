//! The planning workflow: which step follows which.

use std::{collections::BTreeMap, sync::Arc};

use cluster::prelude::{ActorError, Ctx, Interface, Result};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    context::{self, History},
    draft::Draft,
    effect::{self, Accepted, Applied, Effect},
    opportunity,
    phase::{self, PhaseId},
    record::{APPROVAL, NewEvent, RECORD, Record},
    store,
    verdict::{self, KillAssessment},
};
use crate::{
    env::Env,
    records::{
        Evidence, KillVerdict, PlanningArtifact, ReviewScore, ReviewVerdict, RunConfig, RunEventKind, RunStatus,
    },
    run::{
        ApproveRun, CancelRun, Decision, DeleteRun, GetArtifact, GetPackage, GetRun, GetRunDetail, ListArtifacts,
        ListRunEvents, Origin, PauseRun, PhaseStatus, RejectRun, ResumeRun, Run, StartRun,
    },
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
    type Env = Env;
    type Params = RunParams;
    type Output = Outcome;
    type Effect = Effect;
    type Reply = Applied;
    type State = Option<Record>;

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
            .on::<ApproveRun>()
            .on::<RejectRun>()
    }

    async fn load(ctx: &mut Ctx<Run>) -> Result<Self::State> {
        ctx.storage().get(&RECORD).await
    }

    async fn run(params: RunParams, env: Env, steps: Steps<Self>) -> Result<Outcome, StepError> {
        let mut plan = Plan::new(params, env, steps);
        loop {
            match plan.attempt().await? {
                KillVerdict::Go => break,
                KillVerdict::Pivot => plan.begin_next_attempt().await?,
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
        let (status, event) = match change {
            Change::Paused => (RunStatus::Paused, NewEvent::new(RunEventKind::RunPaused)),
            Change::Resumed => (RunStatus::Running, NewEvent::new(RunEventKind::RunResumed)),
            Change::Terminated => match &record.approval {
                Some(approval) if approval.decision == Decision::Rejected => {
                    let event = NewEvent::new(RunEventKind::RunRejected).reason(approval.comment.clone());
                    (RunStatus::Cancelled, event)
                }
                Some(_) | None => (RunStatus::Cancelled, NewEvent::new(RunEventKind::RunCancelled)),
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
                )
            }
        };
        record.run.status = status;
        record.emit(event.phase(phase), ctx)?;
        record.save(None, ctx)
    }

    /// A deleted run is no longer remembered by other runs.
    fn cleanup(state: &Self::State, env: Env) -> BoxFuture<'static, Result<()>> {
        let run = state
            .as_ref()
            .map(|record| (record.tenant.clone(), record.run.id.clone()));
        Box::pin(async move {
            let Some((tenant, run_id)) = run else { return Ok(()) };
            let removed = env.vectors.delete_run(tenant, run_id, None).await;
            removed.map_err(|error| ActorError::retryable("run.cleanup", error.to_string()))
        })
    }
}

/// The record of a run that was started.
pub(super) fn existing(state: &mut Option<Record>) -> Result<&mut Record> {
    state
        .as_mut()
        .ok_or_else(|| ActorError::not_found("run.not-found", "there is no such run"))
}

/// One execution of the workflow. Everything in it follows from the parameters and from the results of steps.
pub(super) struct Plan {
    pub(super) params: Arc<RunParams>,
    pub(super) env: Env,
    pub(super) steps: Steps<Planning>,
    /// Pivots so far.
    pub(super) attempt: u32,
    /// Accepted artifacts of the present attempt.
    pub(super) accepted: BTreeMap<PhaseId, PlanningArtifact>,
    /// Their contents.
    pub(super) contents: BTreeMap<PhaseId, Value>,
    pub(super) refined_idea: Option<String>,
    /// Why earlier attempts were abandoned.
    pub(super) history: Vec<History>,
    pub(super) kill: Option<KillAssessment>,
    versions: BTreeMap<PhaseId, u32>,
}

/// A draft and what its review found.
pub(super) struct Reviewed {
    pub(super) draft: Draft,
    pub(super) verdict: Option<ReviewVerdict>,
    pub(super) iterations: u32,
    pub(super) overall: Option<f64>,
    pub(super) scores: Vec<ReviewScore>,
}

impl Plan {
    fn new(params: RunParams, env: Env, steps: Steps<Planning>) -> Self {
        Self {
            params: Arc::new(params),
            env,
            steps,
            attempt: 0,
            accepted: BTreeMap::new(),
            contents: BTreeMap::new(),
            refined_idea: None,
            history: Vec::new(),
            kill: None,
            versions: BTreeMap::new(),
        }
    }

    /// The idea that phases plan for.
    pub(super) fn idea(&self) -> &str {
        self.refined_idea.as_deref().unwrap_or(&self.params.idea)
    }

    /// The name of a step of a phase in the present attempt.
    pub(super) fn step(&self, phase: PhaseId, step: &str) -> String {
        format!("{}/{}/{step}", self.attempt, phase.as_str())
    }

    /// Works through the phases, up to the last one or to a kill test that does not say GO.
    async fn attempt(&mut self) -> Result<KillVerdict, StepError> {
        for phase in PhaseId::ALL {
            let verdict = self.phase(phase).await?;
            if verdict != KillVerdict::Go {
                return Ok(verdict);
            }
        }
        Ok(KillVerdict::Go)
    }

    async fn phase(&mut self, id: PhaseId) -> Result<KillVerdict, StepError> {
        let started = Effect::PhaseStarted {
            phase: id.as_str().to_owned(),
        };
        self.steps.record(&self.step(id, "start"), &started).await?;
        let gathered = context::gather(self, id).await?;
        let Reviewed {
            draft,
            verdict,
            iterations,
            overall,
            scores,
        } = super::review::write(self, id, &gathered).await?;

        let fetched = gathered.sources.urls();
        let content: Value = serde_json::from_str(&draft.content)
            .map_err(|error| StepError::run(format!("the draft of {} cannot be read: {error}", id.as_str())))?;
        let evidence: Vec<Evidence> = phase::evidence(&content, &fetched);
        let kill = (id == PhaseId::KillTest).then(|| verdict::assess(draft.profile, &content));
        let version = self.versions.get(&id).copied().unwrap_or_default() + 1;
        let mut artifact = PlanningArtifact {
            id: store::artifact_id(&self.params, id, version),
            run_id: self.params.run_id.clone(),
            phase: id.as_str().to_owned(),
            version,
            content: draft.content,
            review_verdict: kill.as_ref().map_or(verdict, |kill| Some(gate_verdict(kill.verdict))),
            review_iterations: iterations,
            overall_score: kill.as_ref().map_or(overall, |kill| kill.score),
            created_at: 0,
            attempt: self.attempt,
            schema_version: id.phase().schema_version,
            profile: draft.profile,
            model: draft.model,
            usage: draft.usage,
            scores: kill.as_ref().map_or(scores, gate_scores),
            evidence,
            object_key: String::new(),
            sha256: String::new(),
            duration_ms: 0,
        };
        let stored = store::artifact(self, id, &artifact).await?;
        (artifact.object_key, artifact.sha256) = (stored.key, stored.sha256);
        let verdict = kill.as_ref().map_or(KillVerdict::Go, |kill| kill.verdict);
        if verdict != KillVerdict::Pivot {
            // The artifacts of an attempt that is about to be abandoned are of no use to others.
            store::index(self, id, &content, version).await?;
        }
        if id == PhaseId::Opportunity {
            self.refined_idea = Some(opportunity::refined_idea(&content)).filter(|idea| !idea.is_empty());
        }
        let opportunity = (id == PhaseId::Opportunity).then_some(&content);
        let accepted = Accepted {
            artifact: artifact.clone(),
            refined_idea: opportunity.and_then(|_| self.refined_idea.clone()),
            revenue_potential: opportunity.map(opportunity::revenue_potential),
            kill: kill.clone(),
        };
        let accept = Effect::PhaseAccepted(Box::new(accepted));
        if let Applied::Accepted {
            created_at,
            duration_ms,
        } = self.steps.record(&self.step(id, "accept"), &accept).await?
        {
            (artifact.created_at, artifact.duration_ms) = (created_at, duration_ms);
        }
        self.versions.insert(id, version);
        self.accepted.insert(id, artifact);
        self.contents.insert(id, content);
        if kill.is_some() {
            self.kill = kill;
        }
        Ok(match verdict {
            KillVerdict::Pivot if self.attempt >= MAX_PIVOTS => KillVerdict::PivotExhausted,
            KillVerdict::Go | KillVerdict::Pivot | KillVerdict::Kill | KillVerdict::PivotExhausted => verdict,
        })
    }

    /// Forgets the present attempt but for why it was abandoned.
    async fn begin_next_attempt(&mut self) -> Result<(), StepError> {
        store::forget_attempt(self).await?;
        let kill = self.kill.take();
        self.history.push(History {
            attempt: self.attempt,
            idea: self.idea().to_owned(),
            reason: kill.as_ref().map(|kill| kill.reason.clone()).unwrap_or_default(),
            brief: kill.and_then(|kill| kill.pivot_brief),
        });
        self.attempt += 1;
        self.accepted.clear();
        self.contents.clear();
        self.refined_idea = None;
        Ok(())
    }
}

/// How the kill test decided, in the words of an artifact.
fn gate_verdict(verdict: KillVerdict) -> ReviewVerdict {
    match verdict {
        KillVerdict::Go => ReviewVerdict::Go,
        KillVerdict::Pivot | KillVerdict::PivotExhausted => ReviewVerdict::Pivot,
        KillVerdict::Kill => ReviewVerdict::Kill,
    }
}

/// The scored criteria of the kill test.
fn gate_scores(kill: &KillAssessment) -> Vec<ReviewScore> {
    let scored = kill.criteria.iter().filter_map(|criterion| {
        Some(ReviewScore {
            criterion: criterion.name.clone(),
            score: criterion.score?,
        })
    });
    scored.collect()
}
