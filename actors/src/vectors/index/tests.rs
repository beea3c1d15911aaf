//! The index actor over a fake index.

use std::{sync::Arc, time::Duration};

use cluster::{prelude::*, testing::TestCluster};

use super::{NAME, VectorIndex};
use crate::{
    audit::{AuditEnv, AuditLog},
    env::{Env, PlanningSettings},
    events::EventLog,
    ports::fake::{FakeEmbedder, FakeEvents, FakeModel, FakeObjects, FakeSearch, FakeVectors, Reply},
    run::Run,
    tenant::Tenant,
    vectors::{CheckIndex, Forget, GetIndexStatus, IndexStatus, IndexedText, Put, Rebuild},
};

struct Bench {
    cluster: TestCluster,
    vectors: Arc<FakeVectors>,
}

impl Bench {
    async fn new(seed: u64) -> Self {
        let vectors = Arc::new(FakeVectors::default());
        let env = Env {
            model: Arc::new(FakeModel::new(|_, _| Reply::Hang)),
            embedder: Arc::new(FakeEmbedder::default()),
            vectors: Arc::<FakeVectors>::clone(&vectors),
            objects: Arc::new(FakeObjects::default()),
            search: Arc::new(FakeSearch::default()),
            events: Arc::new(FakeEvents::default()),
            planning: PlanningSettings::default(),
        };
        let builder = TestCluster::builder(seed).actor::<Run>(env.clone());
        let builder = builder
            .actor::<Tenant>(env.clone())
            .actor::<EventLog>(env.clone())
            .actor::<AuditLog>(AuditEnv::fake());
        let cluster = builder.actor::<VectorIndex>(env).start().await;
        Self { cluster, vectors }
    }

    fn index(&self) -> ActorRef<VectorIndex> {
        let tenant = TenantId::new("acme").unwrap();
        self.cluster
            .cluster()
            .get(ActorId::from_name::<VectorIndex>(&tenant, NAME))
    }

    async fn put(&self, run: &str, attempt: u32, phase: &str) {
        let text = IndexedText {
            run_id: run.into(),
            phase: phase.into(),
            attempt,
            version: 1,
            text: format!("{phase} of {run}"),
        };
        self.index().ask(Put { text }).await.unwrap();
    }

    async fn status(&self) -> IndexStatus {
        self.index().ask(GetIndexStatus).await.unwrap()
    }

    async fn settle(&self) {
        self.cluster.advance(Duration::from_secs(2)).await;
    }

