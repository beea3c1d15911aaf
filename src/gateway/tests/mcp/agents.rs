//! Agents as MCP servers.

use actix_web::{http::header, test::TestRequest};
use actors::role::Role;
use serde_json::{Value, json};

use super::{Client, events, request};
use crate::gateway::tests::bench::{Bench, silent};

const BOARD: &str = "/agents/board/sums/mcp";
const STATE: &str = "foundation://agents/board/sums/state";

async fn client(bench: &Bench, path: &str) -> Client {
    let token = bench.token("acme", "ann", Role::Operator).await;
    Client::open_at(path, &bench.gateway, &token, &json!({})).await
}

#[tokio::test(start_paused = true)]
async fn the_methods_of_an_agent_are_tools_with_their_schemas() {
    Bench::with(silent(), async |bench| {
        let client = client(bench, BOARD).await;
        let tools = client.asked("tools/list", &json!({})).await["tools"].clone();
        let names: Vec<_> = tools.as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
        assert_eq!(names, ["add", "count"]);
        assert_eq!(tools[0]["description"], "Adds to the board.");
        assert_eq!(tools[0]["inputSchema"]["properties"]["amount"]["type"], "integer");
        assert_eq!(tools[0]["outputSchema"]["properties"]["result"]["type"], "integer");
        assert_eq!(tools[1]["outputSchema"]["properties"]["parts"]["type"], "array");
        assert_eq!(
            client.done("add", &json!({ "amount": 5 })).await,
            json!({ "result": 5 })
        );
        client
            .refused("add", &json!({ "amount": "x" }), "agent.arguments")
            .await;
        let unknown = request(1, "tools/call", &json!({ "name": "subtract", "arguments": {} }));
        let unknown = client.say(&unknown).await.json();
        assert_eq!(unknown["error"]["data"]["code"], "agent.method-unknown", "{unknown}");

        let own = self::client(bench, "/api/agents/echo/x/mcp").await;
        assert_eq!(
            own.done("whoami", &json!({})).await,
            json!({ "result": ["ann", false] })
        );
        let hidden = request(1, "tools/call", &json!({ "name": "fail", "arguments": {} }));
        assert_eq!(
            own.say(&hidden).await.json()["error"]["data"]["code"],
            "agent.method-unknown"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_parts_of_an_answer_are_progress_and_all_of_them_the_result() {
    Bench::with(silent(), async |bench| {
        let client = client(bench, BOARD).await;
        let params = json!({ "name": "count", "arguments": { "to": 3 }, "_meta": { "progressToken": "p" } });
        let mut heard = events(&client.say(&request(1, "tools/call", &params)).await);
        let answer = heard.pop().unwrap().1;
        assert_eq!(answer["result"]["structuredContent"], json!({ "parts": [1, 2, 3] }));
        let told: Vec<_> = heard
            .iter()
            .filter(|(_, message)| message["method"] == "notifications/progress")
            .map(|(_, message)| {
                (
                    message["params"]["progress"].as_f64().unwrap(),
                    message["params"]["message"].clone(),
                )
            })
            .collect();
        assert_eq!(told, [(1.0, json!("1")), (2.0, json!("2")), (3.0, json!("3"))]);
        assert_eq!(
            client.done("count", &json!({ "to": 2 })).await,
            json!({ "parts": [1, 2] })
        );
        client.refused("count", &json!({ "to": 20_000 }), "mcp.parts").await;
        bench.cluster.advance(std::time::Duration::from_secs(1)).await;
        assert_eq!(bench.gateway.cluster.sockets(), 0, "each conversation has ended");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_state_of_an_agent_is_read_and_its_changes_are_heard() {
    Bench::with(silent(), async |bench| {
        let client = client(bench, BOARD).await;
        let listed = client.asked("resources/list", &json!({})).await;
        assert_eq!(listed["resources"][0]["uri"], STATE);
        assert_eq!(listed["resources"].as_array().unwrap().len(), 1);
        let read = async || {
            let read = client.asked("resources/read", &json!({ "uri": STATE })).await;
            read["contents"][0]["text"].as_str().unwrap().to_owned()
        };
        assert_eq!(read().await, "null", "it has none yet");
        client.asked("resources/subscribe", &json!({ "uri": STATE })).await;
        let mut changes = client.hear_changes(None).await;
        for sum in 1..=3 {
            client.done("add", &json!({ "amount": 1 })).await;
            let told = changes.message().await;
            assert_eq!(told["method"], "notifications/resources/updated");
            assert_eq!(told["params"]["uri"], STATE);
            assert_eq!(read().await, sum.to_string());
        }
        let elsewhere = request(
            1,
            "resources/read",
            &json!({ "uri": "foundation://agents/board/other/state" }),
        );
        let elsewhere = client.say(&elsewhere).await.json();
        assert_eq!(elsewhere["error"]["data"]["code"], "mcp.resource");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_is_asked_by_whoever_may_and_each_has_sessions_of_its_own() {
    Bench::with(silent(), async |bench| {
        let client = client(bench, BOARD).await;
        client.done("add", &json!({ "amount": 7 })).await;
        // The same agent below `/api`, and no other one.
        let same = Client {
            path: format!("/api{BOARD}"),
            ..client.at(&bench.another_node())
        };
        assert_eq!(same.done("add", &json!({ "amount": 1 })).await, json!({ "result": 8 }));
        for path in ["/agents/board/other/mcp", "/mcp"] {
            let other = Client {
                path: path.to_owned(),
                ..client.at(&bench.gateway)
            };
            other
                .say(&request(1, "ping", &json!({})))
                .await
                .problem(404, "mcp.session");
        }
        let stranger = bench.token("evil", "ann", Role::Admin).await;
        let stranger = Client::open_at(BOARD, &bench.gateway, &stranger, &json!({})).await;
        assert_eq!(
            stranger.done("add", &json!({ "amount": 1 })).await,
            json!({ "result": 1 })
        );

        let bare = |path: &str| {
            TestRequest::post()
                .uri(path)
                .insert_header((header::HOST, "localhost:8080"))
                .set_json(super::initialize(&json!({})))
        };
        let refused = bench.call(bare(BOARD)).await;
        refused.problem(401, "auth.required");
        let place = format!("http://localhost:8080/.well-known/oauth-protected-resource{BOARD}");
        let challenge = refused.header("www-authenticate");
        assert!(
            challenge.contains(&format!("resource_metadata=\"{place}\"")),
            "{challenge}"
        );
        let metadata = TestRequest::get()
            .uri(&format!("/.well-known/oauth-protected-resource{BOARD}"))
            .insert_header((header::HOST, "localhost:8080"));
        assert_eq!(
            bench.call(metadata).await.json()["resource"],
            format!("http://localhost:8080{BOARD}")
        );

        let token = bench.token("acme", "ann", Role::Operator).await;
        let unknown = super::post_to("/agents/nothing/x/mcp", &token, &super::initialize(&json!({})));
        bench.call(unknown).await.problem(400, "agent.unknown");
        let made = TestRequest::post()
            .uri("/api/tenant/keys")
            .set_json(json!({ "name": "ci", "permissions": ["run:view"] }));
        let made = bench.admin(made).await.json();
        let key = made["key"].as_str().unwrap();
        let refused = super::post_to(BOARD, key, &super::initialize(&json!({})));
        bench.call(refused).await.problem(403, "auth.permission");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_servers_own_tools_reach_agents_too() {
    Bench::with(silent(), async |bench| {
        let client = client(bench, "/mcp").await;
        let kinds = client.done("list_agents", &json!({})).await;
        let names: Vec<_> = kinds["kinds"]
            .as_array()
            .unwrap()
            .iter()
            .map(|kind| &kind["name"])
            .collect();
        assert_eq!(names, ["board", "echo", "limiter", "session", "task", "tenant"]);
        let ask =
            |method: &str, args: Value| json!({ "agent": "board", "name": "sums", "method": method, "args": args });
        for args in [json!({ "amount": 2 }), json!([2]), json!([{ "amount": 2 }])] {
            client.done("call_agent", &ask("add", args)).await;
        }
        let counted = client.done("call_agent", &ask("count", json!({ "to": 2 }))).await;
        assert_eq!(counted, json!({ "result": [1, 2] }));
        assert_eq!(
            client.done("call_agent", &ask("add", json!({ "amount": 0 }))).await,
            json!({ "result": 6 })
        );
        client
            .refused("call_agent", &ask("add", Value::Null), "agent.arguments")
            .await;
        client
            .refused("call_agent", &ask("subtract", Value::Null), "agent.method-unknown")
            .await;
        let nothing = json!({ "agent": "nothing", "name": "x", "method": "add" });
        client.refused("call_agent", &nothing, "agent.unknown").await;
    })
    .await;
}
