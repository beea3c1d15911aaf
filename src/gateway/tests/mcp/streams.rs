//! Answers that take their time: what is said in between, who comes back for them, and who answers the server.

use actors::role::Role;
use serde_json::{Value, json};

use super::{Client, events, example::ExampleAgent, request};
use crate::gateway::{
    Gateway,
    tests::bench::{Bench, silent},
};

fn tool(id: u32, name: &str, arguments: &Value) -> Value {
    let params = json!({ "name": name, "arguments": arguments, "_meta": { "progressToken": "p" } });
    request(id, "tools/call", &params)
}

async fn client(bench: &Bench) -> (Client, Gateway) {
    let token = bench.token("acme", "ann", Role::Operator).await;
    let (first, second) = (bench.node_of(ExampleAgent), bench.node_of(ExampleAgent));
    (Client::open(&first, &token).await, second)
}

#[tokio::test(start_paused = true)]
async fn a_client_hears_how_far_a_tool_is() {
    Bench::with(silent(), async |bench| {
        let (client, other) = client(bench).await;
        let events = events(&client.say(&tool(1, "test_tool_with_progress", &json!({}))).await);
        assert_eq!(events[0].1, Value::Null, "the first says where to come back to");
        let done: Vec<_> = events[1..4]
            .iter()
            .map(|(_, event)| event["params"]["progress"].as_f64().unwrap())
            .collect();
        assert_eq!(done, [0.0, 50.0, 100.0]);
        assert_eq!(events[4].1["id"], 1);
        assert_eq!(events.len(), 5);
        // On another node it is read on behind each of them.
        for (place, (id, _)) in events[..4].iter().enumerate() {
            let rest = super::events(&client.at(&other).listen(Some(id)).await);
            assert_eq!(rest, events[place + 1..], "behind {place}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_lost_the_connection_comes_back_for_the_answer() {
    Bench::with(silent(), async |bench| {
        let (client, other) = client(bench).await;
        let begun = events(&client.say(&tool(1, "test_reconnection", &json!({}))).await);
        assert_eq!(begun.len(), 1, "it ends before the answer");
        let rest = events(&client.at(&other).listen(Some(&begun[0].0)).await);
        assert_eq!(rest.len(), 1);
        assert_eq!(rest[0].1["id"], 1);
        assert!(rest[0].1.to_string().contains("Reconnection test completed"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn log_messages_below_the_level_of_the_client_are_not_sent() {
    Bench::with(silent(), async |bench| {
        let (client, _) = client(bench).await;
        let call = tool(1, "test_tool_with_logging", &json!({}));
        assert_eq!(events(&client.say(&call).await).len(), 5);
        let level = request(2, "logging/setLevel", &json!({ "level": "error" }));
        assert_eq!(client.say(&level).await.json()["result"], json!({}));
        let quiet = client.say(&call).await;
        assert_eq!(
            quiet.header("content-type"),
            "application/json",
            "nothing comes before the answer"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_the_client_finds_the_node_that_asked() {
    Bench::with(silent(), async |bench| {
        let (client, other) = client(bench).await;
        for (round, answered_at) in [(1, &client.gateway), (2, &other)] {
            let call = tool(round, "test_elicitation", &json!({ "message": "Who?" }));
            let mut asked = client.hear(&call).await;
            let question = loop {
                let (_, message) = asked.next().await.unwrap();
                if message["method"] == "elicitation/create" {
                    break message;
                }
            };
            let content = json!({ "username": "ann", "email": "ann@example.org" });
            let answer = json!({
                "jsonrpc": "2.0",
                "id": question["id"],
                "result": { "action": "accept", "content": content },
            });
            assert_eq!(client.at(answered_at).say(&answer).await.status, 202);
            let events = asked.rest().await;
            let last = &events.last().unwrap().1;
            assert_eq!(last["id"], round);
            assert!(last.to_string().contains("action=accept"), "{last}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_request_ends_without_an_answer_wherever_it_is_cancelled() {
    Bench::with(silent(), async |bench| {
        let (client, other) = client(bench).await;
        for (round, cancelled_at) in [(1, &client.gateway), (2, &other)] {
            let call = tool(round, "wait", &json!({ "milliseconds": 3_600_000 }));
            let mut asked = client.hear(&call).await;
            let (begun, _) = asked.next().await.unwrap();
            let params = json!({ "requestId": round, "reason": "no more" });
            let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
            assert_eq!(client.at(cancelled_at).say(&cancel).await.status, 202);
            assert_eq!(asked.rest().await, []);
            let rest = events(&client.at(&other).listen(Some(&begun)).await);
            assert_eq!(rest, []);
        }
    })
    .await;
}
