//! The operations of planning: what the API and the pages ask of actors and ports, with the caller's tenant in every id.
//!
//! The tenant comes from the caller alone. A run of another tenant is therefore another actor, one that was never created, and
//! the answer is the same 404 as for an id that nobody has.

use actors::{
    env::Env,
    records::{Mode, PlanningArtifact, PlanningRun, RunConfig, RunEvent, RunStatus},
    run::{
        ApproveRun, CancelRun, DeleteRun, GetArtifact, GetPackage, GetRun, GetRunDetail, ListArtifacts, ListRunEvents,
        PauseRun, RejectRun, ResumeRun, Run, RunDetail, RunState, SimilarArtifact, StartRun, Started,
    },
    tenant::{
        self, Counts, GetCounts, GetParked, ListParked, ListRuns, ParkedPage, PhaseMedian, Promote, Promoted, RunPage,
        Tenant, Timings,
    },
    workflows::{GetStatus, InstanceStatus, planning::phase::PhaseId},
};
use bytes::Bytes;
use cluster::prelude::{ActorId, ActorRef, Cluster, ErrorKind, Handler, IdempotencyKey, Message};
use uuid::Uuid;

use super::{caller::Caller, error::Problem, idempotency};

/// Asks the actors and ports of planning.
#[derive(Clone)]
pub struct Planning {
    cluster: Cluster,
    env: Env,
}

impl std::fmt::Debug for Planning {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Planning").finish_non_exhaustive()
    }
}

/// A run to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewRun {
    pub(crate) idea: String,
    pub(crate) mode: Mode,
    pub(crate) config: RunConfig,
}

/// One of the two documents of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PackageFormat {
    Json,
    Markdown,
}

impl Planning {
    /// Connects the operations to a cluster, and to the ports that its actors have too.
    #[must_use]
    pub fn new(cluster: Cluster, env: Env) -> Self {
        Self { cluster, env }
    }

    /// The ports.
    pub(crate) fn env(&self) -> &Env {
        &self.env
    }

    /// Reads the id of a run from an address. What is no id belongs to no run.
    pub(crate) fn run_id(text: &str) -> Result<Uuid, Problem> {
        Uuid::try_parse(text).map_err(|_| unknown_run(text))
    }

    pub(crate) async fn create(&self, caller: &Caller, run: NewRun, key: Option<&str>) -> Result<Started, Problem> {
        if run.mode == Mode::Local {
            return Err(local_mode());
        }
        let id = match key {
            Some(key) => idempotency::id(caller.tenant.as_str(), &caller.user, "run", key),
            None => Uuid::now_v7(),
        };
        let start = StartRun {
            idea: run.idea,
            mode: run.mode,
            config: run.config,
            origin: None,
        };
        match self.actor(caller, id).ask(start).await {
            Err(error) if error.kind() == ErrorKind::Conflict && key.is_some() => Err(mismatch()),
            answer => Ok(answer?),
        }
    }

