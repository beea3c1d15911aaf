//! Who gets in.

use std::time::Duration;

use actix_web::test::TestRequest;
use actors::role::Role;
use cluster::prelude::TenantId;
use serde_json::json;

use super::bench::{Bench, IDEA, silent};
use crate::{
    config::ServerConfig,
    gateway::{
        FIRST_USER,
        recent::FRESH,
        session::{SIGNED_IN, sign_in_link},
        token::{Purpose, Signer},
    },
};

fn path_of(link: &str) -> String {
    url::Url::parse(link).unwrap().path().to_owned()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_told_without_a_token() {
    Bench::with(silent(), async |bench| {
        let run = "01980000-0000-7000-8000-000000000000";
        for path in [
            "/runs".to_owned(),
            format!("/runs/{run}"),
            format!("/runs/{run}/events"),
            "/parked-ideas".to_owned(),
        ] {
            let answer = bench
                .call(TestRequest::get().uri(&format!("/api/planning{path}")))
                .await;
            answer.problem(401, "auth.required");
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
        }
        for page in [
            "/",
            "/runs",
            "/runs/new",
            "/parked",
            "/settings",
            &format!("/runs/{run}"),
        ] {
            let answer = bench.call(TestRequest::get().uri(page)).await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("location")),
                (303, "/sign-in"),
                "{page}"
            );
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_not_ours_is_refused() {
    Bench::with(silent(), async |bench| {
        let me = async |value: String| {
            bench
                .call(
                    TestRequest::get()
                        .uri("/api/auth/me")
                        .insert_header(("authorization", value)),
                )
                .await
        };
        let good = bench.token("default", "ann", Role::Operator).await;
        let claims = me(format!("bearer {good}")).await.json();
        assert_eq!(
            (claims["user"].as_str(), claims["role"].as_str()),
            (Some("ann"), Some("operator"))
        );
        me(good.clone()).await.problem(401, "auth.scheme");
        me(format!("Basic {good}")).await.problem(401, "auth.scheme");
        me(format!("Bearer {good}x")).await.problem(401, "auth.invalid-token");
        let tenant = TenantId::new("default").unwrap();
        let link = Signer::claims(&tenant, "ann", Purpose::SignIn, Duration::from_secs(60));
        me(format!("Bearer {}", bench.gateway.signer.sign(&link)))
            .await
            .problem(401, "auth.invalid-token");
        let mut old = Signer::claims(&tenant, "ann", Purpose::Session, Duration::from_secs(60));
        old.iat -= 600;
        old.exp -= 600;
        me(format!("Bearer {}", bench.gateway.signer.sign(&old)))
            .await
            .problem(401, "auth.expired");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_link_works_once() {
    Bench::with(silent(), async |bench| {
        let tenant = TenantId::new("default").unwrap();
        let link = path_of(&sign_in_link(&bench.gateway, &tenant, FIRST_USER));
        let prefetch = TestRequest::get().uri(&link).insert_header(("sec-purpose", "prefetch"));
        assert_eq!(bench.call(prefetch).await.status, 204, "a preview does not use it up");

        let signed_in = bench.call(TestRequest::get().uri(&link)).await;
        assert_eq!(
            (signed_in.status.as_u16(), signed_in.header("refresh")),
            (200, "0;url=/runs")
        );
        let cookie = signed_in.header("set-cookie").to_owned();
        for part in ["session_id=", "HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
            assert!(cookie.contains(part), "{part}: {cookie}");
        }
        assert!(!cookie.contains("Secure"), "the server is reached without TLS");
        assert!(
            bench
                .cluster
                .cluster()
                .settings()
                .get(SIGNED_IN)
                .await
                .unwrap()
                .is_some()
        );

        let session = cookie.split(';').next().unwrap().to_owned();
        let board = bench
            .call(TestRequest::get().uri("/runs").insert_header(("cookie", session)))
            .await;
        assert_eq!(board.status, 200, "{}", board.text());

        let again = bench.call(TestRequest::get().uri(&link)).await;
        assert_eq!(again.status, 403);
        assert!(!again.headers.contains_key("set-cookie"));
        let forged = bench.call(TestRequest::get().uri("/sign-in/made-up")).await;
        assert_eq!(
            (forged.status.as_u16(), forged.headers.contains_key("set-cookie")),
            (403, false)
        );
        let said = |answer: &super::bench::Answer| answer.text().split_once("<h1").unwrap().1.to_owned();
        assert_ne!(
            said(&again),
            said(&bench.call(TestRequest::get().uri("/sign-in")).await),
            "the page says why"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn behind_tls_cookies_are_secure_and_the_public_origin_counts() {
    let server = ServerConfig {
        public_url: "https://plans.test".to_owned(),
        ..ServerConfig::default()
    };
    Bench::configured(silent(), server, async |bench| {
        let tenant = TenantId::new("default").unwrap();
        let link = sign_in_link(&bench.gateway, &tenant, FIRST_USER);
        assert!(link.starts_with("https://plans.test/sign-in/"));
        let signed_in = bench.call(TestRequest::get().uri(&path_of(&link))).await;
        assert!(signed_in.header("set-cookie").contains("Secure"));
        assert!(signed_in.header("strict-transport-security").contains("max-age"));
        let out = |origin: &'static str| {
            TestRequest::post()
                .uri("/sign-out")
                .insert_header(("host", "10.0.0.1"))
                .insert_header(("origin", origin))
        };
        assert_eq!(bench.call(out("http://10.0.0.1")).await.status, 403);
        let answer = bench.call(out("https://plans.test")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("location")),
            (303, "/sign-in?why=out")
        );
        assert!(
            answer.header("set-cookie").contains("Max-Age=0"),
            "{}",
            answer.header("set-cookie")
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn tokens_are_made_by_those_who_may() {
    Bench::with(silent(), async |bench| {
        let mint = async |role: Role, path: &str, body: serde_json::Value| {
            let token = bench.token("default", "x", role).await;
            let request = TestRequest::post()
                .uri(path)
                .insert_header(("authorization", format!("Bearer {token}")));
            bench.call(request.set_json(body)).await
        };
        let tokens = "/api/auth/tokens";
        for role in [Role::Operator, Role::Supervisor] {
            mint(role, tokens, json!({})).await.problem(403, "auth.permission");
        }
        mint(Role::Admin, tokens, json!({ "hours": 100_000 }))
            .await
            .problem(422, "body.invalid");
        let minted = mint(
            Role::Admin,
            tokens,
            json!({ "tenant": "other", "user": "bot", "role": "operator" }),
        )
        .await;
        assert_eq!(
            (minted.status.as_u16(), minted.header("cache-control")),
            (201, "no-store")
        );
        let token = minted.json()["token"].as_str().unwrap().to_owned();
        let me = TestRequest::get()
            .uri("/api/auth/me")
            .insert_header(("authorization", format!("Bearer {token}")));
        let me = bench.call(me).await.json();
        assert_eq!(
            (me["tenant"].as_str(), me["user"].as_str()),
            (Some("other"), Some("bot"))
        );
        let link = mint(Role::Admin, "/api/auth/sign-in-links", json!({ "user": "bob" }))
            .await
            .json();
        let signed_in = bench
            .call(TestRequest::get().uri(&path_of(link["url"].as_str().unwrap())))
            .await;
        assert_eq!(signed_in.status, 200);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn every_answer_has_an_id_and_the_security_headers() {
    Bench::with(silent(), async |bench| {
        for path in [
            "/health",
            "/runs",
            "/sign-in",
            "/nothing",
            "/api/nothing",
            "/api/planning/runs",
            "/metrics",
        ] {
            let answer = bench
                .call(
                    TestRequest::get()
                        .uri(path)
                        .insert_header(("x-correlation-id", "abc-1")),
                )
                .await;
            assert_eq!(answer.header("x-correlation-id"), "abc-1", "{path}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
            assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
            assert!(
                answer.header("content-security-policy").contains("default-src 'none'"),
                "{path}"
            );
        }
        let answer = bench
            .call(
                TestRequest::get()
                    .uri("/health")
                    .insert_header(("x-correlation-id", "a b")),
            )
            .await;
        assert_ne!(answer.header("x-correlation-id"), "a b");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_role_that_was_taken_away_is_gone_within_a_second() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("default", "ann", Role::Admin).await;
        let create = || {
            TestRequest::post()
                .uri("/api/planning/runs")
                .insert_header(("authorization", format!("Bearer {token}")))
                .set_json(json!({ "idea": IDEA }))
        };
        assert_eq!(bench.call(create()).await.status, 200);
        bench.token("default", "ann", Role::Operator).await;
        tokio::time::advance(FRESH).await;
        bench.call(create()).await.problem(403, "auth.permission");
    })
    .await;
}
