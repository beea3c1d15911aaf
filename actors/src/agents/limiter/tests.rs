//! Limits as those see them who are paced, on one node.

use cluster::prelude::ActorId;
use serde_json::{Value, json};

use super::LIMITS_MAX;
use crate::{
    agents::{
        AgentCaller,
        tests::bench::{Bench, ann, evil, person},
    },
    limiter::{Lease, Limit, Limiter},
    role::Role,
    scene::acme,
};

fn bob() -> AgentCaller {
    person("bob", Role::Operator)
}

fn define(name: &str, window_ms: u64, max_requests: u32) -> Value {
    json!({ "name": name, "window_ms": window_ms, "max_requests": max_requests })
}

impl Bench {
    async fn check(&self, name: &str) -> Value {
        let args = json!({ "name": name });
        self.call("limiter", &bob(), "check", args).await.unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_is_let_through_so_often_in_any_window_and_told_when_to_come_again() {
    let bench = Bench::start(1).await;
    bench
        .call("limiter", &ann(), "define", define("mails", 10_000, 2))
        .await
        .unwrap();
    for remaining in [1, 0] {
        let standing = bench.check("mails").await;
        assert_eq!(
            (&standing["allowed"], &standing["remaining"]),
            (&json!(true), &json!(remaining))
        );
        bench.wait(4000).await;
    }
    let refused = bench.check("mails").await;
    assert_eq!(refused["allowed"], false);
    let wait = refused["retry_after_ms"].as_u64().unwrap();
    assert!((1..=2100).contains(&wait), "{refused}");
    bench.wait(wait).await;
    assert_eq!(bench.check("mails").await["allowed"], true);
    let unknown = bench
        .call("limiter", &bob(), "check", json!({ "name": "tea" }))
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), "limiter.unknown");
}

#[tokio::test(start_paused = true)]
async fn all_who_are_connected_see_the_limits_and_only_who_looks_after_the_tenant_changes_them() {
    let mut bench = Bench::start(2).await;
    let mut client = bench.client("limiter", &bob()).await.unwrap();
    assert_eq!(client.state(|_| true).await, json!({ "limits": {} }));
    let refused = bench
        .call("limiter", &bob(), "define", define("mails", 1000, 2))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), "auth.permission");
    let nobody = bench
        .call_as_nobody("limiter", "define", define("mails", 1000, 2))
        .await
        .unwrap_err();
    assert_eq!(nobody.code(), "auth.permission");
    client
        .cannot_set(json!({ "limits": { "mails": { "window_ms": 1, "max_requests": 1_000_000 } } }))
        .await;
    for (limit, code) in [
        (define("", 1000, 1), "limiter.name"),
        (define("a/b", 1000, 1), "limiter.name"),
        (define(&"x".repeat(65), 1000, 1), "limiter.name"),
        (define("x", 0, 1), "limiter.window"),
        (define("x", 86_400_001, 1), "limiter.window"),
        (define("x", 1000, 1_000_000_001), "limiter.max-requests"),
    ] {
        let refused = bench
            .call("limiter", &ann(), "define", limit.clone())
            .await
            .unwrap_err();
        assert_eq!(refused.code(), code, "{limit}");
    }
    bench
        .call("limiter", &ann(), "define", define("mails", 60_000, 2))
        .await
        .unwrap();
    let limits = json!({ "limits": { "mails": { "window_ms": 60_000, "max_requests": 2 } } });
    assert_eq!(client.state(|state| state["limits"]["mails"].is_object()).await, limits);
    // The limits outlive the node; what was counted does not.
    bench.check("mails").await;
    drop(client);
    bench.crash().await;
    assert_eq!(bench.check("mails").await["remaining"], 1);
    let gone = bench
        .call("limiter", &ann(), "remove", json!({ "name": "mails" }))
        .await
        .unwrap();
    assert_eq!(gone, Value::Null);
    let unknown = bench
        .call("limiter", &ann(), "remove", json!({ "name": "mails" }))
        .await
        .unwrap_err();
    assert_eq!(unknown.code(), "limiter.unknown");
    for number in 0..LIMITS_MAX {
        let limit = define(&format!("limit-{number}"), 1000, 1);
        bench.call("limiter", &ann(), "define", limit).await.unwrap();
    }
    let full = bench
        .call("limiter", &ann(), "define", define("one-more", 1000, 1))
        .await
        .unwrap_err();
    assert_eq!(full.code(), "limiter.too-many");
    bench
        .call("limiter", &ann(), "define", define("limit-0", 1000, 2))
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_limits_of_requests_are_shown_and_nothing_here_counts_for_them() {
    let bench = Bench::start(3).await;
    let take = |want| Lease {
        want,
        limit: Limit::per_minute(100),
    };
    let tenant = ActorId::from_name::<Limiter>(&acme(), "tenant");
    bench
        .scene
        .actor::<Limiter>(tenant.clone())
        .ask(take(30))
        .await
        .unwrap();
    bench
        .call("limiter", &ann(), "define", define("tenant", 60_000, 5))
        .await
        .unwrap();
    bench.check("tenant").await;
    let left = bench.scene.actor::<Limiter>(tenant).ask(take(0)).await.unwrap();
    assert_eq!(left.remaining, 70);
    for (who, key) in [(bob(), Value::Null), (person("key:7", Role::Operator), json!(50))] {
        let limits = bench.call("limiter", &who, "limits", json!([])).await.unwrap();
        assert_eq!(
            (&limits["tenant"]["remaining"], &limits["key"]["remaining"]),
            (&json!(70), &key)
        );
        let own = &limits["items"][0];
        assert_eq!(
            (
                &own["name"],
                &own["remaining"],
                &own["limit"]["max_requests"],
                &own["allowed"]
            ),
            (&json!("tenant"), &json!(4), &json!(5), &json!(true)),
            "looking counts nothing"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn tenants_have_limits_of_their_own() {
    let bench = Bench::start(4).await;
    for tenant in [acme(), evil()] {
        let limit = define("mails", 60_000, 1);
        bench
            .call_in(&tenant, "limiter", &ann(), "define", limit)
            .await
            .unwrap();
    }
    assert_eq!(bench.check("mails").await["allowed"], true);
    assert_eq!(bench.check("mails").await["allowed"], false);
    let args = json!({ "name": "mails" });
    let elsewhere = bench.call_in(&evil(), "limiter", &ann(), "check", args).await.unwrap();
    assert_eq!(elsewhere["allowed"], true);
}
