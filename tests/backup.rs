//! Backups by the command line, of a real server.
#![expect(clippy::unwrap_used, reason = "it is a test")]

#[path = "support/planner.rs"]
mod planner;
#[path = "support/scripted_model.rs"]
mod scripted_model;
#[path = "support/server.rs"]
mod server;

use std::{fs, process::Output};

use serde_json::{Value, json};

use self::{
    planner::{GO, answer},
    scripted_model::{Answer, ScriptedModel},
    server::Setup,
};

/// The one JSON document that a command printed; it must have ended with `code`.
#[track_caller]
fn document(output: &Output, code: i32) -> Value {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}{complaint}");
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_is_backed_up_at_work_checked_and_restored() {
    let endpoint =
        ScriptedModel::start(|call| Answer::Text(answer(call.idempotency_key.as_deref().unwrap(), &[GO]))).await;
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let setup = Setup::new(&data).asks(&endpoint.base_url());
    let server = setup.start().await;
    let run = server
        .create(&json!({ "idea": "A shared calendar that books repair cafes by itself" }))
        .await;
    server.until(&run, &["completed"]).await;

    let (whole, tenant) = (directory.path().join("whole"), directory.path().join("tenant"));
    let (whole, tenant) = (whole.to_str().unwrap(), tenant.to_str().unwrap());
    let told = document(&setup.run(&["backup", whole, "--json"]), 0);
    assert_eq!(told["manifest"]["contents"], "node");
    document(&setup.run(&["backup", tenant, "--tenant", "default", "--json"]), 0);
    let again = document(&setup.run(&["backup", whole, "--json"]), 1);
    assert!(again["error"].as_str().unwrap().contains("not empty"), "{again}");
    assert_eq!(
        fs::read_dir(data.join("backups")).unwrap().count(),
        0,
        "nothing stays behind"
    );
    let busy = document(&setup.run(&["restore", whole, "--json"]), 2);
    assert!(busy["error"].as_str().unwrap().contains("another server"), "{busy}");

    let present = document(&setup.run(&["restore", tenant, "--tenant", "default", "--json"]), 1);
    assert!(present["error"].as_str().unwrap().contains("exists"), "{present}");
    let actor = format!("run/{run}");
    let one = [
        "restore",
        whole,
        "--tenant",
        "default",
        "--actor",
        &actor,
        "--replace",
        "--json",
    ];
    assert_eq!(document(&setup.run(&one), 0)["actors"], 1);
    let back = ["restore", tenant, "--tenant", "default", "--replace", "--json"];
    assert_eq!(document(&setup.run(&back), 0)["state"], "restored");
    assert_eq!(
        server.get(&format!("/api/planning/runs/{run}")).await["status"],
        "completed"
    );
    assert_eq!(server.stop().await, Some(0));

    let checks = document(&setup.run(&["doctor", "--verify", "--json"]), 0);
    let stored = checks
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["name"] == "stored");
    assert!(stored.is_some_and(|check| check["verdict"] == "good"), "{checks}");

    let full = document(&setup.run(&["restore", whole, "--json"]), 1);
    assert!(full["error"].as_str().unwrap().contains("not empty"), "{full}");
    fs::rename(data.join("cluster"), directory.path().join("former")).unwrap();
    document(&setup.run(&["restore", whole, "--json"]), 0);
    let server = setup.start().await;
    assert_eq!(
        server.get(&format!("/api/planning/runs/{run}")).await["status"],
        "completed"
    );
    assert_eq!(server.stop().await, Some(0));
}

/// What a later program wrote is refused before anything beside it is opened or made.
#[test]
fn a_newer_data_directory_is_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    fs::create_dir_all(data.join("cluster")).unwrap();
    fs::write(data.join("cluster/format"), "version 2\nshards 16\n").unwrap();
    let setup = Setup::new(&data);
    let refused = document(&setup.run(&["serve", "--json"]), 2);
    let error = refused["error"].as_str().unwrap();
    assert!(
        error.contains("format version 2") && error.contains("cluster"),
        "{error}"
    );
    let mut left: Vec<_> = fs::read_dir(&data)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["cluster", "lock"]);
}
