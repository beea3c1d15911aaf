//! The tools: runs of plans, what their phases wrote, and the audit chain; agents and workflows in files of their own.
//!
//! Each does what the route of the same thing does, under the same permission.

mod agents;
mod workflows;

use std::time::Duration;

use actix_web::http::StatusCode;
use actors::{
    audit::verify,
    records::{Mode, PlanningRun, RunConfig, RunStatus},
    run::{PhaseStatus, RunDetail, RunState},
};
use cluster::prelude::Uuid;
use rmcp::{
    Json, RoleServer,
    handler::server::{router::tool::ToolRouter, wrapper::Parameters},
    model::ProgressNotificationParam,
    service::RequestContext,
    tool, tool_router,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::{
    PlatformServer,
    question::{self, Choice},
};
use crate::gateway::{
    api::STATUSES,
    audit, cursor,
    error::Problem,
    mcp::{fault::Fault, level},
    permission::Permission,
    planning::{self, NewRun, Planning},
};

/// Name of the list of runs, so that a cursor of another one is refused.
pub(super) const RUNS: &str = "runs";
/// Runs of a page when the model does not say.
const RUNS_DEFAULT: usize = 20;
/// Most runs of a page.
const RUNS_MAX: usize = 100;
/// Results of a search when the model does not say.
const RESULTS_DEFAULT: usize = 5;
/// Most results of a search.
const RESULTS_MAX: usize = 20;
/// How long a run is followed when the model does not say.
const FOLLOW_DEFAULT: Duration = Duration::from_mins(5);
/// Longest time for which a run is followed.
const FOLLOW_MAX: Duration = Duration::from_hours(1);
/// How often a run that is followed is looked at, whatever was heard of it.
const LOOK: Duration = Duration::from_secs(5);
/// The phases of a plan.
const PHASES: f64 = 15.0;

type Answer<T> = Result<Json<T>, Fault>;

/// What is to be said again.
#[derive(Debug, Deserialize, JsonSchema)]
struct Echo {
    /// The text that comes back.
    text: String,
}

/// What was said.
#[derive(Debug, Serialize, JsonSchema)]
struct Echoed {
    /// The text.
    text: String,
    /// The tenant that the caller acts in.
    tenant: String,
}

/// Which runs are asked for.
#[derive(Debug, Deserialize, JsonSchema)]
struct Runs {
    /// Only runs that stand here: running, awaiting_approval, paused, completed, killed, failed, cancelled or deleted.
    status: Option<String>,
    /// Most runs of the page, up to 100.
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A page of runs, the newest first.
#[derive(Debug, Serialize, JsonSchema)]
struct RunPage {
    runs: Vec<Run>,
    /// Where the next page begins, if there is one.
    next_cursor: Option<String>,
}

/// A run of a plan.
#[derive(Debug, Serialize, JsonSchema)]
struct Run {
    id: String,
    idea: String,
    /// running, awaiting_approval, paused, completed, killed, failed, cancelled or deleted.
    status: String,
    /// The phase that is worked on, or the last one.
    current_phase: Option<String>,
    /// GO, PIVOT, KILL or PIVOT_EXHAUSTED.
    kill_verdict: Option<String>,
    /// 0 to 10.
    quality_score: Option<f64>,
    pivot_count: u32,
    /// Whether the finished plan is there.
    has_package: bool,
    /// Unix seconds.
    created_at: i64,
    /// Unix seconds.
    updated_at: i64,
}

impl From<PlanningRun> for Run {
    fn from(run: PlanningRun) -> Self {
        Self {
            id: run.id,
            idea: run.idea,
            status: run.status.as_str().to_owned(),
            current_phase: run.current_phase,
            kill_verdict: run.kill_verdict.map(|verdict| verdict.as_str().to_owned()),
            quality_score: run.quality_score,
            pivot_count: run.pivot_count,
            has_package: run.package_key.is_some(),
            created_at: run.created_at,
            updated_at: run.updated_at,
        }
    }
}

/// A run and its phases.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RunWithPhases {
    run: Run,
    /// Why it failed.
    error: Option<String>,
    /// The 15 phases in their order.
    phases: Vec<Phase>,
}

/// How far a phase is.
#[derive(Debug, Serialize, JsonSchema)]
struct Phase {
    phase: String,
    /// pending, in_progress, completed or failed.
    status: &'static str,
    /// Version of what it wrote.
    version: Option<u32>,
    /// 0 to 10.
    score: Option<f64>,
}

impl From<RunDetail> for RunWithPhases {
    fn from(detail: RunDetail) -> Self {
        let phases = detail.phases.into_iter().map(|phase| Phase {
            phase: phase.phase,
            status: match phase.status {
                PhaseStatus::Pending => "pending",
                PhaseStatus::InProgress => "in_progress",
                PhaseStatus::Completed => "completed",
                PhaseStatus::Failed => "failed",
            },
            version: phase.version,
            score: phase.overall_score,
        });
        Self {
            run: detail.run.into(),
            error: detail.error,
            phases: phases.collect(),
        }
    }
}

/// A plan to make.
#[derive(Debug, Deserialize, JsonSchema)]
struct Idea {
    /// What is to be planned, in 10 to 5000 characters.
    idea: String,
    /// Review what each phase writes and revise it up to three times.
    #[serde(default)]
    require_review: bool,
    /// Wait for a person before the plan is finished.
    #[serde(default)]
    require_approval: bool,
    /// The same key makes the same run, however often it is asked for.
    idempotency_key: Option<String>,
}

/// The run that was started.
#[derive(Debug, Serialize, JsonSchema)]
struct StartedRun {
    id: String,
    status: String,
    /// Whether this call made it.
    created: bool,
}

/// Which run is meant.
#[derive(Debug, Deserialize, JsonSchema)]
struct OfRun {
    /// Id of the run.
    run: String,
}

/// Which run is followed, and for how long.
#[derive(Debug, Deserialize, JsonSchema)]
struct Follow {
    /// Id of the run.
    run: String,
    /// For how long at most, up to 3600.
    seconds: Option<u64>,
}

/// Which artifact is meant.
#[derive(Debug, Deserialize, JsonSchema)]
struct OfPhase {
    /// Id of the run.
    run: String,
    /// Name of the phase, for example kill-test.
    phase: String,
    /// Another version than the latest.
    version: Option<u32>,
}

/// What a phase wrote.
#[derive(Debug, Serialize, JsonSchema)]
struct Artifact {
    run: String,
    phase: String,
    version: u32,
    /// 0 to 10.
    score: Option<f64>,
    /// What it wrote.
    content: Value,
}

/// Artifacts, without what they hold.
#[derive(Debug, Serialize, JsonSchema)]
struct Artifacts {
    artifacts: Vec<Listed>,
}

/// An artifact, without what it holds.
#[derive(Debug, Serialize, JsonSchema)]
struct Listed {
    phase: String,
    version: u32,
    /// 0 to 10.
    score: Option<f64>,
    /// Unix seconds.
    created_at: i64,
}

/// What is looked for.
#[derive(Debug, Deserialize, JsonSchema)]
struct Search {
    /// Id of the run.
    run: String,
    /// What the passages should be about.
    query: String,
    /// Most results, up to 20.
    limit: Option<usize>,
}

/// What was found, the nearest first.
#[derive(Debug, Serialize, JsonSchema)]
struct Found {
    results: Vec<Passage>,
}

/// A passage.
#[derive(Debug, Serialize, JsonSchema)]
struct Passage {
    phase: String,
    content: String,
    /// Cosine similarity, -1 to 1.
    score: f32,
}

/// What is decided about a plan that waits for approval.
#[derive(Debug, Deserialize, JsonSchema)]
struct Decide {
    /// Id of the run.
    run: String,
    /// What is decided. Where the client can ask its person, they are asked in any case.
    decision: Option<Decision>,
    /// Why.
    comment: Option<String>,
}

/// A decision.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Decision {
    /// The plan is finished.
    Approve,
    /// The run ends without a plan.
    Reject,
}

