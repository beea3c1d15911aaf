//! How a run answers.

use cluster::prelude::{ActorError, Ctx, Handler, List, Result};
use serde_json::json;

use super::{
    Run,
    detail::{Approval, Decision, GatheredCounts, PackageKeys, PhaseProgress, PhaseStatus, RunDetail},
    messages::{
        ApproveRun, COMMENT_MAX, CancelRun, DeleteRun, EVENTS_MAX, GetArtifact, GetPackage, GetRun, GetRunDetail,
        IDEA_MAX, IDEA_MIN, ListArtifacts, ListRunEvents, PauseRun, RejectRun, ResumeRun, RunState, SendTexts,
        StartRun, Started,
    },
};
use crate::{
    audit,
    records::{Mode, PlanningArtifact, PlanningRun, RunEvent, RunEventKind, RunStatus},
    vectors::{self, Answered, VectorIndex},
    workflows::planning::{
        APPROVAL, ARTIFACTS, EVENTS, NewEvent, Record, RunParams, artifact_key, memory, pages, passages, phase::PhaseId,
    },
};

/// The record of a run that was started.
fn record(run: &Run) -> Result<&Record> {
    run.state.as_ref().ok_or_else(absent)
}

fn record_mut(run: &mut Run) -> Result<&mut Record> {
    run.state.as_mut().ok_or_else(absent)
}

fn absent() -> ActorError {
    ActorError::not_found("run.not-found", "there is no such run")
}

fn state(run: &Run) -> Result<RunState> {
    let run = &record(run)?.run;
    Ok(RunState {
        id: run.id.clone(),
        status: run.status,
    })
}

/// Checks that the run has one of these statuses; `verb` says what was asked.
fn require(run: &Run, allowed: &[RunStatus], verb: &str) -> Result<()> {
    let status = record(run)?.run.status;
    if allowed.contains(&status) {
        return Ok(());
    }
    Err(ActorError::conflict(
        "run.wrong-state",
        format!("the run is {} and cannot be {verb}", status.as_str()),
    ))
}

impl Handler<StartRun> for Run {
    async fn handle(&mut self, start: StartRun, ctx: &mut Ctx<Self>) -> Result<Started> {
        let StartRun {
            idea,
            mode,
            config,
            origin,
        } = start;
        let idea = idea.trim().to_owned();
        if let Some(known) = &self.state {
            let same = known.run.idea == idea && known.run.mode == mode && known.config == config;
            if !same || known.origin != origin {
                return Err(ActorError::conflict(
                    "idempotency-key-reused",
                    "another request was made with this idempotency key",
                ));
            }
            return Ok(started(known, false));
        }
        let length = idea.chars().count();
        if !(IDEA_MIN..=IDEA_MAX).contains(&length) {
            return Err(ActorError::invalid(
                "run.idea",
                format!("an idea has {IDEA_MIN} to {IDEA_MAX} characters, this one has {length}"),
            ));
        }
        match mode {
            Mode::Cloud => {}
            Mode::Local => {
                return Err(ActorError::unsupported(
                    "run.mode",
                    "mode local is not available: use mode cloud",
                ));
            }
        }
        let run_id = ctx.name().to_owned();
        let params = RunParams {
            tenant: ctx.tenant().to_string(),
            run_id,
            idea,
            config,
            origin,
        };
        let mut new = Record::new(&params, ctx.now());
        new.emit(NewEvent::new(RunEventKind::RunStarted), ctx)?;
        if let Some(origin) = &params.origin {
            let promoted = NewEvent::new(RunEventKind::IdeaPromoted).reason(origin.reason.clone());
            new.emit(promoted, ctx)?;
        }
        new.save(None, ctx)?;
        let mut created = json!({ "runId": params.run_id });
        if let Some(origin) = &params.origin {
            created["parkedIdeaId"] = origin.parked_idea_id.as_str().into();
        }
        audit::record(ctx, audit::events::RUN_CREATED, created)?;
        let reply = started(&new, true);
        self.state = Some(new);
        let params =
            serde_json::to_string(&params).map_err(|error| ActorError::internal("run.params", error.to_string()))?;
        self.create(params, ctx)?;
        Ok(reply)
    }
}

fn started(record: &Record, created: bool) -> Started {
    let run = &record.run;
    Started {
        id: run.id.clone(),
        idea: run.idea.clone(),
        status: run.status,
        mode: run.mode,
        workflow_instance_id: run.workflow_instance_id.clone(),
        created,
    }
}

impl Handler<GetRun> for Run {
    async fn handle(&mut self, GetRun: GetRun, _ctx: &mut Ctx<Self>) -> Result<PlanningRun> {
        Ok(record(self)?.run.clone())
    }
}

