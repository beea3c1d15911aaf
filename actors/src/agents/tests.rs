//! Agents as their clients see them, on one node.

pub(super) mod bench;
mod counter;
mod desk;
mod later;
mod state;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use cluster::{
    Closing, Outgoing, SocketReceiver, SocketSender,
    prelude::{ActorId, Frame, Result, TenantId},
    testing::TestCluster,
};
use serde_json::{Value, json};

use super::{AgentActor, AgentAddress, AgentCaller, Agents, CallAgent, Scope};
use crate::user::UserId;

fn tenant() -> TenantId {
    TenantId::new("acme").unwrap()
}

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

fn caller(user: &str) -> AgentCaller {
    AgentCaller {
        user: user.to_owned(),
        permissions: BTreeSet::new(),
    }
}

/// One node with the kinds of agents that the tests have.
async fn start(seed: u64) -> TestCluster {
    TestCluster::builder(seed).actor::<AgentActor>(kinds()).start().await
}

fn kinds() -> Agents {
    let agents = Agents::default().with::<counter::Counter>(()).unwrap();
    agents.with::<desk::Desk>(()).unwrap()
}

fn actor(kind: &str, who: &str, name: &str) -> ActorId {
    kinds().address(kind, &user(who), name).unwrap().actor(&tenant())
}

/// A client, and what it has heard.
struct Client {
    sender: SocketSender,
    receiver: SocketReceiver,
}

impl Client {
    async fn connect(test: &TestCluster, kind: &str, who: &str, name: &str, query: &str) -> Result<Self> {
        let opening = caller(who).opening(&format!("/agents/{kind}/{name}?{query}"));
        let (sender, receiver) = test
            .cluster()
            .connect(actor(kind, who, name), opening, Arc::new(|| None))
            .await?;
        Ok(Self { sender, receiver })
    }

    /// The next frame; what is not there after a while never comes.
    async fn hear(&mut self) -> Value {
        let next = tokio::time::timeout(Duration::from_secs(60), self.receiver.next()).await;
        match next.expect("a frame comes") {
            Some(Outgoing::Frame(Frame::Text(text))) => serde_json::from_str(&text).unwrap(),
            other => panic!("no text, but {other:?}"),
        }
    }

    /// Makes sure that nothing more comes: a call is answered after everything that was said before it.
    async fn hears_nothing(&mut self) {
        self.say(json!({ "type": "rpc", "id": "nothing", "method": "no-such-method", "args": [] }))
            .await;
        assert_eq!(self.hear().await["id"], "nothing");
    }

    async fn say(&self, message: Value) {
        self.sender.send(Frame::Text(message.to_string())).await;
    }

    async fn call(&mut self, method: &str, args: Value) -> Value {
        self.say(json!({ "type": "rpc", "id": "1", "method": method, "args": args }))
            .await;
        loop {
            let heard = self.hear().await;
            if heard["type"] == "rpc" {
                assert_eq!(heard["id"], "1");
                return heard;
            }
        }
    }

    /// Hears what an agent says at first. Returns the state.
    async fn introduction(&mut self) -> Option<Value> {
        let identity = self.hear().await;
        assert_eq!(identity["type"], "cf_agent_identity");
        let state = if identity["stateFollows"] == true {
            let state = self.hear().await;
            assert_eq!(state["type"], "cf_agent_state");
            Some(state["state"].clone())
        } else {
            None
        };
        assert_eq!(self.hear().await["type"], "cf_agent_mcp_servers");
        state
    }
}

async fn call(test: &TestCluster, id: ActorId, method: &str, args: Value) -> Result<Value> {
    let call = CallAgent {
        caller: Some(caller("ann")),
        method: method.to_owned(),
        args: args.to_string(),
    };
    let answer = test.cluster().get::<AgentActor>(id).ask(call).await?;
    Ok(serde_json::from_str(&answer).unwrap())
}