/// Where a run stands.
#[derive(Debug, Serialize, JsonSchema)]
struct Stands {
    id: String,
    status: String,
}

impl From<RunState> for Stands {
    fn from(state: RunState) -> Self {
        Self {
            id: state.id,
            status: state.status.as_str().to_owned(),
        }
    }
}

/// What came of checking the audit chain.
#[derive(Debug, Serialize, JsonSchema)]
struct Verdict {
    /// Whether every record is what it was.
    valid: bool,
    /// Number of the last record.
    length: u64,
    head_hash: String,
    /// The first record that is wrong.
    first_bad_seq: Option<u64>,
    reason: Option<String>,
}

/// The tools.
pub(super) fn router() -> ToolRouter<PlatformServer> {
    PlatformServer::tool_router() + PlatformServer::agent_tools() + PlatformServer::workflow_tools()
}

#[tool_router]
impl PlatformServer {
    /// Answers with the text that it is given, to see that server and token work.
    #[tool(annotations(read_only_hint = true, idempotent_hint = true, open_world_hint = false))]
    async fn echo(&self, Parameters(Echo { text }): Parameters<Echo>) -> Json<Echoed> {
        Json(Echoed {
            text,
            tenant: self.call.tenant().as_str().to_owned(),
        })
    }

    /// Lists the runs of plans, the newest first.
    #[tool(annotations(read_only_hint = true, open_world_hint = false))]
    async fn list_runs(&self, Parameters(asked): Parameters<Runs>) -> Answer<RunPage> {
        self.call.needs(Permission::RunView)?;
        let status = asked.status.map(|name| {
            let known = STATUSES.iter().find(|(known, _)| *known == name);
            known
                .map(|(_, status)| *status)
                .ok_or_else(|| Problem::unprocessable("body.invalid", format!("there is no status {name:?}")))
        });
        let after = asked.cursor.map(|cursor| cursor::decode(RUNS, &cursor)).transpose()?;
        let limit = asked.limit.unwrap_or(RUNS_DEFAULT).clamp(1, RUNS_MAX);
        let planning = &self.call.gateway().planning;
        let page = planning
            .list(self.call.caller(), status.transpose()?, after, limit)
            .await?;
        Ok(Json(RunPage {
            runs: page.items.into_iter().map(|item| item.run.into()).collect(),
            next_cursor: page.next.map(|next| cursor::encode(RUNS, &next)),
        }))
    }

