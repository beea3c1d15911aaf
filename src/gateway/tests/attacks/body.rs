//! Bodies with more in them than was asked for, deeper than anybody needs, or without end.

use actix_web::{http::header, test::TestRequest};
use actors::role::Role;
use serde_json::{Value, json};

use super::super::{
    bench::{Bench, IDEA, silent},
    input::send,
};

#[tokio::test(start_paused = true)]
async fn a_member_that_nobody_asked_for_is_refused_wherever_a_body_is_read() {
    Bench::with(silent(), async |bench| {
        bench.token("default", "bob", Role::Operator).await;
        let run = bench.create(json!({})).await;
        let run = format!("/api/planning/runs/{run}");
        for (path, body) in [
            ("/api/planning/runs".to_owned(), json!({ "idea": IDEA })),
            (format!("{run}/reject"), json!({})),
            (format!("{run}/context"), json!({ "query": "x" })),
            ("/api/auth/sign-up".to_owned(), json!({})),
            ("/api/public/signup".to_owned(), json!({})),
            ("/api/auth/sign-in".to_owned(), json!({})),
            ("/api/auth/verify".to_owned(), json!({})),
            ("/api/auth/password/forgot".to_owned(), json!({})),
            ("/api/auth/password/reset".to_owned(), json!({})),
            ("/api/auth/password".to_owned(), json!({})),
            ("/api/auth/tenant".to_owned(), json!({})),
            ("/api/auth/invitations/look".to_owned(), json!({})),
            ("/api/tenant/invitations".to_owned(), json!({})),
            ("/api/auth/tokens".to_owned(), json!({})),
            ("/api/auth/sign-in-links".to_owned(), json!({})),
            ("/api/tenant/members/bob/role".to_owned(), json!({ "role": "operator" })),
            (
                "/api/tenant/keys".to_owned(),
                json!({ "name": "a program", "role": "operator" }),
            ),
            ("/api/admin/backups".to_owned(), json!({ "tenant": "acme" })),
            (
                "/api/admin/restores".to_owned(),
                json!({ "tenant": "acme", "name": "none" }),
            ),
            (
                "/api/admin/limits/tenant/default".to_owned(),
                json!({ "max_requests": 7 }),
            ),
        ] {
            for member in [
                "tenantId",
                "tenant_id",
                "is_admin",
                "verified",
                "plan",
                "by",
                "__proto__",
            ] {
                let mut body = body.clone();
                body[member] = json!("default");
                let problem = bench.post(&path, &body).await.problem(422, "body.invalid");
                let errors = problem["errors"].as_array().cloned().unwrap_or_default();
                let pointers: Vec<_> = errors.iter().map(|error| error["pointer"].clone()).collect();
                assert!(
                    pointers.contains(&Value::from(format!("/{member}"))),
                    "{path}: {problem}"
                );
            }
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn json_that_is_nested_without_end_is_refused() {
    Bench::with(silent(), async |bench| {
        let depth = 10_000;
        for text in [
            "[".repeat(depth),
            "{\"a\":".repeat(depth),
            format!("{{\"idea\":{}", "[".repeat(depth)),
            format!("{{\"idea\":{}1{}}}", "[".repeat(depth), "]".repeat(depth)),
            format!("{{\"config\":{}{{}}{}}}", "{\"a\":".repeat(5_000), "}".repeat(5_000)),
        ] {
            send(bench, text, "application/json")
                .await
                .problem(400, "body.invalid-json");
        }
        send(
            bench,
            format!("{{\"hours\":1{}}}", "0".repeat(50_000)),
            "application/json",
        )
        .await
        .problem(400, "body.invalid-json");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_idea_of_a_megabyte_is_too_large() {
    Bench::with(silent(), async |bench| {
        let body = json!({ "idea": "x".repeat(1024 * 1024) }).to_string();
        send(bench, body, "application/json")
            .await
            .problem(413, "body.too-large");
        let just_over = vec![b' '; bench.gateway.server.body_limit_bytes + 1];
        send(bench, just_over, "application/json")
            .await
            .problem(413, "body.too-large");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_length_that_is_claimed_is_refused_before_anything_is_read() {
    Bench::with(silent(), async |bench| {
        for length in ["65537", "999999999999999999999", "18446744073709551616", "-1", "1e3"] {
            let request = TestRequest::post()
                .uri("/api/planning/runs")
                .insert_header((header::CONTENT_TYPE, "application/json"))
                .insert_header((header::CONTENT_LENGTH, length));
            bench.admin(request).await.problem(413, "body.too-large");
        }
    })
    .await;
}
