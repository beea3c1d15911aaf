//! Whose a session is, and where it is served.

use actors::role::Role;
use serde_json::json;

use super::{Client, echo, request};
use crate::gateway::tests::bench::{Bench, silent};

#[tokio::test(start_paused = true)]
async fn a_session_is_served_by_every_node() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("acme", "ann", Role::Operator).await;
        let client = Client::open(&bench.gateway, &token).await;
        let other = client.at(&bench.another_node());
        let called = other.say(&echo(1, "here")).await;
        assert_eq!(called.json()["result"]["structuredContent"]["text"], "here");
        assert_eq!(other.end().await.status, 204);
        client.say(&echo(2, "x")).await.problem(404, "mcp.session");
        client.end().await.problem(404, "mcp.session");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_session_is_not_there_for_anybody_else() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("acme", "ann", Role::Operator).await;
        let client = Client::open(&bench.gateway, &token).await;
        for (tenant, user) in [("acme", "bob"), ("other", "ann")] {
            let thief = Client {
                token: bench.token(tenant, user, Role::Admin).await,
                ..client.at(&bench.gateway)
            };
            thief.say(&echo(1, "x")).await.problem(404, "mcp.session");
            thief.listen(None).await.problem(404, "mcp.session");
            thief.end().await.problem(404, "mcp.session");
        }
        let nobodys = Client {
            session: "0".to_owned(),
            ..client.at(&bench.gateway)
        };
        nobodys.say(&echo(1, "x")).await.problem(404, "mcp.session");
        assert_eq!(
            client.say(&request(2, "ping", &json!({}))).await.json()["result"],
            json!({})
        );
    })
    .await;
}