    /// Starts a run that makes a plan for an idea in 15 phases. It goes on by itself; follow_run waits for it.
    #[tool(annotations(destructive_hint = false, open_world_hint = true))]
    async fn create_run(&self, Parameters(idea): Parameters<Idea>) -> Answer<StartedRun> {
        self.call.needs(Permission::RunCreate)?;
        let run = NewRun {
            idea: idea.idea,
            mode: Mode::Cloud,
            config: RunConfig {
                require_review: idea.require_review,
                require_approval: idea.require_approval,
            },
        };
        let planning = &self.call.gateway().planning;
        let key = idea.idempotency_key.as_deref();
        let started = planning.create(self.call.caller(), run, key).await?;
        Ok(Json(StartedRun {
            id: started.id,
            status: started.status.as_str().to_owned(),
            created: started.created,
        }))
    }

    /// Shows a run and how far its phases are.
    #[tool(annotations(read_only_hint = true, open_world_hint = false))]
    async fn get_run(&self, Parameters(OfRun { run }): Parameters<OfRun>) -> Answer<RunWithPhases> {
        self.call.needs(Permission::RunView)?;
        Ok(Json(self.detail(Planning::run_id(&run)?).await?.into()))
    }

    /// Waits until a run is finished or needs a person, and tells how far it is meanwhile.
    #[tool(annotations(read_only_hint = true, open_world_hint = false))]
    async fn follow_run(
        &self,
        Parameters(Follow { run, seconds }): Parameters<Follow>,
        context: RequestContext<RoleServer>,
    ) -> Answer<RunWithPhases> {
        self.call.needs(Permission::RunView)?;
        let run = Planning::run_id(&run)?;
        let life = seconds.map_or(FOLLOW_DEFAULT, Duration::from_secs).min(FOLLOW_MAX);
        let end = Instant::now() + life;
        let tenant = self.call.tenant().as_str();
        let mut watch = self
            .call
            .gateway()
            .watchers
            .watch(tenant, &run.to_string())
            .map_err(Problem::from)?;
        let mut told = -1.0;
        loop {
            let detail = self.detail(run).await?;
            let is_done = |status| matches!(status, PhaseStatus::Completed);
            let done: f64 = detail
                .phases
                .iter()
                .map(|phase| f64::from(u8::from(is_done(phase.status))))
                .sum();
            if done > told {
                told = done;
                let (status, phase) = (detail.run.status.as_str(), &detail.run.current_phase);
                let said = json!({ "run": detail.run.id, "status": status, "phase": phase });
                level::info(&self.call, &context, said).await;
                if let Some(token) = context.meta.get_progress_token() {
                    let phase = phase.as_deref().unwrap_or("begin");
                    let progress = ProgressNotificationParam::new(token, done)
                        .with_total(PHASES)
                        .with_message(format!("{status}: {phase}"));
                    context.peer.notify_progress(progress).await.ok();
                }
            }
            if detail.run.status == RunStatus::Failed {
                let said = json!({ "run": detail.run.id, "error": detail.error });
                level::error(&self.call, &context, said).await;
            }
            let rests = detail.run.status.is_final() || detail.run.status == RunStatus::AwaitingApproval;
            if rests || Instant::now() >= end || context.ct.is_cancelled() {
                return Ok(Json(detail.into()));
            }
            tokio::select! {
                _ = watch.next() => {}
                () = sleep_until(end.min(Instant::now() + LOOK)) => {}
                () = context.ct.cancelled() => {}
            }
        }
    }

