//! Who may ask how often.

use std::time::Duration;

use actix_web::test::TestRequest;
use actors::role::Role;
use serde_json::json;

use super::bench::{Answer, Bench, call};
use crate::gateway::{
    Gateway, LimitsConfig, OnFailure,
    endpoint::{Access, Counting},
    routes::endpoints,
};

const RUNS: &str = "/api/planning/runs";

/// No limit but those that a test sets.
fn only(set: impl FnOnce(&mut LimitsConfig)) -> LimitsConfig {
    let mut limits = LimitsConfig::off();
    set(&mut limits);
    limits
}

fn from(address: &str, path: &str) -> TestRequest {
    let request = TestRequest::get().uri(path);
    request.peer_addr(format!("{address}:4711").parse().unwrap())
}

fn with(token: &str) -> TestRequest {
    from("192.0.2.1", RUNS).insert_header(("authorization", format!("Bearer {token}")))
}

async fn by_key(bench: &Bench) -> String {
    let made = bench
        .post("/api/tenant/keys", &json!({ "name": "a program", "role": "admin" }))
        .await;
    made.json()["key"]
        .as_str()
        .unwrap_or_else(|| panic!("{}", made.text()))
        .to_owned()
}

#[tokio::test(start_paused = true)]
async fn an_address_without_a_credential_is_refused_beyond_its_limit_and_told_when_to_come_back() {
    Bench::limited(only(|limits| limits.address_per_minute = 3), async |bench| {
        for left in [2, 1, 0] {
            let answer = bench.call(from("192.0.2.1", RUNS)).await;
            answer.problem(401, "auth.required");
            assert_eq!(answer.header("ratelimit-policy"), "\"address\";q=3;w=60");
            assert_eq!(answer.header("ratelimit"), format!("\"address\";r={left};t=60"));
            assert_eq!(answer.header("x-ratelimit-remaining"), left.to_string());
        }
        bench.cluster.advance(Duration::from_secs(20)).await;
        let refused = bench.call(from("192.0.2.1", RUNS)).await;
        refused.problem(429, "limit.exceeded");
        assert_eq!(
            (refused.header("retry-after"), refused.header("x-ratelimit-limit")),
            ("41", "3")
        );
        assert_eq!(
            refused.header("x-content-type-options"),
            "nosniff",
            "G11: with all other headers"
        );
        let page = bench.call(from("192.0.2.1", "/sign-in")).await;
        assert_eq!(
            (page.status.as_u16(), page.header("content-type")),
            (429, "text/html; charset=utf-8")
        );
        assert_eq!(
            bench.call(from("192.0.2.2", "/sign-in")).await.status,
            200,
            "another address"
        );
        bench.cluster.advance(Duration::from_secs(41)).await;
        bench.call(from("192.0.2.1", RUNS)).await.problem(401, "auth.required");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn whoever_is_let_in_does_not_count_for_their_address_and_whoever_is_refused_does() {
    Bench::limited(only(|limits| limits.address_per_minute = 2), async |bench| {
        let token = bench.token("acme", "ann", Role::Admin).await;
        for _ in 0..10 {
            assert_eq!(bench.call(with(&token)).await.status, 200);
        }
        for _ in 0..2 {
            bench
                .call(with("made.up.token"))
                .await
                .problem(401, "auth.invalid-token");
        }
        bench.call(with("made.up.token")).await.problem(429, "limit.exceeded");
        assert_eq!(bench.call(with(&token)).await.status, 200, "a neighbour is not held up");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn beyond_the_limit_of_an_address_no_actor_is_asked_about_keys_that_were_never_seen() {
    Bench::limited(only(|limits| limits.address_per_minute = 2), async |bench| {
        let good = by_key(bench).await;
        assert_eq!(bench.call(with(&good)).await.status, 200);
        let tenant = |number: u32| format!("fdn_acme_{number:032x}_{}", "ab".repeat(32));
        for number in 0..2 {
            bench.call(with(&tenant(number))).await.problem(401, "auth.invalid-key");
        }
        bench.call(with(&tenant(2))).await.problem(429, "limit.exceeded");
        bench.call(with(&tenant(3))).await.problem(429, "limit.exceeded");
        let asked = bench.cluster.cluster().live(&key_actor(3)).await.unwrap();
        assert!(asked.is_none(), "{asked:?}");
        assert_eq!(
            bench.call(with(&good)).await.status,
            200,
            "a program that is known goes on"
        );
    })
    .await;
}

fn key_actor(number: u128) -> cluster::prelude::ActorId {
    let tenant = cluster::prelude::TenantId::new("acme").unwrap();
    actors::api_key::ApiKey::address(&tenant, uuid::Uuid::from_u128(number))
}

#[tokio::test(start_paused = true)]
async fn files_health_and_metrics_count_for_nothing() {
    Bench::limited(only(|limits| limits.address_per_minute = 1), async |bench| {
        for path in ["/health", "/ready", "/metrics", "/assets/none.css"] {
            for _ in 0..3 {
                let answer = bench.call(from("192.0.2.1", path)).await;
                assert_ne!(answer.status, 429, "{path}");
                assert!(!answer.headers.contains_key("ratelimit"), "{path}");
            }
        }
        for (path, status) in [("/nothing", 404), ("/nothing", 429)] {
            assert_eq!(
                bench.call(from("192.0.2.1", path)).await.status,
                status,
                "what is not there counts"
            );
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_tenant_has_the_limit_of_its_plan_whoever_asks_in_it() {
    let limits = only(|limits| {
        limits.free_per_minute = 4;
        limits.enterprise_per_minute = 9;
    });
    Bench::limited(limits, async |bench| {
        let free = [
            bench.token("acme", "ann", Role::Admin).await,
            bench.token("acme", "bob", Role::Operator).await,
        ];
        let home = bench.token("default", "eve", Role::Admin).await;
        let mut limit = Vec::new();
        for turn in 0..6 {
            let answer = bench.call(with(&free[turn % 2])).await;
            limit.push(answer.status.as_u16());
            assert_eq!(answer.header("ratelimit-policy"), "\"tenant\";q=4;w=60");
        }
        assert_eq!(limit, [200, 200, 200, 200, 429, 429]);
        let answer = bench.call(with(&home)).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-ratelimit-limit")), (200, "9"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_key_beyond_its_limit_leaves_the_rest_to_its_tenant() {
    let limits = only(|limits| {
        limits.key_per_minute = 2;
        limits.enterprise_per_minute = 20;
    });
    Bench::limited(limits, async |bench| {
        let key = by_key(bench).await;
        let mut seen = Vec::new();
        for _ in 0..10 {
            seen.push(bench.call(with(&key)).await);
        }
        assert_eq!(
            seen[1].header("ratelimit-policy"),
            "\"key\";q=2;w=60, \"tenant\";q=20;w=60"
        );
        for refused in &seen[2..] {
            refused.problem(429, "limit.exceeded");
        }
        let person = bench.admin(from("192.0.2.1", RUNS)).await;
        assert_eq!(
            (person.status.as_u16(), person.header("x-ratelimit-remaining")),
            (200, "16")
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn two_nodes_share_a_limit() {
    Bench::limited(only(|limits| limits.free_per_minute = 10), async |bench| {
        let token = bench.token("acme", "ann", Role::Admin).await;
        let elsewhere = bench.another_node();
        let mut allowed = 0;
        for _ in 0..10 {
            for gateway in [&bench.gateway, &elsewhere] {
                allowed += u32::from(call(gateway, with(&token)).await.status == 200);
            }
        }
        assert_eq!(allowed, 10);
    })
    .await;
}

/// Makes every limiter unreachable.
async fn cut_off(bench: &Bench) -> Gateway {
    let gateway = bench.another_node();
    bench.cluster.cluster().shutdown().await;
    gateway
}

#[tokio::test(start_paused = true)]
async fn without_limiters_requests_go_on_or_not_as_configured_and_attempts_never_do() {
    for (on_failure, expected) in [(OnFailure::Open, 401), (OnFailure::Closed, 503)] {
        let limits = only(|limits| {
            limits.address_per_minute = 2;
            limits.attempts_per_minute = 2;
            limits.on_failure = on_failure;
        });
        Bench::limited(limits, async |bench| {
            let gateway = cut_off(bench).await;
            let status = async |path| call(&gateway, from("192.0.2.1", path)).await;
            let answer: Answer = status(RUNS).await;
            assert_eq!(answer.status, expected, "{on_failure:?}: {}", answer.text());
            let attempt = status("/sign-in/made-up").await;
            assert_eq!(
                (attempt.status.as_u16(), attempt.header("retry-after")),
                (503, "2"),
                "{on_failure:?}"
            );
            assert_eq!(status("/health").await.status, 200);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn links_are_tried_a_few_times_a_minute_and_address() {
    Bench::limited(only(|limits| limits.attempts_per_minute = 2), async |bench| {
        let seen = async |address| bench.call(from(address, "/sign-in/made-up")).await.status.as_u16();
        assert_eq!([seen("192.0.2.1").await, seen("192.0.2.1").await], [403, 403]);
        assert_eq!([seen("192.0.2.1").await, seen("192.0.2.2").await], [429, 403]);
        let (one, same, other) = ("[2001:db8::1]", "[2001:db8::ffff:1]", "[2001:db8:0:1::1]");
        assert_eq!([seen(one).await, seen(same).await, seen(one).await], [403, 403, 429]);
        assert_eq!(seen(other).await, 403, "another network");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn whoever_looks_after_the_server_sees_a_limiter_and_resets_it() {
    Bench::limited(only(|limits| limits.address_per_minute = 2), async |bench| {
        let place = "/api/admin/limits/address/192.0.2.1";
        for _ in 0..3 {
            bench.call(from("192.0.2.1", RUNS)).await;
        }
        let standing = bench.get(place).await.json();
        assert_eq!(
            (
                &standing["max_requests"],
                &standing["window_ms"],
                &standing["remaining"]
            ),
            (&json!(2), &json!(60_000), &json!(0)),
            "{standing}"
        );
        let answer = bench.admin(TestRequest::delete().uri(place)).await;
        assert_eq!(answer.status, 204, "{}", answer.text());
        assert_eq!(bench.get(place).await.json()["remaining"], 2);
        bench.cluster.advance(Duration::from_secs(1)).await;
        bench.call(from("192.0.2.1", RUNS)).await.problem(401, "auth.required");

        let own = bench.post(place, &json!({ "max_requests": 7 })).await;
        assert_eq!(
            (own.status.as_u16(), &own.json()["remaining"]),
            (200, &json!(6)),
            "{}",
            own.text()
        );
        let answer = bench.call(from("192.0.2.1", RUNS)).await;
        assert_eq!(answer.header("x-ratelimit-limit"), "7", "instead of the configured one");
        for other in [
            "tenant/acme",
            "tenant/no",
            "key/acme",
            "key/acme_7",
            "address/x",
            "moon/1",
        ] {
            bench.get(&format!("/api/admin/limits/{other}")).await.problem(
                404,
                if other.starts_with("tenant") {
                    "tenant.unknown"
                } else {
                    "limit.not-found"
                },
            );
        }
        let tenant = bench.get("/api/admin/limits/tenant/default").await;
        assert_eq!(tenant.status, 200, "{}", tenant.text());
    })
    .await;
}

#[test]
fn whatever_is_open_to_everyone_and_changes_something_counts_as_an_attempt() {
    let others: Vec<_> = endpoints()
        .into_iter()
        .filter(|endpoint| endpoint.access == Access::Public && endpoint.method != "GET")
        .filter(|endpoint| endpoint.counting != Counting::Attempts)
        .map(|endpoint| endpoint.path)
        .collect();
    assert_eq!(others, ["/sign-out", "/theme"], "nothing is proven at these");
}