impl Handler<GetRunDetail> for Run {
    async fn handle(&mut self, GetRunDetail: GetRunDetail, ctx: &mut Ctx<Self>) -> Result<RunDetail> {
        let current_step = self.running_steps().next().and_then(|name| name.rsplit('/').next());
        let current_step = current_step.map(|step| step.split('-').next().unwrap_or(step).to_owned());
        let record = record(self)?.clone();
        let present = record
            .phases
            .iter()
            .find(|phase| phase.status == PhaseStatus::InProgress);
        let (drafts, gathered) = match present.and_then(|phase| PhaseId::parse(&phase.phase)) {
            Some(phase) => {
                let drafts = self.calls_of(&format!("{}/{}/draft", record.attempt, phase.as_str()));
                (drafts, gathered(self, &record, phase, ctx).await?)
            }
            None => (0, None),
        };
        let revisit_months = record.revisit_months();
        Ok(RunDetail {
            run: record.run,
            config: record.config,
            error: record.error,
            attempt: record.attempt,
            phases: record.phases,
            current_step,
            drafts,
            gathered,
            earlier: record.earlier,
            kill: record.kill,
            revisit_months,
            approval: record.approval,
            usage: record.usage,
            model: record.model,
            profile: record.profile,
            package: record.package,
            last_event: record.last_event,
            now_ms: ctx.now().as_millis(),
        })
    }
}

/// Counts what was gathered for a phase, from the stored results of its steps.
async fn gathered(run: &Run, record: &Record, phase: PhaseId, ctx: &mut Ctx<Run>) -> Result<Option<GatheredCounts>> {
    let step = |name: &str| format!("{}/{}/{name}", record.attempt, phase.as_str());
    let Some(context) = run.output_of(&step("context"), ctx).await? else {
        return Ok(None);
    };
    let sources = run.output_of(&step("sources"), ctx).await?;
    let accepted = |upstream: &&PhaseId| {
        let is_it = |other: &&PhaseProgress| other.phase == upstream.as_str();
        let found = record.phases.iter().find(is_it);
        found.is_some_and(|progress| progress.status == PhaseStatus::Completed)
    };
    Ok(Some(GatheredCounts {
        phases: phase.phase().upstream.iter().filter(accepted).count() as u32,
        passages: passages(&context),
        pages: sources.as_deref().and_then(pages),
    }))
}

impl Handler<ListArtifacts> for Run {
    async fn handle(&mut self, list: ListArtifacts, ctx: &mut Ctx<Self>) -> Result<Vec<PlanningArtifact>> {
        let attempt = record(self)?.attempt;
        let rows = ctx.storage().list(&ARTIFACTS, List::default()).await?;
        let wanted = rows.into_iter().map(|(_, artifact)| artifact);
        let wanted = wanted.filter(|artifact| list.all_attempts || artifact.attempt == attempt);
        let mut artifacts: Vec<_> = wanted
            .map(|artifact| PlanningArtifact {
                content: String::new(),
                ..artifact
            })
            .collect();
        artifacts.sort_by_key(|artifact| (artifact.attempt, PhaseId::parse(&artifact.phase)));
        Ok(artifacts)
    }
}

impl Handler<GetArtifact> for Run {
    async fn handle(&mut self, get: GetArtifact, ctx: &mut Ctx<Self>) -> Result<PlanningArtifact> {
        let record = record(self)?;
        if PhaseId::parse(&get.phase).is_none() {
            return Err(ActorError::not_found("run.phase", "there is no such phase"));
        }
        let missing = || ActorError::not_found("run.no-artifact", format!("{} has no such artifact yet", get.phase));
        let version = get
            .version
            .or_else(|| record.versions.get(&get.phase).copied())
            .ok_or_else(missing)?;
        ctx.storage()
            .get(&ARTIFACTS.key(&artifact_key(&get.phase, version)))
            .await?
            .ok_or_else(missing)
    }
}

impl Handler<ListRunEvents> for Run {
    async fn handle(&mut self, list: ListRunEvents, ctx: &mut Ctx<Self>) -> Result<Vec<RunEvent>> {
        record(self)?;
        let limit = list.limit.clamp(1, EVENTS_MAX) as usize;
        let after = Some(format!("{:020}", list.after));
        let rows = ctx
            .storage()
            .list(
                &EVENTS,
                List {
                    after,
                    limit,
                    ..List::default()
                },
            )
            .await?;
        Ok(rows.into_iter().map(|(_, event)| event).collect())
    }
}

