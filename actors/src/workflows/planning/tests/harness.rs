//! A cluster with all actors of the domain and fakes behind their ports.

use std::{sync::Arc, time::Duration};

use cluster::{
    prelude::*,
    testing::{Faults, TestCluster},
};

use crate::{
    audit::{self, AuditEnv, AuditLog},
    env::{Env, PlanningSettings},
    events::EventLog,
    ports::{
        Model, ModelRequest, Search, Vectors,
        fake::{FakeEmbedder, FakeEvents, FakeModel, FakeObjects, FakeSearch, FakeVectors, Reply},
    },
    records::{Mode, RunConfig, RunEvent, RunEventKind, RunStatus},
    run::{GetRunDetail, ListRunEvents, Run, RunDetail, StartRun, Started},
    tenant::{self, Tenant},
    vectors::{self, VectorIndex},
    workflows::planning::{phase::PhaseId, sample},
};

pub(super) const IDEA: &str = "A shared calendar that books repair cafes by itself";
pub(super) const GO: [f64; 6] = [8.0; 6];
pub(super) const PIVOT: [f64; 6] = [8.0, 3.0, 8.0, 8.0, 8.0, 8.0];
pub(super) const KILL: [f64; 6] = [1.0; 6];

/// What a request is about, read from its idempotency key.
pub(super) struct Asked {
    pub(super) attempt: usize,
    pub(super) phase: PhaseId,
    /// `notes`, `draft`, `review-1`, `tiebreak`.
    pub(super) step: String,
    /// Which call of the step with this name, 1 for the first.
    pub(super) occurrence: usize,
    /// Which attempt of the step.
    pub(super) number: usize,
    /// Which call of the attempt.
    pub(super) call: usize,
}

pub(super) fn asked(request: &ModelRequest) -> Asked {
    let parts: Vec<&str> = request.idempotency_key.split('/').collect();
    let [_class, _tenant, _run, attempt, phase, step, occurrence, number, call] = parts[..] else {
        panic!("{} is not the key of a phase", request.idempotency_key)
    };
    Asked {
        attempt: attempt.parse().unwrap(),
        phase: PhaseId::parse(phase).unwrap(),
        step: step.to_owned(),
        occurrence: occurrence.parse().unwrap(),
        number: number.parse().unwrap(),
        call: call.parse().unwrap(),
    }
}

/// A good answer: the kill test of each attempt with these scores, the last ones for all that follow.
pub(super) fn good(request: &ModelRequest, scores: &[[f64; 6]]) -> Reply {
    let Asked {
        attempt,
        phase,
        step,
        occurrence,
        ..
    } = asked(request);
    let seed = 1 + attempt * 40 + phase.number() as usize + occurrence * 400;
    Reply::Text(
        match (step.as_str(), phase) {
            ("draft", PhaseId::KillTest) => sample::kill_test(scores[attempt.min(scores.len() - 1)], seed),
            ("draft", phase) => sample::full(phase.phase(), seed),
            (_, phase) => sample::review(phase.phase(), 8.0, seed),
        }
        .to_string(),
    )
}

/// A model whose kill tests have these scores.
pub(super) fn model(scores: &'static [[f64; 6]]) -> FakeModel {
    FakeModel::new(move |request, _| good(request, scores))
}

/// A small model.
pub(super) fn small_model() -> FakeModel {
    FakeModel::new(|request, _| {
        let Asked {
            attempt, phase, step, ..
        } = asked(request);
        if step == "notes" {
            return Reply::Text(format!("Notes on {}. They break off in the", phase.as_str()));
        }
        Reply::Text(sample::embedded(phase.phase(), 1 + attempt * 40 + phase.number() as usize).to_string())
    })
    .embedded()
}

/// Everything a test looks at.
pub(super) struct Bench {
    pub(super) cluster: TestCluster,
    pub(super) env: Env,
    pub(super) model: Arc<FakeModel>,
    pub(super) vectors: Arc<FakeVectors>,
    pub(super) objects: Arc<FakeObjects>,
    pub(super) search: Arc<FakeSearch>,
    pub(super) events: Arc<FakeEvents>,
}

impl Bench {
    pub(super) async fn new(seed: u64, model: FakeModel) -> Self {
        Self::with(seed, model, FakeVectors::default(), FakeSearch::default()).await
    }

    /// A cluster whose commits take time, or have no definite outcome.
    pub(super) async fn faulty(seed: u64, model: FakeModel, faults: Faults) -> Self {
        Self::build(seed, model, FakeVectors::default(), FakeSearch::default(), faults).await
    }

    pub(super) async fn with(seed: u64, model: FakeModel, vectors: FakeVectors, search: FakeSearch) -> Self {
        Self::build(seed, model, vectors, search, Faults::default()).await
    }

    async fn build(seed: u64, model: FakeModel, vectors: FakeVectors, search: FakeSearch, faults: Faults) -> Self {
        let (model, vectors, search) = (Arc::new(model), Arc::new(vectors), Arc::new(search));
        let (objects, events) = (Arc::new(FakeObjects::default()), Arc::new(FakeEvents::default()));
        let env = Env {
            model: Arc::<FakeModel>::clone(&model) as Arc<dyn Model>,
            embedder: Arc::new(FakeEmbedder::default()),
            vectors: Arc::<FakeVectors>::clone(&vectors) as Arc<dyn Vectors>,
            objects: Arc::<FakeObjects>::clone(&objects),
            search: Arc::<FakeSearch>::clone(&search) as Arc<dyn Search>,
            events: Arc::<FakeEvents>::clone(&events),
            planning: PlanningSettings {
                min_similarity: 0.0,
                ..PlanningSettings::default()
            },
        };
        let builder = TestCluster::builder(seed)
            .simulated(faults)
            .actor::<Run>(env.clone())
            .actor::<Tenant>(env.clone())
            .actor::<AuditLog>(AuditEnv::fake());
        let cluster = builder
            .actor::<EventLog>(env.clone())
            .actor::<VectorIndex>(env.clone())
            .start()
            .await;
        Self {
            cluster,
            env,
            model,
            vectors,
            objects,
            search,
            events,
        }
    }

