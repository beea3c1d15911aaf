//! What only a real process shows: directories, files and signals that are not as they should be.
#![expect(clippy::unwrap_used, reason = "it is a test")]

#[path = "support/gate.rs"]
mod gate;
#[path = "support/planner.rs"]
mod planner;
#[path = "support/scripted_model.rs"]
mod scripted_model;
#[path = "support/server.rs"]
mod server;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use serde_json::json;

use self::{
    gate::Gate,
    planner::{GO, KILL, answer, asked},
    scripted_model::{Answer, Call, ScriptedModel},
    server::{Setup, models},
};
use actors::workflows::planning::phase::PhaseId;

const IDEA: &str = "A shared calendar that books repair cafes by itself";

fn key(call: &Call) -> &str {
    call.idempotency_key.as_deref().unwrap()
}

/// An endpoint that stops at the draft of `held` until the gate is open.
async fn gated(held: PhaseId) -> (ScriptedModel, Gate) {
    let gate = Gate::default();
    let closed = gate.clone();
    let endpoint = ScriptedModel::start(move |call| {
        if asked(key(call)).phase == held {
            closed.pass();
        }
        Answer::Text(answer(key(call), &[GO]))
    })
    .await;
    (endpoint, gate)
}

fn data(directory: &tempfile::TempDir) -> PathBuf {
    directory.path().join("data")
}

