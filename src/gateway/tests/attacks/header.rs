//! Headers that claim what only the server may say.

use actix_web::test::TestRequest;
use actors::role::Role;
use cluster::{Gatekeeper, prelude::TenantId};
use serde_json::json;

use super::super::bench::{Bench, silent};
use crate::gateway::LimitsConfig;

const RUNS: &str = "/api/planning/runs";

#[tokio::test(start_paused = true)]
async fn a_context_token_of_a_client_changes_nothing() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("acme", "ann", Role::Admin).await;
        let tenant = TenantId::new("default").unwrap();
        let forged = bench.gateway.context.vouch(&tenant).as_str().to_owned();
        let request = TestRequest::get()
            .uri("/api/planning/runs")
            .insert_header(("authorization", format!("Bearer {token}")))
            .insert_header(("x-context-token", forged));
        let answer = bench.call(request).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["items"]), (200, &json!([])));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_tenant_or_a_user_that_a_client_names_changes_nothing() {
    Bench::with(silent(), async |bench| {
        bench.create(json!({})).await;
        let token = bench.token("acme", "ann", Role::Operator).await;
        let as_ann = |path: &str| {
            TestRequest::get()
                .uri(path)
                .insert_header(("authorization", format!("Bearer {token}")))
        };
        for header in [
            "x-tenant-id",
            "x-tenant",
            "tenant-id",
            "x-user-id",
            "x-forwarded-user",
            "x-remote-user",
            "x-original-url",
            "x-rewrite-url",
            "x-http-method-override",
            "x-role",
        ] {
            for value in ["default", "admin", "/api/admin/actors", "DELETE"] {
                let answer = bench.call(as_ann(RUNS).insert_header((header, value))).await;
                assert_eq!(answer.json()["items"], json!([]), "{header}: {value}");
                let who = bench
                    .call(as_ann("/api/auth/me").insert_header((header, value)))
                    .await
                    .json();
                assert_eq!(
                    (&who["tenant"], &who["user"], &who["role"]),
                    (&json!("acme"), &json!("ann"), &json!("operator")),
                    "{header}: {value}"
                );
            }
        }
        bench
            .call(as_ann("/api/planning/runs?tenant_id=default"))
            .await
            .problem(422, "query.invalid");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_second_authorization_header_is_refused_in_either_order() {
    Bench::with(silent(), async |bench| {
        let (ours, theirs) = (
            bench.token("default", "ann", Role::Admin).await,
            bench.token("acme", "mallory", Role::Operator).await,
        );
        for (first, second) in [(&ours, &theirs), (&theirs, &ours), (&ours, &ours)] {
            let request = TestRequest::get()
                .uri("/api/auth/me")
                .append_header(("authorization", format!("Bearer {first}")))
                .append_header(("authorization", format!("Bearer {second}")));
            bench.call(request).await.problem(401, "auth.ambiguous");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_address_that_a_stranger_claims_does_not_escape_the_rate_limit() {
    let limits = LimitsConfig {
        address_per_minute: 3,
        ..LimitsConfig::off()
    };
    Bench::limited(limits, async |bench| {
        let mut seen = Vec::new();
        for number in 0..5 {
            let request = TestRequest::get()
                .uri(RUNS)
                .peer_addr("192.0.2.1:4711".parse().unwrap())
                .insert_header(("x-forwarded-for", format!("198.51.100.{number}")))
                .insert_header(("x-real-ip", format!("198.51.100.{number}")))
                .insert_header(("cf-connecting-ip", format!("198.51.100.{number}")))
                .insert_header(("forwarded", format!("for=198.51.100.{number}")));
            seen.push(bench.call(request).await.status.as_u16());
        }
        assert_eq!(seen, [401, 401, 401, 429, 429]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_host_that_a_client_names_is_in_no_link() {
    Bench::with(silent(), async |bench| {
        let request = TestRequest::post()
            .uri("/api/auth/sign-in-links")
            .insert_header(("host", "evil.test"))
            .insert_header(("x-forwarded-host", "evil.test"))
            .set_json(json!({ "user": "bob" }));
        let link = bench.admin(request).await.json();
        let url = link["url"].as_str().unwrap();
        assert!(url.starts_with("http://127.0.0.1:8788/sign-in/"), "{url}");
    })
    .await;
}
