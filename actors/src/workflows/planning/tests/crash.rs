//! Crashes and doubtful commits at random moments of a run.

use std::{collections::BTreeMap, time::Duration};

use cluster::testing::Faults;

use super::harness::{Bench, GO, PIVOT, check_events, good};
use crate::{
    ports::fake::{FakeModel, Reply},
    records::{RunConfig, RunEventKind, RunStatus},
    workflows::tests::crash::Dice,
};

const SEEDS: u64 = 200;

/// A model that takes 50 ms for each answer, so that about half of a run is commits.
fn model(scores: &'static [[f64; 6]]) -> FakeModel {
    FakeModel::new(move |request, _| match good(request, scores) {
        Reply::Text(text) => Reply::After(Duration::from_millis(50), text),
        other => other,
    })
}

/// The scores of a seed, and the phases that its run works through.
fn script(seed: u64) -> (&'static [[f64; 6]], usize) {
    if seed.is_multiple_of(2) {
        (&[GO], 15)
    } else {
        (&[PIVOT, GO], 20)
    }
}

/// What must hold of a finished run, whatever happened to it. Returns how many calls were repeated.
async fn check(seed: u64, bench: &Bench, phases: usize) -> usize {
    let detail = bench.detail("r1").await;
    let requests = bench.model.requests();
    let mut calls: BTreeMap<String, usize> = BTreeMap::new();
    let mut last = None;
    for request in &requests {
        let key = &request.idempotency_key;
        *calls.entry(key.clone()).or_default() += 1;
        // A call begins only after the step before it was finished, so a repeated one must follow itself.
        assert!(
            calls[key] == 1 || last == Some(key),
            "seed {seed}: {key} was repeated after it was finished"
        );
        last = Some(key);
    }
    assert_eq!(calls.len(), phases, "seed {seed}");

    let stored = bench.events_of("r1").await;
    assert_eq!(stored.len() as u64, detail.last_event, "seed {seed}");
    check_events(seed, &stored, &bench.events.published("default"));
    let phase = [RunEventKind::PhaseStarted, RunEventKind::PhaseCompleted];
    let mut kinds = vec![RunEventKind::RunStarted];
    if phases == 20 {
        kinds.extend(phase.repeat(5));
        kinds.push(RunEventKind::PivotTriggered);
    }
    kinds.extend(phase.repeat(15));
    kinds.push(RunEventKind::RunCompleted);
    assert_eq!(
        stored.iter().map(|event| event.kind).collect::<Vec<_>>(),
        kinds,
        "seed {seed}"
    );
    assert_eq!(bench.vectors.rows().len(), 15, "seed {seed}");
    requests.len() - phases
}

/// P6: whatever a run knows, it knows again after a crash.
#[tokio::test(start_paused = true)]
async fn no_finished_model_call_is_repeated_and_no_event_is_lost_or_doubled() {
    let mut repeated = 0;
    for seed in 0..SEEDS {
        let mut dice = Dice::new(seed);
        let (scores, phases) = script(seed);
        let faults = Faults {
            commit_delay: Duration::from_millis(10),
            ..Faults::default()
        };
        let mut bench = Bench::faulty(seed, model(scores), faults).await;
        bench.start("r1", RunConfig::default()).await;
        for _ in 0..2 + dice.roll(4) {
            bench.cluster.advance(Duration::from_millis(dice.roll(1_000))).await;
            bench.cluster.crash_and_restart().await;
            // It goes on by itself.
            bench
                .cluster
                .advance(Duration::from_millis(9_000 + dice.roll(2_000)))
                .await;
        }
        bench.until("r1", RunStatus::Completed).await;
        bench.cluster.advance(Duration::from_secs(20)).await;
        repeated += check(seed, &bench, phases).await;
    }
    assert!(repeated > 50, "crashes hit running calls: {repeated}");
}

#[tokio::test(start_paused = true)]
async fn a_run_gets_through_commits_without_a_definite_outcome() {
    for seed in 0..40 {
        let (scores, phases) = script(seed);
        let faults = Faults {
            commit_delay: Duration::from_millis(10),
            unknown: 0.02,
            refused: 0.02,
            ..Faults::default()
        };
        let bench = Bench::faulty(seed, model(scores), faults).await;
        bench.start("r1", RunConfig::default()).await;
        bench.until("r1", RunStatus::Completed).await;
        bench.cluster.advance(Duration::from_secs(60)).await;
        check(seed, &bench, phases).await;
    }
}