    /// Pauses a run between two steps.
    #[tool(annotations(destructive_hint = false, idempotent_hint = true, open_world_hint = false))]
    async fn pause_run(&self, Parameters(OfRun { run }): Parameters<OfRun>) -> Answer<Stands> {
        self.call.needs(Permission::RunPause)?;
        let planning = &self.call.gateway().planning;
        Ok(Json(
            planning
                .pause(self.call.caller(), Planning::run_id(&run)?, None)
                .await?
                .into(),
        ))
    }

    /// Lets a paused run go on.
    #[tool(annotations(destructive_hint = false, idempotent_hint = true, open_world_hint = false))]
    async fn resume_run(&self, Parameters(OfRun { run }): Parameters<OfRun>) -> Answer<Stands> {
        self.call.needs(Permission::RunResume)?;
        let planning = &self.call.gateway().planning;
        Ok(Json(
            planning
                .resume(self.call.caller(), Planning::run_id(&run)?, None)
                .await?
                .into(),
        ))
    }

    /// Cancels a run for good.
    #[tool(annotations(destructive_hint = true, open_world_hint = false))]
    async fn cancel_run(&self, Parameters(OfRun { run }): Parameters<OfRun>) -> Answer<Stands> {
        self.call.needs(Permission::RunCancel)?;
        let planning = &self.call.gateway().planning;
        Ok(Json(
            planning
                .cancel(self.call.caller(), Planning::run_id(&run)?, None)
                .await?
                .into(),
        ))
    }

    /// Approves or rejects a plan that waits for a person. Where the client can ask its person, it does.
    #[tool(annotations(destructive_hint = true, open_world_hint = false))]
    async fn decide_run(
        &self,
        Parameters(decide): Parameters<Decide>,
        context: RequestContext<RoleServer>,
    ) -> Answer<Stands> {
        let id = Planning::run_id(&decide.run)?;
        let planning = &self.call.gateway().planning;
        self.call.needs(Permission::RunView)?;
        let run = self.call.on_behalf(planning.run(self.call.caller(), id)).await?;
        if run.status != RunStatus::AwaitingApproval {
            let detail = format!(
                "the run is {}, and no plan of it waits for a decision",
                run.status.as_str()
            );
            return Err(Problem::new(StatusCode::CONFLICT, "run.wrong-state", detail).into());
        }
        let mut comment = decide.comment;
        let decision = if question::can_ask(&context) {
            match question::ask(&context, &run).await? {
                Choice::Approve(said) => {
                    comment = said.or(comment);
                    Decision::Approve
                }
                Choice::Reject(said) => {
                    comment = said.or(comment);
                    Decision::Reject
                }
                Choice::Leave => {
                    return Ok(Json(Stands {
                        id: run.id,
                        status: run.status.as_str().to_owned(),
                    }));
                }
            }
        } else {
            decide.decision.ok_or_else(|| {
                Problem::unprocessable(
                    "body.invalid",
                    "decision is required where the client cannot ask its person",
                )
            })?
        };
        let caller = self.call.caller();
        let state = match decision {
            Decision::Approve => {
                self.call.needs(Permission::DecisionApprove)?;
                self.call.on_behalf(planning.approve(caller, id, comment, None)).await?
            }
            Decision::Reject => {
                self.call.needs(Permission::DecisionReject)?;
                self.call.on_behalf(planning.reject(caller, id, comment, None)).await?
            }
        };
        Ok(Json(state.into()))
    }

