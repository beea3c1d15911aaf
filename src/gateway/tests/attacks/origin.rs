//! Requests that another site makes a browser send.

use actix_web::test::TestRequest;
use actors::role::Role;
use serde_json::json;

use super::super::bench::{Bench, IDEA, silent};
use crate::gateway::{endpoint::Access, routes::endpoints, tests::permissions::address};

#[tokio::test(start_paused = true)]
async fn a_cookie_changes_things_only_from_our_own_pages() {
    Bench::with(silent(), async |bench| {
        let cookie = bench.cookie().await;
        let post = |origin: Option<&'static str>| {
            let request = TestRequest::post()
                .uri("/api/planning/runs")
                .insert_header(("cookie", cookie.clone()))
                .insert_header(("host", "plans.test:8788"))
                .set_json(json!({ "idea": IDEA }));
            match origin {
                Some(origin) => request.insert_header(("origin", origin)),
                None => request,
            }
        };
        for origin in [
            None,
            Some("null"),
            Some("http://evil.test"),
            Some("https://plans.test:8788"),
            Some("http://plans.test"),
            Some("http://plans.test:8788.evil.test"),
        ] {
            bench.call(post(origin)).await.problem(403, "auth.origin");
        }
        assert_eq!(bench.call(post(Some("http://plans.test:8788"))).await.status, 200);
        let read = TestRequest::get()
            .uri("/api/planning/runs")
            .insert_header(("cookie", bench.cookie().await));
        assert_eq!(bench.call(read).await.status, 200, "reading needs no origin");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_form_of_another_site_is_refused_at_each_endpoint_that_changes_something() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("default", "ann", Role::Admin).await;
        let mut tried = 0;
        for endpoint in endpoints() {
            let is_open_to_programs = endpoint.access == Access::Public && endpoint.path.starts_with("/api/");
            if endpoint.method == "GET" || is_open_to_programs {
                continue;
            }
            for origin in [None, Some("null"), Some("https://evil.test")] {
                let mut request = TestRequest::default()
                    .method(endpoint.method.clone())
                    .uri(&address(&endpoint))
                    .insert_header(("cookie", format!("session_id={token}")))
                    .insert_header(("host", "plans.test"))
                    .insert_header(("content-type", "application/x-www-form-urlencoded"));
                if let Some(origin) = origin {
                    request = request.insert_header(("origin", origin));
                }
                let answer = bench.call(request).await;
                assert_eq!(answer.status, 403, "{endpoint:?} from {origin:?}: {}", answer.text());
                tried += 1;
            }
        }
        assert!(tried > 60, "{tried}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn no_other_site_reads_an_answer_or_has_cookies_sent() {
    Bench::with(silent(), async |bench| {
        let cookie = bench.cookie().await;
        for origin in ["https://evil.test", "null", "http://127.0.0.1.evil.test"] {
            let preflight = TestRequest::default()
                .method(actix_web::http::Method::OPTIONS)
                .uri("/api/planning/runs")
                .insert_header(("origin", origin))
                .insert_header(("access-control-request-method", "POST"));
            let answer = bench.call(preflight).await;
            assert!(!answer.headers.contains_key("access-control-allow-origin"), "{origin}");
            let read = TestRequest::get()
                .uri("/api/planning/runs")
                .insert_header(("origin", origin))
                .insert_header(("cookie", cookie.clone()));
            let answer = bench.call(read).await;
            for header in ["access-control-allow-origin", "access-control-allow-credentials"] {
                assert!(!answer.headers.contains_key(header), "{origin}: {header}");
            }
        }
    })
    .await;
}
