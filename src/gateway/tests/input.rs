//! Bad input: every fault has its status and its code, and nothing happens.

use actix_web::{http::header, test::TestRequest};
use serde_json::json;

use super::bench::{Bench, IDEA, silent};

pub(super) async fn send(bench: &Bench, body: impl Into<Vec<u8>>, kind: &str) -> super::bench::Answer {
    let request = TestRequest::post()
        .uri("/api/planning/runs")
        .insert_header((header::CONTENT_TYPE, kind))
        .set_payload(body.into());
    bench.admin(request).await
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_fit_is_refused_with_its_fields() {
    Bench::with(silent(), async |bench| {
        for (body, pointer) in [
            (json!({}), "/idea"),
            (json!({ "idea": null }), "/idea"),
            (json!({ "idea": "   " }), "/idea"),
            (json!({ "idea": 7 }), "/idea"),
            (json!({ "idea": ["a"] }), "/idea"),
            (json!({ "idea": "x".repeat(6_000) }), "/idea"),
            (json!({ "idea": "a\u{0}b and more of it" }), "/idea"),
            (json!({ "idea": IDEA, "mode": "moon" }), "/mode"),
            (json!({ "idea": IDEA, "colour": "red" }), "/colour"),
            (json!({ "idea": IDEA, "config": "all" }), "/config"),
            (
                json!({ "idea": IDEA, "config": { "requireReview": "yes" } }),
                "/config/requireReview",
            ),
            (json!({ "idea": IDEA, "config": { "speed": 1 } }), "/config/speed"),
        ] {
            let problem = bench
                .post("/api/planning/runs", &body)
                .await
                .problem(422, "body.invalid");
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        }
        let short = bench.post("/api/planning/runs", &json!({ "idea": "short" })).await;
        assert_eq!(short.status, 422, "{}", short.text());
        assert_eq!(
            bench.get("/api/planning/runs").await.json()["items"],
            json!([]),
            "nothing was created"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_cannot_be_read_is_refused() {
    Bench::with(silent(), async |bench| {
        let json = "application/json";
        send(bench, b"{\"idea\":".to_vec(), json)
            .await
            .problem(400, "body.invalid-json");
        send(bench, b"{\"idea\":\"\xff\xfe and so on\"}".to_vec(), json)
            .await
            .problem(400, "body.invalid-utf8");
        send(bench, b"[1]".to_vec(), json).await.problem(422, "body.invalid");
        send(bench, b"\"idea\"".to_vec(), json)
            .await
            .problem(422, "body.invalid");
        send(bench, b"idea=x".to_vec(), "application/x-www-form-urlencoded")
            .await
            .problem(415, "body.media-type");
        let deep = "[".repeat(10_000);
        send(bench, deep, json).await.problem(400, "body.invalid-json");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_query_that_does_not_fit_is_refused() {
    Bench::with(silent(), async |bench| {
        let run = bench.create(json!({})).await;
        for (path, code) in [
            ("/api/planning/runs?limit=0".to_owned(), "query.invalid"),
            ("/api/planning/runs?limit=101".to_owned(), "query.invalid"),
            ("/api/planning/runs?limit=many".to_owned(), "query.invalid"),
            ("/api/planning/runs?limit=".to_owned(), "query.invalid"),
            ("/api/planning/runs?limit=5&limit=5".to_owned(), "query.invalid"),
            ("/api/planning/runs?status=sleeping".to_owned(), "query.invalid"),
            ("/api/planning/runs?offset=3".to_owned(), "query.invalid"),
            (
                format!("/api/planning/runs/{run}/artifacts/strategy?version=0"),
                "query.invalid",
            ),
            (format!("/api/planning/runs/{run}/package?format=pdf"), "query.invalid"),
            (
                format!("/api/planning/runs/{run}/events?last_event_id=x"),
                "query.invalid",
            ),
        ] {
            bench.get(&path).await.problem(422, code);
        }
        bench
            .get("/api/planning/runs?cursor=zzz")
            .await
            .problem(400, "query.cursor");
        bench
            .get("/api/planning/runs?status=%ff")
            .await
            .problem(400, "query.invalid-utf8");
        let context = format!("/api/planning/runs/{run}/context");
        bench
            .post(&context, &json!({ "query": "", "topK": 5 }))
            .await
            .problem(422, "body.invalid");
        bench
            .post(&context, &json!({ "query": "x", "topK": 0 }))
            .await
            .problem(422, "body.invalid");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_method_says_which_are_right() {
    Bench::with(silent(), async |bench| {
        let answer = bench.admin(TestRequest::put().uri("/api/planning/runs")).await;
        answer.problem(405, "method-not-allowed");
        let allow = answer.header("allow");
        assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
        let answer = bench.admin(TestRequest::delete().uri("/health")).await;
        answer.problem(405, "method-not-allowed");
        assert_eq!(answer.header("allow"), "GET, HEAD");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_address_answers_programs_in_json_and_people_with_a_page() {
    Bench::with(silent(), async |bench| {
        for path in ["/api/nothing", "/api/planning/runs/", "/api"] {
            bench.get(path).await.problem(404, "not-found");
        }
        let page = bench.call(TestRequest::get().uri("/nothing")).await;
        assert_eq!(page.status, 404);
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        assert!(page.text().contains("<h1"), "{}", page.text());
    })
    .await;
}
