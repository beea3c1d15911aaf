//! Sessions that somebody else planted, and sessions that are over.

use std::time::Duration;

use actix_web::test::TestRequest;
use actors::role::Role;
use cluster::prelude::TenantId;

use super::super::bench::{Bench, call, silent};
use crate::gateway::{
    FIRST_USER,
    recent::FRESH,
    session::sign_in_link,
    token::{Purpose, Signer},
};

fn me(token: &str) -> TestRequest {
    TestRequest::get()
        .uri("/api/auth/me")
        .insert_header(("authorization", format!("Bearer {token}")))
}

fn with_cookie(cookie: &str) -> TestRequest {
    TestRequest::get()
        .uri("/api/auth/me")
        .insert_header(("cookie", cookie.to_owned()))
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_planted_before_the_sign_in_is_never_the_one_that_is_signed_in() {
    Bench::with(silent(), async |bench| {
        let tenant = TenantId::new("default").unwrap();
        let theirs = bench.token("acme", "mallory", Role::Operator).await;
        let never = Signer::claims(&tenant, "mallory", Purpose::Session, Duration::from_secs(3600));
        let never = bench.gateway.signer.sign(&never);
        for planted in ["made-up", &never, &theirs] {
            let link = url::Url::parse(&sign_in_link(&bench.gateway, &tenant, FIRST_USER)).unwrap();
            let sign_in = TestRequest::get()
                .uri(link.path())
                .insert_header(("cookie", format!("session_id={planted}")));
            let answer = bench.call(sign_in).await;
            let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
            assert!(
                cookie.starts_with("session_id=") && !cookie.ends_with(planted),
                "{cookie}"
            );
            assert_eq!(bench.call(with_cookie(&cookie)).await.json()["user"], FIRST_USER);
        }
        assert_eq!(bench.call(me("made-up")).await.status, 401);
        assert_eq!(bench.call(me(&never)).await.status, 401, "a session that nobody opened");
        assert_ne!(bench.call(me(&theirs)).await.json()["user"], FIRST_USER);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_second_session_cookie_is_refused_in_either_order() {
    Bench::with(silent(), async |bench| {
        let (ours, theirs) = (
            bench.token("default", "ann", Role::Operator).await,
            bench.token("acme", "mallory", Role::Operator).await,
        );
        for (first, second) in [(&ours, &theirs), (&theirs, &ours)] {
            let cookie = format!("session_id={first}; theme=dark; session_id={second}");
            bench.call(with_cookie(&cookie)).await.problem(401, "auth.ambiguous");
        }
        let cookie = format!("theme=dark; session_id={ours}");
        assert_eq!(bench.call(with_cookie(&cookie)).await.json()["user"], "ann");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_signed_out_is_refused_at_once_here_and_elsewhere_within_a_second() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("default", "ann", Role::Operator).await;
        let elsewhere = bench.another_node();
        assert_eq!(bench.call(me(&token)).await.status, 200);
        assert_eq!(call(&elsewhere, me(&token)).await.status, 200);
        let out = TestRequest::post()
            .uri("/api/auth/sign-out")
            .insert_header(("authorization", format!("Bearer {token}")));
        assert_eq!(bench.call(out).await.status, 204);
        bench.call(me(&token)).await.problem(401, "auth.signed-out");
        tokio::time::advance(FRESH).await;
        call(&elsewhere, me(&token)).await.problem(401, "auth.signed-out");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn signing_out_on_a_page_ends_the_session_and_not_only_the_cookie() {
    Bench::with(silent(), async |bench| {
        let token = bench.token("default", "ann", Role::Operator).await;
        let out = TestRequest::post()
            .uri("/sign-out")
            .insert_header(("cookie", format!("session_id={token}")))
            .insert_header(("host", "plans.test"))
            .insert_header(("origin", "http://plans.test"));
        assert_eq!(bench.call(out).await.status, 303);
        bench.call(me(&token)).await.problem(401, "auth.signed-out");
    })
    .await;
}
