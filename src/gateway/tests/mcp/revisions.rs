//! The revisions of the protocol.

use actors::role::Role;
use serde_json::{Value, json};

use super::{events, example::ExampleAgent, initialize, post, request};
use crate::gateway::tests::bench::{Bench, call, silent};

#[tokio::test(start_paused = true)]
async fn a_client_of_each_revision_is_answered_in_its_own() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("acme", "ann", Role::Operator).await;
        let gateway = bench.node_of(ExampleAgent);
        for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
            let mut greeting = initialize(&json!({}));
            greeting["params"]["protocolVersion"] = json!(revision);
            let greeted = call(&gateway, post(&token, &greeting)).await;
            assert_eq!(greeted.json()["result"]["protocolVersion"], revision);
            let session = greeted.header("mcp-session-id").to_owned();
            let params = json!({ "name": "test_tool_with_progress", "arguments": {}, "_meta": { "progressToken": 1 } });
            let mut asked = post(&token, &request(1, "tools/call", &params)).insert_header(("mcp-session-id", session));
            // Before 2025-06-18 there was no such header.
            if revision >= "2025-06-18" {
                asked = asked.insert_header(("mcp-protocol-version", revision));
            }
            let heard = events(&call(&gateway, asked).await);
            // Clients before that one cannot read an event without a message.
            assert_eq!(heard[0].1 == Value::Null, revision == "2025-11-25", "{revision}");
            assert_eq!(heard.last().unwrap().1["id"], 1, "{revision}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_nobody_knows_is_answered_with_one_that_is_known_and_refused_behind_that() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("acme", "ann", Role::Operator).await;
        let mut greeting = initialize(&json!({}));
        greeting["params"]["protocolVersion"] = json!("1999-12-31");
        let greeted = bench.call(post(&token, &greeting)).await;
        assert_eq!(greeted.json()["result"]["protocolVersion"], "2025-11-25");
        let session = greeted.header("mcp-session-id").to_owned();
        let asked = post(&token, &request(1, "ping", &json!({})))
            .insert_header(("mcp-session-id", session))
            .insert_header(("mcp-protocol-version", "1999-12-31"));
        assert_eq!(bench.call(asked).await.status, 400);
    })
    .await;
}
