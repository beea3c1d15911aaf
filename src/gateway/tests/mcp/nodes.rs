//! Several nodes, of which one dies.

use std::time::Duration;

use actors::{mcp_session::McpSession, role::Role};
use cluster::prelude::{ActorId, TenantId};
use serde_json::json;
use tokio::task::LocalSet;

use super::{Client, echo, events, example::ExampleAgent, request};
use crate::gateway::tests::bench::{Answer, Several};

/// Asks until the others have taken over what the dead node had.
async fn patiently(ask: impl AsyncFn() -> Answer) -> Answer {
    loop {
        let answer = ask().await;
        if ![503, 504].contains(&answer.status.as_u16()) {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Gives the session of a client to the first node.
async fn own(several: &Several, client: &Client) {
    let id = ActorId::from_name::<McpSession>(&TenantId::new("acme").unwrap(), &client.session);
    let shard = several.nodes.shard_of::<McpSession>(&id);
    if several.nodes.owner(shard) != 0 {
        several.nodes.move_shard(shard, 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn when_the_node_of_a_session_dies_its_client_goes_on_with_another() {
    Several::with(async |several| {
        let (first, second) = (several.gateway(0, ExampleAgent), several.gateway(1, ExampleAgent));
        let token = several.token(&second, "acme", "ann", Role::Operator).await;
        // What goes on in the process that dies.
        let process = LocalSet::new();
        let (client, heard, begun) = process
            .run_until(async {
                let client = Client::open(&first, &token).await;
                own(several, &client).await;
                let params =
                    json!({ "name": "test_tool_with_progress", "arguments": {}, "_meta": { "progressToken": "p" } });
                let heard = events(&client.say(&request(1, "tools/call", &params)).await);
                assert_eq!(heard.len(), 5);
                let wait = json!({ "name": "wait", "arguments": { "milliseconds": 3_600_000 } });
                let mut broken = client.hear(&request(2, "tools/call", &wait)).await;
                let (begun, _) = broken.next().await.unwrap();
                (client, heard, begun)
            })
            .await;
        drop(process);
        several.nodes.crash(0).await;

        let there = client.at(&second);
        for (place, (id, _)) in heard[..4].iter().enumerate() {
            let rest = events(&patiently(async || there.listen(Some(id)).await).await);
            assert_eq!(rest, heard[place + 1..], "behind {place}");
        }
        let rest = events(&patiently(async || there.listen(Some(&begun)).await).await);
        assert_eq!(rest.len(), 1, "{rest:?}");
        assert_eq!(
            (&rest[0].1["id"], &rest[0].1["error"]["data"]["code"]),
            (&json!(2), &json!("mcp.lost")),
            "{rest:?}"
        );
        let text = request(3, "tools/call", &json!({ "name": "test_simple_text", "arguments": {} }));
        let text = patiently(async || there.say(&text).await).await;
        assert!(text.text().contains("simple text response"), "{}", text.text());
        assert_eq!(there.end().await.status, 204);
        there.say(&echo(4, "x")).await.problem(404, "mcp.session");
    })
    .await;
}
