//! The vector index: what is in it, who sees it.

use super::harness::{Bench, GO, IDEA, PIVOT, model, request};
use crate::{
    ports::fake::{FakeSearch, FakeVectors},
    records::{RunConfig, RunStatus},
    run::{DeleteRun, GetRun, ListArtifacts, similar},
    tenant::{self, ListRuns, Tenant},
    vectors::{GetIndexStatus, Rebuild},
};
use cluster::prelude::{ActorId, TenantId};

/// P8, P10: rows are keyed by attempt, and filtered inside the index.
#[tokio::test(start_paused = true)]
async fn the_index_has_one_row_for_each_phase_of_the_present_attempt() {
    let bench = Bench::new(1, model(&[PIVOT, GO])).await;
    bench.start("r1", RunConfig::default()).await;
    let detail = bench.until("r1", RunStatus::Completed).await;
    let rows = bench.vectors.rows();
    assert_eq!(rows.len(), 15);
    assert!(rows.iter().all(|row| row.id == format!("planning:r1:1:{}", row.phase)));
    assert!(rows.iter().all(|row| row.text.chars().count() <= 8_000));
    let found = similar(&bench.env, "default", &detail.run, "who is the customer", 3)
        .await
        .unwrap();
    assert_eq!(found.len(), 3);
    assert!(found.is_sorted_by(|a, b| a.score >= b.score));
    assert_eq!(
        similar(&bench.env, "default", &detail.run, " ", 3)
            .await
            .unwrap_err()
            .code(),
        "run.query"
    );
}

/// P5: no tenant sees anything of another, whatever ids it knows.
#[tokio::test(start_paused = true)]
async fn nothing_crosses_from_one_tenant_to_another() {
    let bench = Bench::new(2, model(&[GO])).await;
    bench.start("r1", RunConfig::default()).await;
    let detail = bench.until("r1", RunStatus::Completed).await;
    bench
        .run_of("other", "r2")
        .ask(request(IDEA, RunConfig::default()))
        .await
        .unwrap();
    bench.cluster.advance(std::time::Duration::from_secs(60)).await;
    let theirs = bench.run_of("other", "r2").ask(GetRun).await.unwrap();
    assert_eq!(theirs.status, RunStatus::Completed);

    assert_eq!(
        bench.run_of("other", "r1").ask(GetRun).await.unwrap_err().code(),
        "run.not-found"
    );
    let artifacts = bench
        .run_of("other", "r1")
        .ask(ListArtifacts { all_attempts: true })
        .await;
    assert_eq!(artifacts.unwrap_err().code(), "run.not-found");
    let other = TenantId::new("other").unwrap();
    let tenant = bench
        .cluster
        .cluster()
        .get::<Tenant>(ActorId::from_name::<Tenant>(&other, tenant::NAME));
    let list = tenant
        .ask(ListRuns {
            limit: 10,
            ..ListRuns::default()
        })
        .await
        .unwrap();
    assert_eq!(
        list.items.iter().map(|item| item.run.id.as_str()).collect::<Vec<_>>(),
        ["r2"]
    );
    assert!(
        similar(&bench.env, "other", &detail.run, "customer", 5)
            .await
            .unwrap()
            .is_empty()
    );
    for request in bench
        .model
        .requests()
        .iter()
        .filter(|request| request.idempotency_key.starts_with("run/other/"))
    {
        assert!(
            !request
                .turns
                .last()
                .unwrap()
                .text
                .contains("Related parts of other plans")
        );
    }
    assert!(bench.events.published("other").iter().all(|event| event.run_id == "r2"));
    assert!(
        bench
            .objects
            .keys()
            .iter()
            .filter(|key| key.contains("/r2/"))
            .all(|key| key.starts_with("tenants/other/"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_later_run_is_told_of_earlier_runs_of_its_tenant() {
    let bench = Bench::new(3, model(&[GO])).await;
    bench.start("r1", RunConfig::default()).await;
    bench.until("r1", RunStatus::Completed).await;
    bench.start("r2", RunConfig::default()).await;
    bench.until("r2", RunStatus::Completed).await;
    let requests = bench.model.requests();
    let told = |run: &str| {
        let of_run = requests.iter().filter(|request| request.idempotency_key.contains(run));
        of_run
            .filter(|request| request.turns[0].text.contains("Related parts of other plans"))
            .count()
    };
    assert_eq!((told("/r1/"), told("/r2/")), (0, 15));
}

/// P8: an attempt whose texts cannot be removed is not abandoned, so nobody ever finds texts of an abandoned one.
#[tokio::test(start_paused = true)]
async fn the_texts_of_an_attempt_are_gone_before_it_is_abandoned() {
    let bench = Bench::with(4, model(&[PIVOT, GO]), FakeVectors::clinging(), FakeSearch::default()).await;
    bench.start("r1", RunConfig::default()).await;
    let detail = bench.until("r1", RunStatus::Failed).await;
    assert_eq!((detail.attempt, detail.run.pivot_count), (0, 0));
    assert!(detail.error.unwrap().contains("nothing can be removed"));
}

/// P8: what was lost is made again from the artifacts of the present attempt of every run that was not deleted.
#[tokio::test(start_paused = true)]
async fn a_rebuild_makes_the_same_rows_again() {
    let bench = Bench::new(5, model(&[PIVOT, GO])).await;
    for run in ["r1", "r2", "r3"] {
        bench.start(run, RunConfig::default()).await;
        bench.until(run, RunStatus::Completed).await;
    }
    bench.run("r3").ask(DeleteRun).await.unwrap();
    bench.settle().await;
    let before = bench.vectors.rows();
    assert_eq!(before.len(), 30);
    bench.vectors.lose();
    bench.index().ask(Rebuild).await.unwrap();
    bench.settle().await;
    assert_eq!(bench.vectors.rows(), before);
    assert!(bench.index().ask(GetIndexStatus).await.unwrap().is_settled());
}

/// A rebuild goes on where it was after a crash.
#[tokio::test(start_paused = true)]
async fn a_rebuild_survives_crashes() {
    let mut bench = Bench::new(6, model(&[GO])).await;
    for run in ["r1", "r2"] {
        bench.start(run, RunConfig::default()).await;
        bench.until(run, RunStatus::Completed).await;
    }
    bench.settle().await;
    let before = bench.vectors.rows();
    bench.vectors.lose();
    bench.index().ask(Rebuild).await.unwrap();
    for _ in 0..3 {
        bench.cluster.crash_and_restart().await;
        bench.cluster.advance(std::time::Duration::from_secs(4)).await;
    }
    bench.cluster.advance(std::time::Duration::from_secs(30)).await;
    assert_eq!(bench.vectors.rows(), before);
    assert!(bench.index().ask(GetIndexStatus).await.unwrap().is_settled());
}
