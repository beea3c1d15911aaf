//! A server whose files and vectors are in a bucket, and one whose they are in a directory that others share.

#![expect(clippy::unwrap_used, reason = "it is a test")]

#[path = "support/planner.rs"]
mod planner;
#[path = "support/s3.rs"]
mod s3;
#[path = "support/scripted_model.rs"]
mod scripted_model;
#[path = "support/server.rs"]
mod server;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use self::{
    planner::{GO, answer},
    s3::{BUCKET, KEY_ID, S3Server, SECRET},
    scripted_model::{Answer, ScriptedModel},
    server::{Server, Setup},
};

/// Longest time that the index may take to be made again by itself.
const PATIENCE: Duration = Duration::from_secs(60);

const IDEA: &str = "A shared calendar that books repair cafes by itself";

async fn model() -> ScriptedModel {
    ScriptedModel::start(|call| Answer::Text(answer(call.idempotency_key.as_deref().unwrap(), &[GO]))).await
}

/// A server with both places in the bucket of another one.
fn in_bucket(data: &Path, s3: &S3Server) -> Setup {
    let mut setup = Setup::new(data)
        .environment("AWS_ACCESS_KEY_ID", KEY_ID)
        .environment("AWS_SECRET_ACCESS_KEY", SECRET);
    for (section, prefix) in [("files", "objects"), ("vector-index", "vectors")] {
        for (key, value) in [
            ("s3.bucket", BUCKET),
            ("s3.endpoint", &s3.endpoint()),
            ("s3.prefix", prefix),
            ("s3.path-style", "true"),
            ("s3.retry-seconds", "2"),
            ("store", "s3"),
        ] {
            setup = setup.set(&format!("{section}.{key}"), value);
        }
    }
    setup
}

async fn similar(server: &Server, run: &str) -> Vec<Value> {
    let path = format!("/api/planning/runs/{run}/context");
    let body = json!({ "query": "who is the customer", "topK": 50 });
    let answer = server.post(&path, &body).await;
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    let found: Value = answer.json().await.unwrap();
    found["results"].as_array().unwrap().clone()
}

/// Runs a command of the operator and expects it to succeed.
fn operate(setup: &Setup, arguments: &[&str]) -> String {
    let output = setup.run(arguments);
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{arguments:?}: {out}{err}");
    out.into_owned()
}

/// P7, P8: package and index outlive the node, and what is lost of the index is made again from the artifacts.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_plan_in_a_bucket_survives_the_loss_of_its_vectors() {
    let (endpoint, s3, directory) = (model().await, S3Server::start(), tempfile::tempdir().unwrap());
    let setup = in_bucket(&directory.path().join("data"), &s3).asks(&endpoint.base_url());
    let mut server = setup.start().await;
    let run = server.create(&json!({ "idea": IDEA, "config": {} })).await;
    let finished = server.until(&run, &["completed", "failed", "killed"]).await;
    assert_eq!(finished["status"], "completed", "{finished}");
    assert_eq!(similar(&server, &run).await.len(), 15);
    let data = directory.path().join("data");
    assert!(
        !data.join("objects").exists() && !data.join("vectors").exists(),
        "nothing is left on the node"
    );
    assert!(s3.bucket().join("objects/tenants/default/runs").is_dir());
    assert!(!server.log().contains(SECRET));

    server.kill();
    std::fs::remove_dir_all(s3.bucket().join("vectors")).unwrap();
    let server = setup.start().await;
    let began = Instant::now();
    while similar(&server, &run).await.len() < 15 {
        assert!(
            began.elapsed() < PATIENCE,
            "the index is not made again: {}",
            server.log()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    std::fs::remove_dir_all(s3.bucket().join("vectors")).unwrap();
    assert_eq!(similar(&server, &run).await.len(), 0);
    let told = operate(&setup, &["vectors", "rebuild"]);
    assert!(told.contains("the index of default"), "{told}");
    assert_eq!(similar(&server, &run).await.len(), 15);
    let status = operate(&setup, &["vectors", "status", "--json"]);
    assert!(
        status.contains("\"pending\": 0") || status.contains("\"pending\":0"),
        "{status}"
    );
    let package = server.get(&format!("/api/planning/runs/{run}/package")).await;
    assert!(package.is_object(), "{package}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_bucket_that_cannot_be_reached_ends_the_start_and_says_what_to_look_at() {
    let (mut s3, directory) = (S3Server::start(), tempfile::tempdir().unwrap());
    let data = directory.path().join("data");
    let setup = in_bucket(&data, &s3);
    s3.kill();
    let mut serve = setup.command(&["serve"]);
    serve
        .env("AWS_ACCESS_KEY_ID", KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", SECRET);
    let output = serve.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("failed to use the bucket plans") && said.contains("`files.s3`"),
        "{said}"
    );
    assert!(!said.contains(SECRET), "{said}");

    let output = setup
        .command(&["serve"])
        .env_remove("AWS_ACCESS_KEY_ID")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("set the variable AWS_ACCESS_KEY_ID"), "{said}");
}

/// The configuration is shown without what it names.
#[test]
fn no_secret_is_in_the_configuration_that_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    let setup = Setup::new(&directory.path().join("data"));
    let mut check = setup.command(&["config", "check"]);
    let output = check.env("AWS_SECRET_ACCESS_KEY", SECRET).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(
        shown.contains("AWS_SECRET_ACCESS_KEY") && !shown.contains(SECRET),
        "{shown}"
    );
}

/// One after the other: each finds what the other has left.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_shared_directory_is_outside_of_the_data() {
    let (endpoint, directory) = (model().await, tempfile::tempdir().unwrap());
    let shared = directory.path().join("shared");
    let at = |name: &str| shared.join(name).to_str().unwrap().to_owned();
    let setup = Setup::new(&directory.path().join("data"))
        .asks(&endpoint.base_url())
        .set("files.path", &at("objects"))
        .set("files.store", "shared-directory")
        .set("vector-index.path", &at("vectors"))
        .set("vector-index.store", "shared-directory");
    let mut server = setup.start().await;
    let run = server.create(&json!({ "idea": IDEA, "config": {} })).await;
    let finished = server.until(&run, &["completed", "failed", "killed"]).await;
    assert_eq!(finished["status"], "completed", "{finished}");
    server.kill();
    let server = setup.start().await;
    assert_eq!(similar(&server, &run).await.len(), 15);
    assert!(shared.join("objects/tenants").is_dir());
}