    pub(super) fn run(&self, id: &str) -> ActorRef<Run> {
        self.run_of("default", id)
    }

    pub(super) fn run_of(&self, tenant: &str, id: &str) -> ActorRef<Run> {
        self.cluster
            .cluster()
            .get(ActorId::from_name::<Run>(&TenantId::new(tenant).unwrap(), id))
    }

    pub(super) fn tenant(&self) -> ActorRef<Tenant> {
        let tenant = TenantId::new("default").unwrap();
        self.cluster
            .cluster()
            .get(ActorId::from_name::<Tenant>(&tenant, tenant::NAME))
    }

    pub(super) fn audit(&self) -> ActorRef<AuditLog> {
        let tenant = TenantId::new("default").unwrap();
        self.cluster
            .cluster()
            .get(ActorId::from_name::<AuditLog>(&tenant, audit::NAME))
    }

    pub(super) fn index(&self) -> ActorRef<VectorIndex> {
        let tenant = TenantId::new("default").unwrap();
        self.cluster
            .cluster()
            .get(ActorId::from_name::<VectorIndex>(&tenant, vectors::NAME))
    }

    pub(super) async fn start(&self, id: &str, config: RunConfig) -> Started {
        patiently(async || self.run(id).ask(request(IDEA, config)).await).await
    }

    pub(super) async fn detail(&self, id: &str) -> RunDetail {
        patiently(async || self.run(id).ask(GetRunDetail).await).await
    }

    /// Lets time pass until the run has this status.
    pub(super) async fn until(&self, id: &str, status: RunStatus) -> RunDetail {
        let mut pause = Duration::from_millis(200);
        for _ in 0..2_000 {
            let detail = self.detail(id).await;
            if detail.run.status == status {
                return detail;
            }
            let end = detail.run.status;
            assert!(
                !end.is_final(),
                "the run is {end:?} instead of {status:?}: {:?}",
                detail.error
            );
            self.cluster.advance(pause).await;
            pause = pause.mul_f64(1.2).min(Duration::from_secs(10));
        }
        panic!("the run never was {status:?}: {:?}", self.detail(id).await.run);
    }

    /// Lets durable sends arrive.
    pub(super) async fn settle(&self) {
        self.cluster.advance(Duration::from_secs(2)).await;
    }

    pub(super) async fn events_of(&self, id: &str) -> Vec<RunEvent> {
        patiently(async || self.run(id).ask(ListRunEvents { after: 0, limit: 200 }).await).await
    }

    pub(super) async fn kinds(&self, id: &str) -> Vec<RunEventKind> {
        self.events_of(id).await.into_iter().map(|event| event.kind).collect()
    }

    /// The prompts of the drafts of a phase in one attempt.
    pub(super) fn prompts(&self, phase: PhaseId, attempt: usize) -> Vec<String> {
        self.prompts_of("draft", phase, attempt)
    }

    /// The prompts of a step of a phase in one attempt.
    pub(super) fn prompts_of(&self, step: &str, phase: PhaseId, attempt: usize) -> Vec<String> {
        let requests = self.model.requests();
        let of = |request: &&ModelRequest| {
            let about = asked(request);
            about.phase == phase && about.attempt == attempt && about.step == step
        };
        requests
            .iter()
            .filter(of)
            .map(|request| request.turns.last().unwrap().text.clone())
            .collect()
    }
}

pub(super) fn request(idea: &str, config: RunConfig) -> StartRun {
    StartRun {
        idea: idea.to_owned(),
        mode: Mode::Cloud,
        config,
        origin: None,
    }
}

pub(super) fn reviewed() -> RunConfig {
    RunConfig {
        require_review: true,
        ..RunConfig::default()
    }
}

pub(super) fn gated() -> RunConfig {
    RunConfig {
        require_approval: true,
        ..RunConfig::default()
    }
}

/// Checks that events have no gaps and were published in the same order, each at least once.
pub(super) fn check_events(seed: u64, stored: &[RunEvent], published: &[RunEvent]) {
    let numbers: Vec<u64> = stored.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (1..=stored.len() as u64).collect::<Vec<_>>(), "seed {seed}");
    let mut seen = std::collections::BTreeSet::new();
    let first: Vec<&RunEvent> = published.iter().filter(|event| seen.insert(event.id.clone())).collect();
    assert_eq!(
        first,
        stored.iter().collect::<Vec<_>>(),
        "seed {seed}: published in the order of the run"
    );
}

/// Repeats a call that a fault of the cluster kept from an answer.
pub(super) async fn patiently<T>(call: impl AsyncFn() -> Result<T>) -> T {
    for _ in 0..1_000 {
        match call().await {
            Ok(value) => return value,
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Unknown | ErrorKind::Retryable | ErrorKind::Overloaded
                ) =>
            {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => panic!("the call failed: {error}"),
        }
    }
    panic!("a call never was answered")
}
