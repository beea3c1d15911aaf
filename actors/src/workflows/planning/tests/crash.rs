//! Crashes at random moments of a run.

use std::{collections::BTreeMap, time::Duration};

use super::harness::{Bench, GO, PIVOT, check_events, good};
use crate::{
    ports::fake::{FakeModel, Reply},
    records::{RunConfig, RunStatus},
    workflows::tests::crash::Dice,
};

const SEEDS: u64 = 200;

/// P6: whatever a run knows, it knows again after a crash.
#[tokio::test(start_paused = true)]
async fn no_finished_model_call_is_repeated_and_no_event_is_lost_or_doubled() {
    for seed in 0..SEEDS {
        let mut dice = Dice::new(seed);
        let scores: &'static [[f64; 6]] = if seed % 2 == 0 { &[GO] } else { &[PIVOT, GO] };
        let model = FakeModel::new(move |request, _| match good(request, scores) {
            Reply::Text(text) => Reply::After(Duration::from_millis(200), text),
            other => other,
        });
        let mut bench = Bench::new(seed, model).await;
        bench.start("r1", RunConfig::default()).await;
        let crashes = 1 + dice.roll(5);
        for _ in 0..crashes {
            bench.cluster.advance(Duration::from_millis(dice.roll(3_000))).await;
            bench.cluster.crash_and_restart().await;
            // It goes on by itself.
            bench.cluster.advance(Duration::from_millis(dice.roll(12_000))).await;
        }
        let detail = bench.until("r1", RunStatus::Completed).await;
        bench.settle().await;

        let mut calls: BTreeMap<String, usize> = BTreeMap::new();
        let requests = bench.model.requests();
        let mut last = None;
        for (index, request) in requests.iter().enumerate() {
            *calls.entry(request.idempotency_key.clone()).or_default() += 1;
            // A call begins only after the step before it was finished, so a repeated key must follow itself.
            if calls[&request.idempotency_key] > 1 {
                assert_eq!(
                    last,
                    Some(&request.idempotency_key),
                    "seed {seed}: call {index} was repeated after it was finished"
                );
            }
            last = Some(&request.idempotency_key);
        }
        let phases = if seed % 2 == 0 { 15 } else { 20 };
        assert_eq!(calls.len(), phases, "seed {seed}");
        assert!(
            requests.len() <= phases + usize::try_from(crashes).unwrap(),
            "seed {seed}: {} calls",
            requests.len()
        );

        let stored = bench.events_of("r1").await;
        assert_eq!(stored.len() as u64, detail.last_event, "seed {seed}");
        check_events(seed, &stored, &bench.events.published("default"));
        let mut kinds = vec![crate::records::RunEventKind::RunStarted];
        let phase = [
            crate::records::RunEventKind::PhaseStarted,
            crate::records::RunEventKind::PhaseCompleted,
        ];
        if phases == 20 {
            kinds.extend(phase.repeat(5));
            kinds.push(crate::records::RunEventKind::PivotTriggered);
        }
        kinds.extend(phase.repeat(15));
        kinds.push(crate::records::RunEventKind::RunCompleted);
        assert_eq!(
            stored.iter().map(|event| event.kind).collect::<Vec<_>>(),
            kinds,
            "seed {seed}"
        );
        assert_eq!(bench.vectors.rows().len(), 15, "seed {seed}");
    }
}
