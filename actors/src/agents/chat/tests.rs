//! Chats as their clients see them, on one node.

mod context;
mod crash;
mod stream;
mod tools;
mod turn;
mod view;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use cluster::{
    Outgoing, SocketReceiver, SocketSender,
    prelude::{ActorId, Frame, Result, TenantId},
    testing::TestCluster,
};
use serde_json::{Value, json};

use self::view::View;
use super::{Chat, ChatEnv};
use crate::{
    agents::{Agent, AgentActor, AgentAddress, AgentCaller, AgentRequest, Agents, CallAgent, RequestAgent},
    audit::{AuditEnv, AuditLog},
    env::{Env, PlanningSettings},
    events::EventLog,
    membership::Membership,
    ports::{
        ModelRequest,
        fake::{FakeEmbedder, FakeEvents, FakeModel, FakeObjects, FakeSearch, FakeVectors, Reply},
    },
    run::Run,
    tenant::Tenant,
    user::UserId,
    vectors::VectorIndex,
};

fn tenant() -> TenantId {
    TenantId::new("acme").unwrap()
}

fn caller(who: &str) -> AgentCaller {
    // Who has nothing more than others is called so.
    let permissions = ["run:create", "run:view", "artifact:view"].map(str::to_owned);
    AgentCaller {
        user: who.to_owned(),
        permissions: if who == "nobody" {
            BTreeSet::new()
        } else {
            permissions.into()
        },
    }
}

fn actor(who: &str, name: &str) -> ActorId {
    let address = AgentAddress::new(Chat::NAME, Some(UserId::new(who).unwrap()), name);
    address.unwrap().actor(&tenant())
}

/// A model that decides to answer, and answers so.
fn speaker(script: impl Fn(&ModelRequest, u32) -> Reply + Send + Sync + 'static) -> FakeModel {
    FakeModel::new(move |request, earlier| match request.label.as_str() {
        "chat/choose" => Reply::Text(json!({ "do": "answer" }).to_string()),
        _ => script(request, earlier),
    })
}

/// A model that says each word of a text after so many milliseconds.
fn slow(text: &'static str, millis: u64) -> FakeModel {
    speaker(move |_, _| slowly(text, millis))
}

fn slowly(text: &str, millis: u64) -> Reply {
    let words = text.split_inclusive(' ').map(str::to_owned).collect();
    Reply::Slowly(Duration::from_millis(millis), words)
}

/// A server with chats.
struct Scene {
    test: TestCluster,
    model: Arc<FakeModel>,
    vectors: Arc<FakeVectors>,
}

impl Scene {
    async fn new(seed: u64, model: FakeModel) -> Self {
        let (model, vectors) = (Arc::new(model), Arc::new(FakeVectors::default()));
        let env = Env {
            model: Arc::<FakeModel>::clone(&model),
            embedder: Arc::new(FakeEmbedder::default()),
            vectors: Arc::<FakeVectors>::clone(&vectors),
            objects: Arc::new(FakeObjects::default()),
            search: Arc::new(FakeSearch::default()),
            events: Arc::new(FakeEvents::default()),
            planning: PlanningSettings::default(),
        };
        let agents = Agents::default().with::<Chat>(ChatEnv::from(&env)).unwrap();
        let builder = TestCluster::builder(seed)
            .actor::<AgentActor>(agents)
            .actor::<Membership>(())
            .actor::<AuditLog>(AuditEnv::fake())
            .actor::<Run>(env.clone())
            .actor::<Tenant>(env.clone());
        let builder = builder.actor::<EventLog>(env.clone()).actor::<VectorIndex>(env);
        Self {
            test: builder.start().await,
            model,
            vectors,
        }
    }

    async fn wait(&self, millis: u64) {
        self.test.advance(Duration::from_millis(millis)).await;
    }

    async fn client(&self, who: &str) -> Client {
        self.client_of(who, "main").await
    }

    async fn client_of(&self, who: &str, name: &str) -> Client {
        let opening = caller(who).opening(&format!("/agents/chat/{name}"));
        let cluster = self.test.cluster();
        let connected = cluster.connect(actor(who, name), opening, Arc::new(|| None)).await;
        let (sender, receiver) = connected.unwrap();
        let mut client = Client {
            sender,
            receiver,
            view: View::default(),
        };
        assert_eq!(client.hear().await["type"], "cf_agent_identity");
        assert_eq!(client.hear().await["type"], "cf_agent_mcp_servers");
        client
    }

    /// What is stored of the chat of a person.
    async fn messages(&self, who: &str) -> Vec<Value> {
        self.messages_of(who, "main").await
    }

