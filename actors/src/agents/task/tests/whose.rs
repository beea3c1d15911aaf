//! On whose behalf tasks are done.

use super::*;
use crate::{
    api_key::Scope,
    membership::{CreateTenantKey, RevokeTenantKey},
    scene::hashed,
};
use cluster::prelude::Uuid;

/// Something that takes two seconds, so that what is given after it waits.
fn slow() -> Value {
    call("tally", "add", json!({ "amount": 0, "millis": 2000 }))
}

#[tokio::test(start_paused = true)]
async fn a_task_is_done_with_the_permissions_that_its_giver_had_and_still_has() {
    let bench = Bench::start(31).await;
    bench.add_member("bob", Role::Admin).await;
    let bob = person("bob", Role::Admin);
    for job in [slow(), start_run(), add(1)] {
        bench.give(&bob, job).await.unwrap();
    }
    let lower = SetRole {
        user: user("bob"),
        role: Role::Operator,
    };
    bench.membership(&acme(), lower).await.unwrap();
    bench.wait(5000).await;
    assert_eq!(
        bench.statuses(&bob).await,
        statuses(&[(1, "done"), (2, "failed"), (3, "done")])
    );
    assert_eq!(bench.task(&bob, 2).await["error"]["code"], "auth.permission");
    // What somebody could not do then they cannot do later either.
    let less = AgentCaller {
        user: "ann".to_owned(),
        permissions: ["agent:use".to_owned(), "run:view".to_owned()].into(),
    };
    bench.give(&less, call("tally", "total", Value::Null)).await.unwrap();
    bench.wait(1000).await;
    assert_eq!(
        bench.task(&less, 1).await["result"],
        json!([0, "ann", ["agent:use", "run:view"]])
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_done_for_whoever_has_gone_nor_in_a_tenant_that_is_suspended() {
    let bench = Bench::start(32).await;
    bench.add_member("bob", Role::Operator).await;
    let bob = person("bob", Role::Operator);
    for who in [&bob, &ann()] {
        for job in [slow(), add(1)] {
            bench.give(who, job).await.unwrap();
        }
    }
    let remove = RemoveMember { user: user("bob") };
    bench.membership(&acme(), remove).await.unwrap();
    let why = "unpaid".to_owned();
    bench.membership(&acme(), SuspendTenant { why }).await.unwrap();
    bench.wait(5000).await;
    assert_eq!(bench.task(&bob, 2).await["error"]["code"], "member.unknown");
    assert_eq!(bench.task(&ann(), 2).await["error"]["code"], "tenant.suspended");
    assert_eq!((bench.total(&bob).await, bench.total(&ann()).await), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_an_api_key_gives_is_done_until_the_key_is_revoked() {
    let bench = Bench::start(33).await;
    let key = Uuid::from_u128(7);
    let scope = Scope::Permissions(["agent:use".to_owned()].into());
    let create = CreateTenantKey {
        key,
        secret: hashed("secret"),
        name: "robot".to_owned(),
        scope: scope.clone(),
        by: user("ann"),
        expires: None,
    };
    bench.membership(&acme(), create).await.unwrap();
    let robot = AgentCaller {
        user: format!("key:{key}"),
        permissions: grants(&scope, &acme()),
    };
    bench.give(&robot, add(1)).await.unwrap();
    bench.wait(1000).await;
    assert_eq!(bench.total(&robot).await, 1);
    for job in [slow(), add(1)] {
        bench.give(&robot, job).await.unwrap();
    }
    bench.membership(&acme(), RevokeTenantKey { key }).await.unwrap();
    bench.wait(5000).await;
    assert_eq!(bench.task(&robot, 3).await["error"]["code"], "key.unknown");
    assert_eq!(bench.total(&robot).await, 1);
}

#[tokio::test(start_paused = true)]
async fn queues_of_other_users_and_other_tenants_are_others() {
    let bench = Bench::start(34).await;
    bench.add_member("bob", Role::Operator).await;
    bench.give(&ann(), add(1)).await.unwrap();
    let args = json!({ "job": add(100) });
    let elsewhere = bench.call_in(&evil(), "task", &ann(), "enqueue", args).await.unwrap();
    assert_eq!(elsewhere["id"], 1);
    bench.wait(1000).await;
    assert_eq!(bench.statuses(&person("bob", Role::Operator)).await, []);
    let total = async |tenant| {
        bench
            .call_in(tenant, "tally", &ann(), "total", json!([]))
            .await
            .unwrap()[0]
            .clone()
    };
    assert_eq!((total(&acme()).await, total(&evil()).await), (json!(1), json!(100)));
    // Nobody of another tenant is told anything.
    let args = json!({ "job": notify("bob", "tea") });
    bench.call_in(&evil(), "task", &ann(), "enqueue", args).await.unwrap();
    bench.wait(1000).await;
    let task = bench
        .call_in(&evil(), "task", &ann(), "get", json!({ "id": 2 }))
        .await
        .unwrap();
    assert_eq!(task["error"]["code"], "member.unknown");
    assert_eq!(bench.inbox("bob").await, Vec::<String>::new());
}
