//! What the audit chain holds although no actor's turn stands behind it.

use actix_web::test::TestRequest;
use actors::role::Role;
use serde_json::{Value, json};

use super::bench::{Bench, silent};
use crate::gateway::LimitsConfig;

/// Payloads of the records of an event in the chain of a tenant, the oldest first.
async fn recorded(bench: &Bench, tenant: &str, event: &str) -> Vec<Value> {
    let token = bench.token(tenant, "auditor", Role::Operator).await;
    let path = format!("/api/audit?order=oldest&limit=100&event={event}");
    let request = TestRequest::get()
        .uri(&path)
        .insert_header(("authorization", format!("Bearer {token}")));
    let page = bench.call(request).await;
    let items = page.json()["items"].as_array().cloned();
    items
        .unwrap_or_else(|| panic!("{}", page.text()))
        .into_iter()
        .map(|item| item["payload"].clone())
        .collect()
}

fn create(token: &str, id: &str) -> TestRequest {
    TestRequest::post()
        .uri("/api/planning/runs")
        .insert_header(("authorization", format!("Bearer {token}")))
        .insert_header(("x-correlation-id", id))
        .set_json(json!({}))
}

#[tokio::test(start_paused = true)]
async fn each_denial_is_in_the_chain_of_the_caller_once_even_under_one_request_id() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("acme", "ann", Role::Operator).await;
        for _ in 0..2 {
            bench.call(create(&token, "same")).await.problem(403, "auth.permission");
        }
        let denial = json!({
            "actor": "ann",
            "request_id": "same",
            "permission": "run:create",
            "method": "POST",
            "path": "/api/planning/runs",
        });
        assert_eq!(
            recorded(bench, "acme", "permission_denied").await,
            [denial.clone(), denial]
        );
        assert!(recorded(bench, "default", "permission_denied").await.is_empty());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_denial_by_a_handler_is_recorded_like_one_at_the_gate() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("acme", "ann", Role::Admin).await;
        let foreign = TestRequest::post()
            .uri("/api/auth/tokens")
            .insert_header(("authorization", format!("Bearer {token}")))
            .set_json(json!({ "tenant": "default" }));
        bench.call(foreign).await.problem(403, "auth.permission");
        let denials = recorded(bench, "acme", "permission_denied").await;
        assert_eq!(denials.len(), 1);
        assert_eq!(denials[0]["permission"], "system:configure");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_denials_does_not_fill_the_chain() {
    let limits = LimitsConfig {
        denials_per_minute: 3,
        ..LimitsConfig::off()
    };
    Bench::limited(limits, async |bench| {
        let token = bench.token("acme", "ann", Role::Operator).await;
        let mut seen = Vec::new();
        for number in 0..20 {
            seen.push(bench.call(create(&token, &format!("r-{number}"))).await.status.as_u16());
        }
        assert_eq!(seen[..3], [403; 3]);
        assert_eq!(seen[3..], [429; 17], "whatever is not recorded is not answered 403");
        assert_eq!(recorded(bench, "acme", "permission_denied").await.len(), 3);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn work_on_the_server_is_in_the_chain_of_the_home_tenant_before_it_is_done() {
    Bench::with(silent(), async |bench| {
        bench.post("/api/cluster/nodes/99/drain", &json!({})).await;
        let requested = recorded(bench, "default", "node_state_requested").await;
        assert_eq!(
            (requested.len(), &requested[0]["node"]),
            (1, &json!(99)),
            "{requested:?}"
        );
        assert_eq!(requested[0]["actor"], "admin");
        let refused = recorded(bench, "default", "node_state_refused").await;
        assert_eq!(
            (refused.len(), &refused[0]["state"]),
            (1, &requested[0]["state"]),
            "{refused:?}"
        );

        bench.create(json!({})).await;
        bench.post("/api/admin/vectors/default/rebuild", &json!({})).await;
        let rebuilt = recorded(bench, "default", "vectors_rebuild_started").await;
        assert_eq!((rebuilt.len(), &rebuilt[0]["tenant"]), (1, &json!("default")));
    })
    .await;
}
