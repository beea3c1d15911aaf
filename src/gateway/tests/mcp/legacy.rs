//! The transport before streamable HTTP.

use std::time::Duration;

use actix_web::{http::header, test::TestRequest};
use actors::role::Role;
use serde_json::{Value, json};

use super::{Hearing, example::ExampleAgent, initialize, post_to, request};
use crate::gateway::{
    Gateway,
    tests::bench::{Answer, Bench, call, silent},
};

/// A client that hears everything on one stream.
struct Client {
    token: String,
    stream: Hearing,
    /// Where it sends what it says.
    place: String,
}

fn listen(token: &str) -> TestRequest {
    TestRequest::get()
        .uri("/sse")
        .insert_header((header::HOST, "localhost:8080"))
        .insert_header((header::AUTHORIZATION, format!("Bearer {token}")))
        .insert_header((header::ACCEPT, "text/event-stream"))
}

impl Client {
    async fn open(gateway: &Gateway, token: &str) -> Self {
        let mut stream = Hearing::of(gateway, listen(token)).await;
        let first = stream.frame().await.unwrap();
        let place = first.strip_prefix("event: endpoint\ndata: ").unwrap().to_owned();
        assert!(place.starts_with("/messages?sessionId="), "{place}");
        Self {
            token: token.to_owned(),
            stream,
            place,
        }
    }

    async fn say(&self, gateway: &Gateway, message: &Value) -> Answer {
        call(gateway, post_to(&self.place, &self.token, message)).await
    }

    /// Says something that is taken, wherever it is said.
    async fn tell(&self, gateway: &Gateway, message: &Value) {
        let taken = self.say(gateway, message).await;
        assert_eq!(taken.status, 202, "{}", taken.text());
    }

    async fn greet(&mut self, gateway: &Gateway) {
        let mut greeting = initialize(&json!({ "elicitation": {} }));
        greeting["params"]["protocolVersion"] = json!("2024-11-05");
        self.tell(gateway, &greeting).await;
        let said = self.stream.message().await;
        assert_eq!(
            (&said["id"], &said["result"]["protocolVersion"]),
            (&json!(0), &json!("2024-11-05"))
        );
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        self.tell(gateway, &initialized).await;
    }
}

fn tool(id: u32, name: &str, arguments: &Value) -> Value {
    let params = json!({ "name": name, "arguments": arguments, "_meta": { "progressToken": "p" } });
    request(id, "tools/call", &params)
}

#[tokio::test(start_paused = true)]
async fn every_answer_comes_on_the_stream_whichever_node_was_asked() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("acme", "ann", Role::Operator).await;
        let (here, there) = (bench.node_of(ExampleAgent), bench.node_of(ExampleAgent));
        let mut client = Client::open(&here, &token).await;
        client
            .say(&here, &request(1, "tools/list", &json!({})))
            .await
            .problem(409, "mcp.uninitialized");
        client.greet(&there).await;
        for (id, gateway) in [(1, &here), (2, &there)] {
            client
                .tell(gateway, &tool(id, "test_tool_with_progress", &json!({})))
                .await;
            for done in [0.0, 50.0, 100.0] {
                assert_eq!(client.stream.message().await["params"]["progress"], done);
            }
            assert_eq!(client.stream.message().await["id"], id);
        }
        // What the server asks is answered at another node than the one that asks.
        client
            .tell(&here, &tool(3, "test_elicitation", &json!({ "message": "Who?" })))
            .await;
        let question = client.stream.message().await;
        assert_eq!(question["method"], "elicitation/create");
        let result = json!({ "action": "accept", "content": { "username": "ann", "email": "ann@example.org" } });
        client
            .tell(
                &there,
                &json!({ "jsonrpc": "2.0", "id": question["id"], "result": result }),
            )
            .await;
        let answer = client.stream.message().await;
        assert!(
            answer["id"] == 3 && answer.to_string().contains("action=accept"),
            "{answer}"
        );
        // What is cancelled is not answered.
        client
            .tell(&here, &tool(4, "wait", &json!({ "milliseconds": 3_600_000 })))
            .await;
        let params = json!({ "requestId": 4 });
        let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
        client.tell(&there, &cancel).await;
        client.tell(&here, &request(5, "ping", &json!({}))).await;
        assert_eq!(client.stream.message().await["id"], 5);
        client
            .say(&here, &initialize(&json!({})))
            .await
            .problem(409, "mcp.initialized");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn changes_are_heard_on_the_stream_too() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("acme", "ann", Role::Admin).await;
        let mut client = Client::open(&bench.gateway, &token).await;
        client.greet(&bench.gateway).await;
        let idea = json!({ "idea": "A shared tool library for apartment houses" });
        client.tell(&bench.gateway, &tool(1, "create_run", &idea)).await;
        let run = client.stream.message().await["result"]["structuredContent"]["id"].clone();
        let uri = format!("foundation://runs/{}", run.as_str().unwrap());
        client
            .tell(
                &bench.gateway,
                &request(2, "resources/subscribe", &json!({ "uri": uri })),
            )
            .await;
        assert_eq!(client.stream.message().await["id"], 2);
        client
            .tell(&bench.gateway, &tool(3, "pause_run", &json!({ "run": run })))
            .await;
        let heard = [client.stream.message().await, client.stream.message().await];
        assert!(heard.iter().any(|message| message["id"] == 3), "{heard:?}");
        assert!(heard.iter().any(|message| message["params"]["uri"] == uri), "{heard:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_session_is_its_owners_and_ends_with_the_stream() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("acme", "ann", Role::Operator).await;
        let mut client = Client::open(&bench.gateway, &token).await;
        client.greet(&bench.gateway).await;
        let ping = request(1, "ping", &json!({}));
        for (tenant, user) in [("acme", "bob"), ("other", "ann")] {
            let thief = bench.token(tenant, user, Role::Admin).await;
            let stolen = post_to(&client.place, &thief, &ping);
            bench.call(stolen).await.problem(404, "mcp.session");
        }
        for place in ["/messages", "/messages?sessionId=", "/messages?sessionId=0"] {
            bench
                .call(post_to(place, &token, &ping))
                .await
                .problem(404, "mcp.session");
        }
        let foreign = post_to(&client.place, &token, &ping).insert_header((header::HOST, "evil.example"));
        bench.call(foreign).await.problem(403, "mcp.host");
        assert_eq!(client.say(&bench.gateway, &json!([])).await.status, 400);
        let bare = TestRequest::get()
            .uri("/sse")
            .insert_header((header::HOST, "localhost:8080"));
        let refused = bench.call(bare).await;
        refused.problem(401, "auth.required");
        assert!(
            refused
                .header("www-authenticate")
                .ends_with("oauth-protected-resource/sse\"")
        );
        let Client { place, stream, .. } = client;
        drop(stream);
        bench.cluster.advance(Duration::from_secs(1)).await;
        bench
            .call(post_to(&place, &token, &ping))
            .await
            .problem(404, "mcp.session");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_does_not_listen_is_let_go() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("acme", "ann", Role::Operator).await;
        let mut client = Client::open(&bench.gateway, &token).await;
        client.greet(&bench.gateway).await;
        for id in 1..=40 {
            client.tell(&bench.gateway, &request(id, "ping", &json!({}))).await;
        }
        bench.cluster.advance(Duration::from_secs(40)).await;
        let late = client.say(&bench.gateway, &request(41, "ping", &json!({}))).await;
        late.problem(404, "mcp.session");
    })
    .await;
}