    pub(crate) async fn list(
        &self,
        caller: &Caller,
        status: Option<RunStatus>,
        after: Option<String>,
        limit: usize,
    ) -> Result<RunPage, Problem> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        Ok(self.tenant(caller).ask(ListRuns { status, after, limit }).await?)
    }

    pub(crate) async fn run(&self, caller: &Caller, id: Uuid) -> Result<PlanningRun, Problem> {
        self.ask(caller, id, GetRun).await
    }

    pub(crate) async fn detail(&self, caller: &Caller, id: Uuid) -> Result<RunDetail, Problem> {
        self.ask(caller, id, GetRunDetail).await
    }

    /// Where the run stands as an instance of a workflow.
    pub(crate) async fn instance(&self, caller: &Caller, id: Uuid) -> Result<InstanceStatus, Problem> {
        self.ask(caller, id, GetStatus).await
    }

    pub(crate) async fn delete(&self, caller: &Caller, id: Uuid) -> Result<RunState, Problem> {
        self.change(caller, id, ("delete", None), DeleteRun).await
    }

    pub(crate) async fn cancel(&self, caller: &Caller, id: Uuid, key: Option<&str>) -> Result<RunState, Problem> {
        self.change(caller, id, ("cancel", key), CancelRun).await
    }

    pub(crate) async fn pause(&self, caller: &Caller, id: Uuid, key: Option<&str>) -> Result<RunState, Problem> {
        self.change(caller, id, ("pause", key), PauseRun).await
    }

    pub(crate) async fn resume(&self, caller: &Caller, id: Uuid, key: Option<&str>) -> Result<RunState, Problem> {
        self.change(caller, id, ("resume", key), ResumeRun).await
    }

    pub(crate) async fn approve(
        &self,
        caller: &Caller,
        id: Uuid,
        comment: Option<String>,
        key: Option<&str>,
    ) -> Result<RunState, Problem> {
        self.change(caller, id, ("approve", key), ApproveRun { comment }).await
    }

    pub(crate) async fn reject(
        &self,
        caller: &Caller,
        id: Uuid,
        comment: Option<String>,
        key: Option<&str>,
    ) -> Result<RunState, Problem> {
        self.change(caller, id, ("reject", key), RejectRun { comment }).await
    }

    pub(crate) async fn artifacts(
        &self,
        caller: &Caller,
        id: Uuid,
        all_attempts: bool,
    ) -> Result<Vec<PlanningArtifact>, Problem> {
        self.ask(caller, id, ListArtifacts { all_attempts }).await
    }

    pub(crate) async fn artifact(
        &self,
        caller: &Caller,
        id: Uuid,
        phase: PhaseId,
        version: Option<u32>,
    ) -> Result<PlanningArtifact, Problem> {
        self.ask(
            caller,
            id,
            GetArtifact {
                phase: phase.as_str().to_owned(),
                version,
            },
        )
        .await
    }

    pub(crate) async fn events(
        &self,
        caller: &Caller,
        id: Uuid,
        after: u64,
        limit: usize,
    ) -> Result<Vec<RunEvent>, Problem> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        self.ask(caller, id, ListRunEvents { after, limit }).await
    }

    /// Finds the artifacts of a run that are nearest to a text.
    pub(crate) async fn similar(
        &self,
        caller: &Caller,
        run: &PlanningRun,
        query: &str,
        limit: usize,
    ) -> Result<Vec<SimilarArtifact>, Problem> {
        Ok(actors::run::similar(&self.env, caller.tenant.as_str(), run, query, limit).await?)
    }

    /// Reads one document of the package; the object store verifies its checksum.
    pub(crate) async fn package(
        &self,
        caller: &Caller,
        id: Uuid,
        format: PackageFormat,
    ) -> Result<(Bytes, String), Problem> {
        let keys = self.ask(caller, id, GetPackage).await?;
        let (key, sha256) = match format {
            PackageFormat::Json => (keys.json_key, keys.json_sha256),
            PackageFormat::Markdown => (keys.markdown_key, keys.markdown_sha256),
        };
        let (meta, body) = self.env.objects.get(key).await.map_err(|error| {
            tracing::error!(%error, run = %id, "a package could not be read");
            Problem::unavailable(
                "package.unreadable",
                "the package exists, but the object store did not give it",
            )
        })?;
        if meta.sha256 != sha256 {
            tracing::error!(run = %id, "a package is not the one that was made");
            return Err(Problem::unavailable(
                "package.changed",
                "the stored package is not the one that was made",
            ));
        }
        Ok((body, sha256))
    }

    pub(crate) async fn parked(
        &self,
        caller: &Caller,
        source: Option<String>,
        after: Option<String>,
        limit: usize,
    ) -> Result<ParkedPage, Problem> {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        Ok(self.tenant(caller).ask(ListParked { source, after, limit }).await?)
    }

    pub(crate) async fn promote(
        &self,
        caller: &Caller,
        id: &str,
        config: RunConfig,
        key: Option<&str>,
    ) -> Result<Promoted, Problem> {
        let id = Uuid::try_parse(id)
            .map_err(|_| Problem::not_found("parked-idea.not-found", "there is no such parked idea here"))?
            .to_string();
        let tenant = self.tenant(caller);
        // The idea is part of the name: the same key for another idea is another request.
        let run = key.map(|key| idempotency::id(caller.tenant.as_str(), &caller.user, &format!("promote/{id}"), key));
        let promote = Promote {
            id: id.clone(),
            config,
            run_id: run.map(|run| run.to_string()),
        };
        match tenant.ask(promote).await {
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let idea = tenant.ask(GetParked { id }).await?;
                let problem = Problem::from(error);
                Err(match idea.promoted_run_id {
                    Some(run) => problem.with_state(&format!("promoted to {run}")),
                    None => problem,
                })
            }
            answer => Ok(answer?),
        }
    }

    pub(crate) async fn timings(&self, caller: &Caller) -> Result<Vec<PhaseMedian>, Problem> {
        Ok(self.tenant(caller).ask(Timings).await?)
    }

    /// What the tenant has that people look after.
    pub(crate) async fn counts(&self, caller: &Caller) -> Result<Counts, Problem> {
        Ok(self.tenant(caller).ask(GetCounts).await?)
    }

    /// Whether sources are looked for in this phase.
    pub(crate) fn searches(&self, phase: PhaseId) -> bool {
        self.env.search.provider().is_some() && !(phase.phase().searches)("").is_empty()
    }

    fn tenant(&self, caller: &Caller) -> ActorRef<Tenant> {
        self.cluster
            .get(ActorId::from_name::<Tenant>(&caller.tenant, tenant::NAME))
    }

    fn actor(&self, caller: &Caller, id: Uuid) -> ActorRef<Run> {
        self.cluster
            .get(ActorId::from_name::<Run>(&caller.tenant, &id.to_string()))
    }

    async fn ask<M: Message>(&self, caller: &Caller, id: Uuid, message: M) -> Result<M::Reply, Problem>
    where
        Run: Handler<M>,
    {
        Ok(self.actor(caller, id).ask(message).await?)
    }

    /// Asks for a change; a refusal says where the run stands. Under an idempotency key the change is made once, and a
    /// repetition is answered as the first time.
    async fn change<M: Message>(
        &self,
        caller: &Caller,
        id: Uuid,
        (operation, key): (&str, Option<&str>),
        message: M,
    ) -> Result<M::Reply, Problem>
    where
        Run: Handler<M>,
    {
        let actor = self.actor(caller, id);
        let answer = match key {
            Some(key) => {
                // The actor is the run, so its id needs no part in the key.
                let key = idempotency::id(caller.tenant.as_str(), &caller.user, operation, key);
                actor
                    .ask_idempotent(&IdempotencyKey::new(&key.to_string())?, message)
                    .await
            }
            None => actor.ask(message).await,
        };
        match answer {
            Err(error) if error.code() == "idempotency.reused" => Err(mismatch()),
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let status = self.run(caller, id).await?.status;
                Err(Problem::from(error).with_state(status.as_str()))
            }
            answer => Ok(answer?),
        }
    }
}

fn mismatch() -> Problem {
    Problem::unprocessable(
        "idempotency.mismatch",
        "this Idempotency-Key was used for another request; use a new key",
    )
}

/// The refusal of everything that belongs to mode `local`.
pub(crate) fn local_mode() -> Problem {
    Problem::unprocessable(
        "run.local-mode",
        "local mode is not available yet; create the run with mode \"cloud\"",
    )
}

fn unknown_run(id: &str) -> Problem {
    let shown: String = id.chars().take(64).collect();
    Problem::not_found("run.not-found", format!("there is no run {shown} in this tenant"))
}

/// Reads the name of a phase from an address.
pub(crate) fn phase(name: &str) -> Result<PhaseId, Problem> {
    PhaseId::parse(name).ok_or_else(|| {
        let shown: String = name.chars().take(64).collect();
        Problem::not_found("phase.not-found", format!("there is no phase {shown}"))
    })
}
