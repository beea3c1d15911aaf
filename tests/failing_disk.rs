//! A server whose disk fails: it stops, says why, and goes on when the disk is good again.
#![expect(clippy::unwrap_used, reason = "this is a test")]

#[path = "support/server.rs"]
mod server;

use std::path::Path;

use faults::{Loss, Plan, settle};
use reqwest::Method;
use serde_json::json;

use self::server::Setup;

/// Starts a server on a disk with a fault, writes until it ends, and starts it again on a good one.
async fn meets(directory: &Path, fault: impl FnOnce(&mut Plan), reason: &str) {
    let good = Setup::new(&directory.join("data")).asks("http://127.0.0.1:9/v1");
    assert_eq!(good.start().await.stop().await, Some(0));

    let mut plan = Plan::new(good.data().join("cluster"), directory.join("records"));
    fault(&mut plan);
    plan.prepare().unwrap();
    let library = Plan::library().expect("the library is built with the tests");
    let mut bad = good.clone().environment("LD_PRELOAD", library);
    for (name, value) in plan.environment() {
        bad = bad.environment(name, value);
    }
    let server = bad.start().await;
    let mut acknowledged = Vec::new();
    for _ in 0..500 {
        let idea = json!({ "idea": "A lending library for ladders", "config": {} });
        let Ok(answer) = server
            .request(Method::POST, "/api/planning/runs")
            .json(&idea)
            .send()
            .await
        else {
            break;
        };
        if !answer.status().is_success() {
            break;
        }
        let run: serde_json::Value = answer.json().await.unwrap();
        acknowledged.push(run["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(server.ended().await, Some(1));
    settle(&plan, Loss::Unsynced, 0).unwrap();

    let doctor = good.run(&["doctor"]);
    let told = String::from_utf8(doctor.stdout).unwrap();
    let words = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("last run"), "{told}");
    let server = good.start().await;
    let log = server.log();
    assert!(log.contains("the last run ended with a fatal error"), "{log}");
    assert!(log.contains(reason), "{log}");
    assert!(log.contains("MiB are free in"), "{log}");
    for run in acknowledged {
        server.get(&format!("/api/planning/runs/{run}")).await;
    }
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_fails_ends_the_server_which_says_so_when_it_starts_again() {
    let directory = tempfile::tempdir().unwrap();
    let fault = |plan: &mut Plan| plan.sync_error_at = Some(300);
    // The log and the state are both synced, and whichever meets the fault ends the server.
    meets(directory.path(), fault, "Input/output error").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_ends_the_server_which_says_so_when_it_starts_again() {
    let directory = tempfile::tempdir().unwrap();
    let fault = |plan: &mut Plan| plan.space_bytes = Some(3 << 20);
    meets(directory.path(), fault, "No space left on device").await;
}
