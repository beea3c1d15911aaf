//! The command line as people and scripts use it, against a real server.
#![expect(clippy::unwrap_used, reason = "it is a test")]

#[path = "support/gate.rs"]
mod gate;
#[path = "support/planner.rs"]
mod planner;
#[path = "support/scripted_model.rs"]
mod scripted_model;
#[path = "support/server.rs"]
mod server;

use std::process::Output;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use self::{
    gate::Gate,
    planner::{GO, KILL, answer, asked},
    scripted_model::{Answer, ScriptedModel},
    server::Setup,
};
use actors::workflows::planning::phase::PhaseId;

const IDEA: &str = "A shared calendar that books repair cafes by itself";

/// What a command printed, line by line as JSON; it must have ended with `code`.
#[track_caller]
fn lines(output: &Output, code: i32) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}{complaint}");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The one JSON document that a command printed.
#[track_caller]
fn document(output: &Output) -> Value {
    let mut lines = lines(output, 0);
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.remove(0)
}

/// The error of a command that was refused.
#[track_caller]
fn refusal(output: &Output, code: i32) -> String {
    let lines = lines(output, code);
    lines[lines.len() - 1]["error"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_run_is_created_watched_and_read() {
    let endpoint = ScriptedModel::start(|call| {
        let scores = if call.turns[0].1.contains("hopeless") { KILL } else { GO };
        Answer::Text(answer(call.idempotency_key.as_deref().unwrap(), &[scores]))
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let setup = Setup::new(&directory.path().join("data")).asks(&endpoint.base_url());
    let server = setup.start().await;

    let told = lines(&setup.run(&["run", "create", IDEA, "--watch", "--json"]), 0);
    let run = told[0]["id"].as_str().unwrap();
    let kinds: Vec<&str> = told.iter().filter_map(|line| line["kind"].as_str()).collect();
    assert_eq!(
        (kinds[0], kinds[kinds.len() - 1], kinds.len()),
        ("run_started", "run_completed", 32)
    );
    assert_eq!(told[told.len() - 1]["status"], "completed");
    // Watching a run that is over ends at once, with its outcome.
    assert_eq!(lines(&setup.run(&["run", "watch", run, "--json"]), 0).len(), 33);

    let listed = document(&setup.run(&["run", "list", "--json"]));
    assert_eq!(listed["items"][0]["id"], run);
    assert_eq!(
        document(&setup.run(&["run", "list", "--status", "failed", "--json"]))["items"],
        Value::Array(Vec::new())
    );
    let status = document(&setup.run(&["run", "status", run, "--json"]));
    assert_eq!(status["run"]["status"], "completed");
    assert_eq!(status["phases"].as_array().unwrap().len(), 15);
    let artifacts = document(&setup.run(&["run", "artifacts", run, "--json"]));
    assert_eq!(artifacts["items"].as_array().unwrap().len(), 15);
    let strategy = document(&setup.run(&["run", "artifacts", run, "strategy", "--version", "1", "--json"]));
    assert!(strategy["content"].is_object());
    let package = document(&setup.run(&["run", "package", run]));
    assert_eq!(package["artifacts"]["strategy"], strategy["content"]);
    let file = directory.path().join("plan.md");
    let saved = setup.run(&[
        "run",
        "package",
        run,
        "--markdown",
        "--output",
        file.to_str().unwrap(),
        "--json",
    ]);
    let plan = std::fs::read_to_string(&file).unwrap();
    assert_eq!(document(&saved)["bytes"], plan.len());
    assert!(plan.starts_with("# "), "{plan}");
    // For people: the same facts as text.
    let text = String::from_utf8(setup.run(&["run", "status", run]).stdout).unwrap();
    assert!(text.contains("completed") && text.contains("synthesis"), "{text}");

    let killed = setup.run(&[
        "run",
        "create",
        "A hopeless idea that nobody has asked for",
        "--watch",
        "--json",
    ]);
    assert!(refusal(&killed, 1).contains("killed"));
    let error = refusal(
        &setup.run(&["run", "package", &uuid::Uuid::nil().to_string(), "--json"]),
        1,
    );
    assert!(error.contains("404") && error.contains("run.not-found"), "{error}");
    assert!(refusal(&setup.run(&["run", "status", "nonsense", "--json"]), 2).contains("nonsense"));
    assert!(refusal(&setup.run(&["run", "create", "short", "--json"]), 1).contains("idea"));

    assert_eq!(server.stop().await, Some(0));
    let error = refusal(&setup.run(&["run", "list", "--json"]), 1);
    assert!(error.contains("token") || error.contains("is it running"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_run_is_paused_resumed_cancelled_and_deleted() {
    let gate = Gate::default();
    let closed = gate.clone();
    let endpoint = ScriptedModel::start(move |call| {
        let key = call.idempotency_key.as_deref().unwrap();
        if asked(key).phase == PhaseId::CustomerIntel {
            closed.pass();
        }
        Answer::Text(answer(key, &[GO]))
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let setup = Setup::new(&directory.path().join("data")).asks(&endpoint.base_url());
    let server = setup.start().await;
    let act = |act: &str, run: &str| setup.run(&["run", act, run, "--json"]);
    let create = || {
        document(&setup.run(&["run", "create", IDEA, "--approval", "--json"]))["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };

    let first = create();
    gate.reached();
    assert_eq!(document(&act("pause", &first))["status"], "paused");
    assert!(
        refusal(&act("pause", &first), 1).contains("409"),
        "a run is paused once"
    );
    // The call under way ends well; nothing follows it.
    gate.open();
    assert_eq!(document(&act("status", &first))["run"]["status"], "paused");
    assert_eq!(document(&act("resume", &first))["status"], "running");
    server.until(&first, &["awaiting_approval"]).await;
    let approved = setup.run(&["run", "approve", &first, "--comment", "Good.", "--json"]);
    assert_eq!(document(&approved)["status"], "running");
    server.until(&first, &["completed"]).await;
    assert_eq!(endpoint.calls().len(), 15, "a pause repeats nothing");

    gate.close();
    let second = create();
    gate.reached();
    assert!(
        refusal(&act("delete", &second), 1).contains("409"),
        "a run at work is not deleted"
    );
    assert_eq!(document(&act("cancel", &second))["status"], "cancelled");
    assert!(refusal(&act("cancel", &second), 1).contains("is cancelled"));
    gate.open();
    assert_eq!(document(&act("delete", &second))["deleted"], true);
    let listed = document(&setup.run(&["run", "list", "--json"]));
    let ids: Vec<&str> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, [first.as_str()]);

    let third = create();
    server.until(&third, &["awaiting_approval"]).await;
    let rejected = setup.run(&["run", "reject", &third, "--comment", "Too dear.", "--json"]);
    assert_eq!(document(&rejected)["status"], "cancelled");
    assert_eq!(server.stop().await, Some(0));
}

/// A proxy before the server at `port` that is out of order for the first `failures` connections. Returns its address.
async fn flaky_proxy(port: u16, failures: usize) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for connection in 0.. {
            let (mut client, _) = listener.accept().await.unwrap();
            if connection < failures {
                let page = "HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                assert!(client.read(&mut [0; 4096]).await.unwrap() > 0);
                client.write_all(page.as_bytes()).await.unwrap();
                continue;
            }
            let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut client, &mut server).await });
        }
    });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_watch_goes_on_behind_a_proxy_that_loses_its_server_for_a_moment() {
    let endpoint =
        ScriptedModel::start(|call| Answer::Text(answer(call.idempotency_key.as_deref().unwrap(), &[KILL]))).await;
    let directory = tempfile::tempdir().unwrap();
    let setup = Setup::new(&directory.path().join("data")).asks(&endpoint.base_url());
    let server = setup.start().await;
    let run = server.create(&serde_json::json!({ "idea": IDEA })).await;
    let proxy = flaky_proxy(setup.port(), 1).await;
    let told = lines(&setup.run(&["run", "watch", &run, "--url", &proxy, "--json"]), 1);
    let kinds: Vec<&str> = told.iter().filter_map(|line| line["kind"].as_str()).collect();
    assert_eq!(kinds.len(), 13, "{told:?}");
    assert_eq!(told[told.len() - 1]["error"], "the run ended as killed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_commands_answer_people_and_programs() {
    let directory = tempfile::tempdir().unwrap();
    let setup = Setup::new(&directory.path().join("data"));
    let phases = document(&setup.run(&["phases", "--json"]));
    assert_eq!(phases.as_array().unwrap().len(), 15);
    let text = String::from_utf8(setup.run(&["phases"]).stdout).unwrap();
    assert!(PhaseId::ALL.iter().all(|phase| text.contains(phase.as_str())), "{text}");

    let checks = document(&setup.run(&["doctor", "--json"]));
    for check in checks.as_array().unwrap() {
        assert_ne!(check["verdict"], "bad", "{check}");
    }
    let model = checks
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["name"] == "embedding model")
        .unwrap();
    assert_eq!(model["verdict"], "good", "{model}");
    assert!(!setup.data().exists(), "looking changes nothing");

    let server = setup.start().await;
    let minted = document(&setup.run(&["token", "--user", "ann", "--role", "operator", "--hours", "1", "--json"]));
    let me = |token: String| async {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let asked = client
            .get(server.url("/api/auth/me"))
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        asked.json::<Value>().await.unwrap()
    };
    let ann = me(minted["token"].as_str().unwrap().to_owned()).await;
    assert_eq!(
        (&ann["user"], &ann["role"], &ann["tenant"]),
        (&"ann".into(), &"operator".into(), &"default".into())
    );
    let plain = String::from_utf8(setup.run(&["token", "--tenant", "acme"]).stdout).unwrap();
    assert_eq!(me(plain.trim().to_owned()).await["tenant"], "acme");
    let link = document(&setup.run(&["token", "--link", "--json"]));
    let signed_in = reqwest::get(link["url"].as_str().unwrap()).await.unwrap();
    assert!(signed_in.headers().contains_key("set-cookie"));
    // A member makes no tokens; the command says why.
    let member = setup
        .command(&["token", "--json"])
        .env("FOUNDATION_TOKEN", minted["token"].as_str().unwrap())
        .output()
        .unwrap();
    assert!(refusal(&member, 1).contains("auth.permission"));
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_with_a_certificate_speaks_tls_to_browsers_and_to_its_commands() {
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = (directory.path().join("tls.pem"), directory.path().join("tls.key"));
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let setup = Setup::new(&directory.path().join("data"))
        .asks("http://127.0.0.1:1")
        .tls(&certificate, &key);
    let server = setup.start().await;

    let health = server.request(reqwest::Method::GET, "/health").send().await.unwrap();
    assert!(health.headers().contains_key("strict-transport-security"));
    let plain = format!("http://127.0.0.1:{}/health", setup.port());
    assert!(reqwest::get(plain).await.is_err(), "there is nothing but TLS");
    assert!(
        reqwest::get(server.url("/health")).await.is_err(),
        "nobody has signed it"
    );
    let tenants = document(&setup.run(&["tenants", "list", "--json"]));
    assert_eq!(tenants[0]["id"], "default", "{tenants}");

    std::fs::write(&key, "nonsense").unwrap();
    let elsewhere = setup.elsewhere().run(&["serve"]);
    assert_eq!(elsewhere.status.code(), Some(2));
    let complaint = String::from_utf8(elsewhere.stderr).unwrap();
    assert!(complaint.contains("tls.key does not hold a private key"), "{complaint}");
}
