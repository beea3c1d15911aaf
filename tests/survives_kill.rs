//! A run on real processes that are killed at random moments.

#[path = "support/planner.rs"]
mod planner;
#[path = "support/scripted_model.rs"]
mod scripted_model;
#[path = "support/server.rs"]
mod server;

use std::{collections::HashMap, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::json;

use self::{
    planner::{GO, PIVOT, answer},
    scripted_model::{Answer, ScriptedModel},
    server::Setup,
};

/// Kills per test.
const KILLS: usize = 12;

/// `kill -9` at a random moment, restart: the run goes on by itself, no model call of a finished step is repeated, no
/// event is lost or doubled.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_survives_kills_at_random_moments() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let endpoint = ScriptedModel::start(|call| {
        // Long enough that some kills hit a call under way.
        std::thread::sleep(Duration::from_millis(60));
        Answer::Text(answer(call.idempotency_key.as_deref().unwrap(), &[PIVOT, GO]))
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let setup = Setup::new(&directory.path().join("data")).asks(&endpoint.base_url());

    let mut server = setup.start().await;
    let run = server
        .create(&json!({ "idea": "A shared calendar that books repair cafes by itself", "config": {} }))
        .await;
    let mut acknowledged = 0;
    for kill in 0..KILLS {
        tokio::time::sleep(Duration::from_millis(dice.random_range(0..700))).await;
        let seen = server.get(&format!("/api/planning/runs/{run}")).await;
        let updated = seen["updated_at"].as_i64().unwrap();
        assert!(
            updated >= acknowledged,
            "seed {seed}, kill {kill}: the run went back in time"
        );
        acknowledged = updated;
        server.kill();
        server = setup.start().await;
    }
    let finished = server.until(&run, &["completed", "failed", "killed"]).await;
    assert_eq!(finished["status"], "completed", "seed {seed}: {finished}");
    assert_eq!(finished["pivot_count"], 1, "seed {seed}");

    // A step may be repeated only when it was not finished, so a repeated call follows itself at once.
    let calls = endpoint.calls();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let mut last = "";
    for call in &calls {
        let key = call.idempotency_key.as_deref().unwrap();
        let count = counts.entry(key).or_default();
        *count += 1;
        assert!(
            *count == 1 || key == last,
            "seed {seed}: {key} was repeated after it was finished"
        );
        last = key;
    }
    assert_eq!(
        counts.len(),
        20,
        "seed {seed}: five phases before the pivot and fifteen after it"
    );
    assert!(calls.len() <= 20 + KILLS, "seed {seed}: {} calls", calls.len());

    let events = server.events(&run).await;
    let ids: Vec<u64> = events.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<_>>(), "seed {seed}");
    let kinds: Vec<&str> = events
        .iter()
        .map(|(_, event)| event["kind"].as_str().unwrap())
        .collect();
    let mut expected = vec!["run_started"];
    expected.extend(["phase_started", "phase_completed"].repeat(5));
    expected.push("pivot_triggered");
    expected.extend(["phase_started", "phase_completed"].repeat(15));
    expected.push("run_completed");
    assert_eq!(kinds, expected, "seed {seed}");

    assert_eq!(server.stop().await, Some(0), "seed {seed}");
}