impl Handler<GetPackage> for Run {
    async fn handle(&mut self, GetPackage: GetPackage, _ctx: &mut Ctx<Self>) -> Result<PackageKeys> {
        let record = record(self)?;
        let status = record.run.status.as_str();
        let missing = || ActorError::not_found("run.no-package", format!("the run is {status} and has no package"));
        record.package.clone().ok_or_else(missing)
    }
}

impl Handler<PauseRun> for Run {
    async fn handle(&mut self, PauseRun: PauseRun, ctx: &mut Ctx<Self>) -> Result<RunState> {
        require(self, &[RunStatus::Running], "paused")?;
        self.pause(ctx).await?;
        state(self)
    }
}

impl Handler<ResumeRun> for Run {
    async fn handle(&mut self, ResumeRun: ResumeRun, ctx: &mut Ctx<Self>) -> Result<RunState> {
        require(self, &[RunStatus::Paused], "resumed")?;
        self.resume(ctx).await?;
        state(self)
    }
}

impl Handler<CancelRun> for Run {
    async fn handle(&mut self, CancelRun: CancelRun, ctx: &mut Ctx<Self>) -> Result<RunState> {
        require(
            self,
            &[RunStatus::Running, RunStatus::Paused, RunStatus::AwaitingApproval],
            "cancelled",
        )?;
        self.terminate(ctx).await?;
        state(self)
    }
}

impl Handler<DeleteRun> for Run {
    async fn handle(&mut self, DeleteRun: DeleteRun, ctx: &mut Ctx<Self>) -> Result<RunState> {
        match record(self)?.run.status {
            RunStatus::Deleted => return state(self),
            RunStatus::Running => return Err(require(self, &[], "deleted").err().unwrap_or_else(absent)),
            RunStatus::Paused | RunStatus::AwaitingApproval => self.terminate(ctx).await?,
            RunStatus::Completed | RunStatus::Killed | RunStatus::Failed | RunStatus::Cancelled => {}
        }
        let record = record_mut(self)?;
        record.run.status = RunStatus::Deleted;
        record.save(None, ctx)?;
        let deleted = json!({ "runId": record.run.id });
        // A deleted run is no longer remembered by other runs.
        memory::forget(record, None, ctx)?;
        audit::record(ctx, audit::events::RUN_DELETED, deleted)?;
        state(self)
    }
}

impl Handler<SendTexts> for Run {
    async fn handle(&mut self, SendTexts { rebuild }: SendTexts, ctx: &mut Ctx<Self>) -> Result<()> {
        let texts = match &self.state {
            Some(record) => memory::texts(record, ctx).await?,
            None => Vec::new(),
        };
        let index = ctx.get::<VectorIndex>(vectors::NAME);
        ctx.send(&index, Answered { rebuild, texts })
    }
}

impl Handler<ApproveRun> for Run {
    async fn handle(&mut self, ApproveRun { comment }: ApproveRun, ctx: &mut Ctx<Self>) -> Result<RunState> {
        require(self, &[RunStatus::AwaitingApproval], "approved")?;
        let comment = checked(comment)?;
        self.take_event(APPROVAL, "null".to_owned(), ctx).await?;
        let record = record_mut(self)?;
        let at = ctx.now().as_secs();
        record.approval = Some(Approval {
            decision: Decision::Approved,
            comment: comment.clone(),
            at,
        });
        record.run.status = RunStatus::Running;
        record.emit(NewEvent::new(RunEventKind::RunApproved).reason(comment), ctx)?;
        record.save(None, ctx)?;
        let approved = json!({ "runId": record.run.id });
        audit::record(ctx, audit::events::RUN_APPROVED, approved)?;
        state(self)
    }
}

impl Handler<RejectRun> for Run {
    async fn handle(&mut self, RejectRun { comment }: RejectRun, ctx: &mut Ctx<Self>) -> Result<RunState> {
        require(self, &[RunStatus::AwaitingApproval], "rejected")?;
        let comment = checked(comment)?;
        let at = ctx.now().as_secs();
        record_mut(self)?.approval = Some(Approval {
            decision: Decision::Rejected,
            comment,
            at,
        });
        self.terminate(ctx).await?;
        state(self)
    }
}

/// A comment without surrounding space; an empty one is none.
fn checked(comment: Option<String>) -> Result<Option<String>> {
    let comment = comment
        .map(|comment| comment.trim().to_owned())
        .filter(|comment| !comment.is_empty());
    if comment
        .as_ref()
        .is_some_and(|comment| comment.chars().count() > COMMENT_MAX)
    {
        return Err(ActorError::invalid(
            "run.comment",
            format!("a comment has at most {COMMENT_MAX} characters"),
        ));
    }
    Ok(comment)
}