/// What a command said went wrong.
fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[track_caller]
fn assert_refused(output: &Output, words: &[&str]) {
    let said = complaint(output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_same_directory_is_refused_and_the_first_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let setup = Setup::new(&data(&directory));
    let server = setup.start().await;
    let second = setup.elsewhere().run(&["serve"]);
    assert_refused(&second, &[setup.data().to_str().unwrap(), "another server"]);
    server.get("/api/planning/runs").await;
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let setup = Setup::new(&data(&directory)).set("server.bind", &address);
    assert_refused(&setup.run(&["serve"]), &[&address]);
    assert!(
        !setup.data().join("operator-token").exists(),
        "no token is left of a server that never listened"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_directory_of_a_newer_format_is_left_as_it_is() {
    let endpoint = ScriptedModel::start(|call| Answer::Text(answer(key(call), &[KILL]))).await;
    let directory = tempfile::tempdir().unwrap();
    let setup = Setup::new(&data(&directory)).asks(&endpoint.base_url());
    let server = setup.start().await;
    let run = server.create(&json!({ "idea": IDEA })).await;
    server.until(&run, &["killed"]).await;
    assert_eq!(server.stop().await, Some(0));

    let format = setup.data().join("cluster/format");
    let ours = fs::read_to_string(&format).unwrap();
    fs::write(&format, ours.replace("version 1", "version 99")).unwrap();
    let before = files(setup.data());
    assert_refused(
        &setup.run(&["serve"]),
        &["format version 99", setup.data().to_str().unwrap()],
    );
    assert_eq!(
        files(setup.data()),
        before,
        "nothing is written by a program that does not know the format"
    );

    fs::write(&format, ours).unwrap();
    let server = setup.start().await;
    assert_eq!(server.until(&run, &["killed"]).await["id"], run.as_str());
}

/// All files below a directory with their sizes.
fn files(directory: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    let mut pending = vec![directory.to_path_buf()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                pending.push(entry.path());
            } else {
                found.push((entry.path(), entry.metadata().unwrap().len()));
            }
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_wrong_model_file_is_named_with_the_command_that_helps() {
    let endpoint = ScriptedModel::start(|call| Answer::Text(answer(key(call), &[KILL]))).await;
    let directory = tempfile::tempdir().unwrap();
    let wrong = directory.path().join("models");
    let (good, bad) = (models().join("all-minilm-l6-v2"), wrong.join("all-minilm-l6-v2"));
    fs::create_dir_all(&bad).unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        fs::copy(good.join(name), bad.join(name)).unwrap();
    }
    // One byte differs; the size does not.
    let file = bad.join("tokenizer.json");
    let mut bytes = fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&file, bytes).unwrap();

    let setup = Setup::new(&data(&directory))
        .asks(&endpoint.base_url())
        .set("ai.models-path", wrong.to_str().unwrap())
        .set("planning.step-retries", "1");
    let doctor = setup.run(&["doctor"]);
    let said = String::from_utf8(doctor.stdout).unwrap();
    assert!(said.contains("foundation models fetch"), "{said}");

    let server = setup.start().await;
    let run = server.create(&json!({ "idea": IDEA })).await;
    let failed = server.until(&run, &["completed", "failed", "killed"]).await;
    assert_eq!(failed["status"], "failed", "{failed}");
    let error = failed["error"].as_str().unwrap();
    for word in [file.to_str().unwrap(), "sha256", "foundation models fetch"] {
        assert!(error.contains(word), "{word:?} is not in {error:?}");
    }

    // The right file is found without a restart.
    fs::copy(good.join("tokenizer.json"), &file).unwrap();
    let run = server.create(&json!({ "idea": IDEA })).await;
    let worked = server.until(&run, &["completed", "failed", "killed"]).await;
    assert_eq!(worked["status"], "killed", "{worked}");
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_model_file_is_told_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = directory.path().join("no-models");
    let setup = Setup::new(&data(&directory)).set("ai.models-path", nowhere.to_str().unwrap());
    let server = setup.start().await;
    let log = server.log();
    assert!(
        log.contains(nowhere.to_str().unwrap()) && log.contains("foundation models fetch"),
        "{log}"
    );
    assert_eq!(server.stop().await, Some(0));
}

#[test]
fn a_broken_configuration_names_the_key_and_starts_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("foundation.toml");
    let data = data(&directory);
    let serve = |text: &str| {
        fs::write(&file, text).unwrap();
        let mut command = server::program();
        command
            .arg("serve")
            .arg("--config")
            .arg(&file)
            .arg("--data-dir")
            .arg(&data);
        command.output().unwrap()
    };
    for (text, words) in [
        ("[server]\nbnd = \"127.0.0.1:0\"\n", ["server.bnd", "server.bind"]),
        ("[sever]\n", ["sever", "foundation.toml"]),
        ("[server]\nbind = \"nowhere\"\n", ["server.bind", "foundation.toml"]),
        ("[db]\nshards = 12\n", ["db.shards", "power of two"]),
        (
            "[planning]\nprompt-tokens = 1\n",
            ["planning.prompt-tokens", "foundation.toml"],
        ),
        (
            "[ai]\nprovider = \"openai-compatible\"\n",
            ["ai.base-url", "must be set"],
        ),
        ("[server\n", ["foundation.toml", "line 1"]),
    ] {
        assert_refused(&serve(text), &words);
        assert!(!data.exists(), "{text:?}");
    }
    let mut command = server::program();
    let output = command
        .args(["serve", "--data-dir"])
        .arg(&data)
        .env("FOUNDATION__SERVER__WORKERS", "two")
        .current_dir(directory.path())
        .output()
        .unwrap();
    assert_refused(&output, &["server.workers", "FOUNDATION__SERVER__WORKERS"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_is_asked_to_stop_drains_and_its_run_goes_on_later() {
    let (endpoint, gate) = gated(PhaseId::CompetitiveIntel).await;
    let directory = tempfile::tempdir().unwrap();
    let setup = Setup::new(&data(&directory)).asks(&endpoint.base_url());
    let server = setup.start().await;
    let run = server.create(&json!({ "idea": IDEA })).await;
    gate.reached();
    assert_eq!(server.stop().await, Some(0));
    assert!(!setup.data().join("operator-token").exists());
    gate.open();

    let server = setup.start().await;
    assert_eq!(
        server.until(&run, &["completed", "failed", "killed"]).await["status"],
        "completed"
    );
    let calls = endpoint.calls();
    let phases: Vec<u32> = calls.iter().map(|call| asked(key(call)).phase.number()).collect();
    // The call that was under way is asked again, no other one.
    assert_eq!(phases, [1, 2, 3, 4, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
    assert_eq!(key(&calls[3]), key(&calls[4]), "it is the same attempt");
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_watcher_misses_nothing_and_hears_nothing_twice_across_restarts() {
    let (endpoint, gate) = gated(PhaseId::Strategy).await;
    let directory = tempfile::tempdir().unwrap();
    let setup = Setup::new(&data(&directory)).asks(&endpoint.base_url());
    let mut server = setup.start().await;
    let run = server.create(&json!({ "idea": IDEA })).await;
    let mut heard = server
        .follow(&run, 0, |event| {
            event["kind"] == "phase_completed" && event["phase"] == "market-research"
        })
        .await;
    gate.reached();
    // What happened since the watcher went is told by the next server, and the one after a kill.
    assert_eq!(server.stop().await, Some(0));
    server = setup.start().await;
    let last = heard.last().unwrap().0;
    heard.extend(
        server
            .follow(&run, last, |event| {
                event["kind"] == "phase_started" && event["phase"] == "strategy"
            })
            .await,
    );
    server.kill();
    gate.open();
    server = setup.start().await;
    let last = heard.last().unwrap().0;
    heard.extend(server.follow(&run, last, |_| false).await);

    let ids: Vec<u64> = heard.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, (1..=32).collect::<Vec<_>>());
    assert_eq!(heard.last().unwrap().1["kind"], "run_completed");
    assert_eq!(
        heard,
        server.events(&run).await,
        "who asks from the beginning hears the same"
    );
    let path = format!("/api/planning/runs/{run}/events");
    let nothing_left = server
        .request(reqwest::Method::GET, &path)
        .header("last-event-id", "32")
        .send()
        .await
        .unwrap();
    assert_eq!(nothing_left.status(), 204);
}
