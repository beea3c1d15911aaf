//! MCP clients of others, unmodified, against a real server with an agent of an application.
#![expect(clippy::unwrap_used, reason = "it is a test")]

#[path = "support/clients.rs"]
mod clients;
#[path = "support/planner.rs"]
mod planner;
#[path = "support/scripted_model.rs"]
mod scripted_model;
#[path = "support/server.rs"]
mod server;

use std::path::Path;

use self::{
    clients::{Script, example},
    planner::{GO, answer},
    scripted_model::{Answer, ScriptedModel},
    server::{Server, Setup},
};

/// Ideas of which a plan is made.
const QUICK: &str = "at once";

/// A server whose runs stay where they are, because their model never answers; but for some ideas.
async fn quiet(directory: &Path) -> (ScriptedModel, Setup) {
    let model = ScriptedModel::start(|call| {
        let is_quick = call.turns.iter().any(|(_, text)| text.contains(QUICK));
        match &call.idempotency_key {
            Some(key) if is_quick => Answer::Text(answer(key, &[GO])),
            Some(_) | None => Answer::Hang,
        }
    })
    .await;
    let setup = Setup::new(&directory.join("data"))
        .program(&example("room"))
        .asks(&model.base_url());
    (model, setup)
}

fn start(script: &str, server: &Server) -> Script {
    let program = example("room");
    let variables = [
        ("HOST", &*server.host()),
        ("TOKEN", server.token()),
        ("PROGRAM", program.to_str().unwrap()),
    ];
    Script::start(script, &variables)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_typescript_client_works_as_it_is_also_when_the_server_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let (_model, setup) = quiet(directory.path()).await;
    let mut server = setup.start().await;
    let mut script = start("mcp_typescript.mjs", &server);
    let mut passed = 0;
    while let Some(line) = script.next() {
        if line["do"] == "kill" {
            server.kill();
            server = setup.start().await;
            script.go_on();
        }
        passed += usize::from(line["passed"].is_string());
    }
    script.ended_well();
    assert_eq!(passed, 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_python_client_works_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let (_model, setup) = quiet(directory.path()).await;
    let server = setup.start().await;
    let mut script = start("mcp_python.py", &server);
    let mut passed = 0;
    while let Some(line) = script.next() {
        passed += usize::from(line["passed"].is_string());
    }
    script.ended_well();
    assert_eq!(passed, 5);
}