    /// Lists what the phases of a run wrote.
    #[tool(annotations(read_only_hint = true, open_world_hint = false))]
    async fn list_artifacts(&self, Parameters(OfRun { run }): Parameters<OfRun>) -> Answer<Artifacts> {
        self.call.needs(Permission::ArtifactView)?;
        let planning = &self.call.gateway().planning;
        let artifacts = planning
            .artifacts(self.call.caller(), Planning::run_id(&run)?, false)
            .await?;
        let listed = artifacts.into_iter().map(|artifact| Listed {
            phase: artifact.phase,
            version: artifact.version,
            score: artifact.overall_score,
            created_at: artifact.created_at,
        });
        Ok(Json(Artifacts {
            artifacts: listed.collect(),
        }))
    }

    /// Shows what a phase of a run wrote.
    #[tool(annotations(read_only_hint = true, open_world_hint = false))]
    async fn get_artifact(&self, Parameters(asked): Parameters<OfPhase>) -> Answer<Artifact> {
        self.call.needs(Permission::ArtifactView)?;
        let (run, phase) = (Planning::run_id(&asked.run)?, planning::phase(&asked.phase)?);
        let planning = &self.call.gateway().planning;
        let artifact = planning.artifact(self.call.caller(), run, phase, asked.version).await?;
        Ok(Json(Artifact {
            run: artifact.run_id,
            phase: artifact.phase,
            version: artifact.version,
            score: artifact.overall_score,
            content: serde_json::from_str(&artifact.content).map_err(|_| Problem::internal())?,
        }))
    }

    /// Finds what a run wrote about something.
    #[tool(annotations(read_only_hint = true, open_world_hint = false))]
    async fn search_artifacts(&self, Parameters(search): Parameters<Search>) -> Answer<Found> {
        self.call.needs(Permission::ArtifactView)?;
        let planning = &self.call.gateway().planning;
        let run = planning.run(self.call.caller(), Planning::run_id(&search.run)?).await?;
        let limit = search.limit.unwrap_or(RESULTS_DEFAULT).clamp(1, RESULTS_MAX);
        let found = planning.similar(self.call.caller(), &run, &search.query, limit).await?;
        let results = found.into_iter().map(|artifact| Passage {
            phase: artifact.phase,
            content: artifact.content,
            score: artifact.score,
        });
        Ok(Json(Found {
            results: results.collect(),
        }))
    }

    /// Checks that nobody has changed the audit chain of the tenant.
    #[tool(annotations(read_only_hint = true, open_world_hint = false))]
    async fn verify_audit(&self) -> Answer<Verdict> {
        self.call.needs(Permission::AuditView)?;
        let gateway = self.call.gateway();
        let tenant = self.call.tenant();
        let chain = audit::chain(gateway, tenant);
        let verdict = gateway.context.as_system(tenant, verify(&chain)).await?;
        let (first_bad_seq, reason) = match verdict.fault {
            None => (None, None),
            Some(fault) => (Some(fault.first_bad_seq), Some(fault.reason.to_string())),
        };
        Ok(Json(Verdict {
            valid: first_bad_seq.is_none(),
            length: verdict.length,
            head_hash: verdict.head_hash.to_string(),
            first_bad_seq,
            reason,
        }))
    }
}

impl PlatformServer {
    /// A run with its phases. It may be asked for long after the call began.
    pub(super) async fn detail(&self, run: Uuid) -> Result<RunDetail, Problem> {
        let planning = &self.call.gateway().planning;
        self.call.on_behalf(planning.detail(self.call.caller(), run)).await
    }
}
