//! Clients of others, unmodified, against a real server with an agent of an application.
#![expect(clippy::unwrap_used, reason = "it is a test")]

#[path = "support/clients.rs"]
mod clients;
#[path = "support/scripted_model.rs"]
mod scripted_model;
#[path = "support/server.rs"]
mod server;

use std::time::Duration;

use serde_json::json;

use self::{
    clients::{Script, example},
    scripted_model::{Answer, Call, ScriptedModel},
    server::Setup,
};

/// How long the model of a chat takes for a word.
const WORD: Duration = Duration::from_millis(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_client_of_the_npm_package_agents_works_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let setup = Setup::new(&directory.path().join("data")).program(&example("room"));
    assert_eq!(passes(&setup, "agents.mjs").await, 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_hooks_of_the_npm_package_ai_chat_work_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let model = ScriptedModel::start(plays).await;
    let setup = Setup::new(&directory.path().join("data")).asks(&model.base_url());
    assert_eq!(passes(&setup, "chat.mjs").await, 7);
}

/// How many checks of a script a server passes; it is killed, and started again, when the script says so.
async fn passes(setup: &Setup, script: &str) -> usize {
    let mut server = setup.start().await;
    let mut script = Script::start(script, &[("HOST", &server.host()), ("TOKEN", server.token())]);
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
    passed
}

/// A model that counts when it is asked to, and otherwise wants to remind.
fn plays(call: &Call) -> Answer {
    let said: String = call.turns.iter().map(|(_, text)| text.as_str()).collect();
    let asked = said.rfind("Count to ").max(said.rfind("Remind me"));
    let asked = asked.map_or("", |start| &said[start..]);
    let was_used = asked.contains("(I use remind_me");
    let schema = call.schema.as_ref().map(|schema| &schema["properties"]);
    match schema {
        Some(properties) if properties["do"].is_object() => {
            let wants = asked.starts_with("Remind") && !was_used;
            Answer::json(&json!({ "do": if wants { "remind_me" } else { "answer" } }))
        }
        Some(_) => Answer::json(&json!({ "text": "water the plants", "minutes": 10 })),
        None if asked.starts_with("Remind") => {
            let is_done = asked.contains("The result of remind_me");
            Answer::Text(if is_done { "It is done." } else { "You have refused it." }.to_owned())
        }
        None => {
            let number = asked.trim_start_matches("Count to ");
            let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
            let words: Vec<String> = (1..=number[..digits].parse().unwrap_or(0_u32))
                .map(|word| word.to_string())
                .collect();
            Answer::Slowly(words.join(" "), WORD)
        }
    }
}