    fn ids(&self) -> Vec<String> {
        self.vectors.rows().into_iter().map(|row| row.id).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn changes_are_written_in_order() {
    let bench = Bench::new(1).await;
    for phase in ["intake", "market"] {
        bench.put("r1", 0, phase).await;
    }
    bench.put("r2", 0, "intake").await;
    let (run_id, attempt) = ("r1".to_owned(), Some(0));
    bench.index().ask(Forget { run_id, attempt }).await.unwrap();
    bench.put("r1", 1, "intake").await;
    bench.settle().await;
    assert_eq!(bench.ids(), ["planning:r1:1:intake", "planning:r2:0:intake"]);
    assert!(bench.status().await.is_settled());
}

#[tokio::test(start_paused = true)]
async fn a_failed_write_is_repeated_and_says_why() {
    let bench = Bench::new(2).await;
    bench.status().await;
    bench.settle().await;
    bench.vectors.fail(3);
    bench.put("r1", 0, "intake").await;
    bench.put("r1", 0, "market").await;
    bench.cluster.advance(Duration::from_millis(100)).await;
    let status = bench.status().await;
    assert_eq!(status.pending, 2);
    assert!(status.failure.unwrap().contains("scripted failure"));
    assert!(bench.ids().is_empty());
    bench.cluster.advance(Duration::from_secs(10)).await;
    assert_eq!(bench.ids().len(), 2);
    assert_eq!(bench.status().await.failure, None);
}

/// Guarantee 3, carried on into the index: its writer is known by a number that only the owner can raise.
#[tokio::test(start_paused = true)]
async fn each_activation_that_writes_has_a_greater_number() {
    let mut bench = Bench::new(3).await;
    bench.put("r1", 0, "intake").await;
    bench.settle().await;
    let first = bench.vectors.writer_of("acme");
    assert!(first > 0);
    bench.put("r1", 0, "market").await;
    bench.settle().await;
    assert_eq!(
        bench.vectors.writer_of("acme"),
        first,
        "one activation keeps its number"
    );
    bench.cluster.crash_and_restart().await;
    bench.put("r1", 0, "pricing").await;
    bench.settle().await;
    assert!(bench.vectors.writer_of("acme") > first);
    assert_eq!(bench.ids().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_was_stored_is_written_after_a_crash() {
    let mut bench = Bench::new(4).await;
    bench.status().await;
    bench.settle().await;
    bench.vectors.fail(1);
    bench.put("r1", 0, "intake").await;
    bench.cluster.crash_and_restart().await;
    // Nobody calls it: its alarm does.
    bench.cluster.advance(Duration::from_secs(15)).await;
    assert_eq!(bench.ids(), ["planning:r1:0:intake"]);
}

#[tokio::test(start_paused = true)]
async fn state_that_is_older_than_the_index_takes_it_over_again() {
    let bench = Bench::new(5).await;
    bench.put("r1", 0, "intake").await;
    bench.settle().await;
    bench.vectors.take_over("acme", 70);
    bench.put("r1", 0, "market").await;
    bench.settle().await;
    assert!(bench.vectors.writer_of("acme") > 70);
    assert!(
        bench.ids().is_empty(),
        "no run has these texts, so they are from a time after the backup"
    );
    assert!(bench.status().await.is_settled());
}

#[tokio::test(start_paused = true)]
async fn an_index_that_was_built_is_not_built_again() {
    let bench = Bench::new(6).await;
    bench.status().await;
    bench.settle().await;
    bench.put("orphan", 0, "intake").await;
    bench.settle().await;
    bench.index().ask(CheckIndex).await.unwrap();
    bench.settle().await;
    assert_eq!(
        bench.ids().len(),
        1,
        "a rebuild would have removed a text that no run has"
    );
    bench.index().ask(Rebuild).await.unwrap();
    bench.settle().await;
    assert!(bench.ids().is_empty());
    assert!(bench.status().await.is_settled());
}

#[tokio::test(start_paused = true)]
async fn a_rebuild_drops_what_could_not_be_written() {
    let bench = Bench::new(7).await;
    bench.status().await;
    bench.settle().await;
    bench.vectors.fail(1_000_000);
    bench.put("orphan", 0, "intake").await;
    bench.settle().await;
    assert_eq!(bench.status().await.pending, 1);
    bench.vectors.fail(0);
    bench.index().ask(Rebuild).await.unwrap();
    bench.cluster.advance(Duration::from_secs(70)).await;
    assert!(bench.status().await.is_settled());
    assert!(bench.ids().is_empty());
}

/// After a restart with an index that was lost, or with state from a backup, it is made again by itself.
#[tokio::test(start_paused = true)]
async fn an_index_that_does_not_fit_the_state_is_rebuilt() {
    for lost in [true, false] {
        let mut bench = Bench::new(8).await;
        bench.put("orphan", 0, "intake").await;
        bench.settle().await;
        bench.cluster.crash_and_restart().await;
        bench.status().await;
        bench.settle().await;
        assert_eq!(bench.ids().len(), 1, "it fits");
        if lost {
            bench.vectors.lose();
        } else {
            bench.vectors.take_over("acme", 70);
        }
        bench.cluster.crash_and_restart().await;
        bench.status().await;
        bench.settle().await;
        assert!(bench.vectors.writer_of("acme") > if lost { 0 } else { 70 });
        assert!(bench.ids().is_empty());
        assert!(bench.status().await.is_settled());
    }
}