    async fn messages_of(&self, who: &str, name: &str) -> Vec<Value> {
        let request = AgentRequest {
            caller: caller(who),
            method: "GET".to_owned(),
            path: "get-messages".to_owned(),
            query: String::new(),
            content_type: String::new(),
            body: Vec::new(),
        };
        let chat = self.test.cluster().get::<AgentActor>(actor(who, name));
        let answer = chat.ask(RequestAgent(request)).await.unwrap();
        assert_eq!(answer.content_type, "application/json");
        serde_json::from_slice(&answer.body).unwrap()
    }

    async fn call(&self, who: Option<&str>, of: &str, method: &str, args: Value) -> Result<Value> {
        let call = CallAgent {
            caller: who.map(caller),
            method: method.to_owned(),
            args: args.to_string(),
        };
        let answer = self
            .test
            .cluster()
            .get::<AgentActor>(actor(of, "main"))
            .ask(call)
            .await?;
        Ok(serde_json::from_str(&answer).unwrap())
    }

    /// Waits until so many messages are stored.
    async fn until(&self, who: &str, messages: usize) -> Vec<Value> {
        for _ in 0..600 {
            let stored = self.messages(who).await;
            if stored.len() >= messages {
                return stored;
            }
            self.wait(200).await;
        }
        panic!("there never were {messages} messages: {:?}", self.messages(who).await);
    }
}

/// A client, and what it shows.
struct Client {
    sender: SocketSender,
    receiver: SocketReceiver,
    view: View,
}

impl Client {
    /// The next frame; what is not there after a while never comes.
    async fn hear(&mut self) -> Value {
        let next = tokio::time::timeout(Duration::from_mins(10), self.receiver.next()).await;
        let frame = match next.expect("a frame comes") {
            Some(Outgoing::Frame(Frame::Text(text))) => serde_json::from_str(&text).unwrap(),
            other => panic!("no text, but {other:?}"),
        };
        self.view.see(&frame);
        frame
    }

    /// Hears up to a frame of this type.
    async fn hear_of(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.hear().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// Hears an answer up to its end.
    async fn answer(&mut self, request: &str) -> Vec<Value> {
        let mut frames = Vec::new();
        loop {
            let frame = self.hear().await;
            if frame["type"] == "cf_agent_use_chat_response" && frame["id"] == request {
                frames.push(frame);
                if frames.last().unwrap()["done"] == true && frames.last().unwrap()["outcome"] != "recovering" {
                    return frames;
                }
            }
        }
    }

    /// Makes sure that nothing more comes.
    async fn hears_nothing(&mut self) {
        self.say(json!({ "type": "rpc", "id": "nothing", "method": "no-such-method", "args": [] }))
            .await;
        assert_eq!(self.hear().await["id"], "nothing");
    }

    async fn say(&self, message: Value) {
        self.sender.send(Frame::Text(message.to_string())).await;
    }

    /// Asks for an answer, with these messages.
    async fn request(&self, id: &str, trigger: &str, messages: Value) {
        let body = json!({ "messages": messages, "trigger": trigger }).to_string();
        let init = json!({ "method": "POST", "body": body });
        self.say(json!({ "id": id, "init": init, "type": "cf_agent_use_chat_request" }))
            .await;
    }

    async fn ask(&self, id: &str, text: &str) {
        self.request(id, "submit-message", json!([user(&format!("{id}-asks"), text)]))
            .await;
    }

    async fn decide(&self, call: &str, is_approved: bool) {
        let approval = json!({
            "type": "cf_agent_tool_approval", "toolCallId": call, "approved": is_approved, "autoContinue": true
        });
        self.say(approval).await;
    }

    async fn acknowledge(&self, request: &str) {
        self.say(json!({ "type": "cf_agent_stream_resume_ack", "id": request }))
            .await;
    }
}

fn user(id: &str, text: &str) -> Value {
    json!({ "id": id, "role": "user", "parts": [{ "type": "text", "text": text }] })
}

/// The chunks of frames.
fn chunks(frames: &[Value]) -> Vec<Value> {
    let bodies = frames.iter().map(|frame| frame["body"].as_str().unwrap_or_default());
    bodies.filter_map(|body| serde_json::from_str(body).ok()).collect()
}

fn kinds(frames: &[Value]) -> Vec<String> {
    let kind = |chunk: &Value| chunk["type"].as_str().unwrap().to_owned();
    chunks(frames).iter().map(kind).collect()
}

/// The text of a message.
fn text(message: &Value) -> String {
    let parts = message["parts"].as_array().unwrap().iter();
    parts.filter_map(|part| part["text"].as_str()).collect()
}

/// The part of a call in a message.
fn part<'m>(message: &'m Value, tool: &str) -> &'m Value {
    let mut parts = message["parts"].as_array().unwrap().iter();
    parts.find(|part| part["type"] == format!("tool-{tool}")).unwrap()
}
