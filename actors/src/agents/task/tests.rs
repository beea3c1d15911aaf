//! Queues as their clients see them, on one node.

mod crash;
mod doing;
mod giving;
mod whose;

use cluster::prelude::{ActorId, Result};
use serde_json::{Value, json};

use super::*;
use crate::{
    agents::{
        AgentActor, AgentCaller, AgentRequest, RequestAgent,
        tests::bench::{Bench, ann, evil, grants, person},
    },
    membership::{AddMember, RemoveMember, SetRole, SuspendTenant},
    role::Role,
    run::{GetRun, Run},
    scene::{acme, member, user},
};

const IDEA: &str = "A shared calendar that books repair cafes by itself";

fn add(amount: i64) -> Value {
    call("tally", "add", json!({ "amount": amount }))
}

fn call(agent: &str, method: &str, args: Value) -> Value {
    json!({ "do": "call_agent", "agent": agent, "name": "main", "method": method, "args": args })
}

fn notify(member: &str, text: &str) -> Value {
    json!({ "do": "notify", "member": member, "text": text })
}

fn start_run() -> Value {
    json!({ "do": "start_run", "idea": IDEA })
}

impl Bench {
    async fn give(&self, who: &AgentCaller, job: Value) -> Result<Value> {
        self.call("task", who, "enqueue", json!({ "job": job })).await
    }

    async fn task(&self, who: &AgentCaller, id: u64) -> Value {
        self.call("task", who, "get", json!({ "id": id })).await.unwrap()
    }

    /// Number and status of each task, the oldest first.
    async fn statuses(&self, who: &AgentCaller) -> Vec<(u64, String)> {
        let page = self.call("task", who, "list", json!({ "limit": 100 })).await.unwrap();
        let items = page["items"].as_array().unwrap().iter().rev();
        let read = |task: &Value| {
            (
                task["id"].as_u64().unwrap(),
                task["status"].as_str().unwrap().to_owned(),
            )
        };
        items.map(read).collect()
    }

    async fn total(&self, who: &AgentCaller) -> i64 {
        let total = self.call("tally", who, "total", json!([])).await.unwrap();
        total[0].as_i64().unwrap()
    }

    /// What has arrived in the inbox of a person.
    async fn inbox(&self, who: &str) -> Vec<String> {
        let request = AgentRequest {
            caller: person(who, Role::Operator),
            method: "GET".to_owned(),
            path: "get-messages".to_owned(),
            query: String::new(),
            content_type: String::new(),
            body: Vec::new(),
        };
        let inbox = crate::agents::AgentAddress::new("chat", Some(user(who)), "inbox").unwrap();
        let inbox = self.scene.actor::<AgentActor>(inbox.actor(&acme()));
        let answer = inbox.ask(RequestAgent(request)).await.unwrap();
        let messages: Vec<Value> = serde_json::from_slice(&answer.body).unwrap();
        let text = |message: &Value| message["parts"][0]["text"].as_str().unwrap().to_owned();
        messages.iter().map(text).collect()
    }

    async fn add_member(&self, who: &str, role: Role) {
        let add = AddMember {
            member: member(who),
            role,
        };
        self.membership(&acme(), add).await.unwrap();
    }
}

fn statuses(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
    expected
        .iter()
        .map(|(id, status)| (*id, (*status).to_owned()))
        .collect()
}
