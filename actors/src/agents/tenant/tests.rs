//! Tenants as their members see them, on one node.

use cluster::prelude::Uuid;
use serde_json::{Value, json};

use crate::{
    agents::tests::bench::{Bench, ann, evil, person},
    api_key::Scope,
    membership::{AddMember, ConfigureTenant, CreateInvitation, CreateTenantKey},
    role::{Plan, Role},
    scene::{DAY, acme, email, hashed, member, user},
};

fn rename(name: &str) -> ConfigureTenant {
    ConfigureTenant {
        name: Some(name.to_owned()),
        ..ConfigureTenant::default()
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_connected_sees_what_the_tenant_is_and_hears_of_changes() {
    let mut bench = Bench::start(1).await;
    let bob = person("bob", Role::Operator);
    let mut client = bench.client("tenant", &bob).await.unwrap();
    let state = client.state(|_| true).await;
    assert_eq!(
        (&state["id"], &state["name"], &state["plan"], &state["status"]),
        (&json!("acme"), &json!("acme"), &json!("free"), &json!("active"))
    );
    assert_eq!(state["room"], json!({ "members": 10, "invitations": 20, "keys": 10 }));
    assert_eq!(state["requests_per_minute"], 100);
    // Within half a minute by itself.
    bench.membership(&acme(), rename("Acme Works")).await.unwrap();
    bench.wait(31_000).await;
    client.state(|state| state["name"] == "Acme Works").await;
    // At once when somebody asks.
    let bigger = ConfigureTenant {
        plan: Some(Plan::Pro),
        ..ConfigureTenant::default()
    };
    bench.membership(&acme(), bigger).await.unwrap();
    let told = bench.call("tenant", &ann(), "refresh", json!([])).await.unwrap();
    assert_eq!(
        (&told["plan"], &told["requests_per_minute"]),
        (&json!("pro"), &Value::Null)
    );
    assert_eq!(client.state(|state| state["plan"] == "pro").await, told);
    client.cannot_set(told).await;
    // The state outlives the node, and is looked at again.
    drop(client);
    bench.crash().await;
    bench.membership(&acme(), rename("Acme")).await.unwrap();
    let mut client = bench.client("tenant", &bob).await.unwrap();
    assert_eq!(client.state(|_| true).await["name"], "Acme Works");
    client.state(|state| state["name"] == "Acme").await;
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_anything_while_nobody_is_connected() {
    let bench = Bench::start(2).await;
    let mut client = bench.client("tenant", &ann()).await.unwrap();
    client.state(|_| true).await;
    drop(client);
    bench.wait(120_000).await;
    let commits = bench.scene.commits();
    bench.wait(600_000).await;
    assert_eq!(bench.scene.commits(), commits);
}

#[tokio::test(start_paused = true)]
async fn members_are_told_in_pages_to_whoever_may_see_them() {
    let bench = Bench::start(3).await;
    for who in ["bob", "carl"] {
        let add = AddMember {
            member: member(who),
            role: Role::Operator,
        };
        bench.membership(&acme(), add).await.unwrap();
    }
    let operator = person("bob", Role::Operator);
    let refused = bench.call("tenant", &operator, "members", json!([])).await.unwrap_err();
    assert_eq!(refused.code(), "auth.permission");
    let nobody = bench.call_as_nobody("tenant", "members", json!([])).await.unwrap_err();
    assert_eq!(nobody.code(), "auth.permission");
    let supervisor = person("eve", Role::Supervisor);
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    loop {
        let args = json!({ "limit": 2, "after": after });
        let page = bench.call("tenant", &supervisor, "members", args).await.unwrap();
        seen.extend(page["items"].as_array().unwrap().clone());
        after = page["next"].clone();
        if after.is_null() {
            break;
        }
    }
    let users: Vec<_> = seen.iter().map(|member| &member["user"]).collect();
    assert_eq!(users, ["ann", "bob", "carl"]);
    assert_eq!(
        (&seen[0]["role"], &seen[1]["role"], &seen[1]["email"]),
        (&json!("admin"), &json!("operator"), &json!("bob@example.org"))
    );
}

#[tokio::test(start_paused = true)]
async fn usage_is_told_as_far_as_the_caller_may_know() {
    let bench = Bench::start(4).await;
    let invite = CreateInvitation {
        invitation: Uuid::from_u128(1),
        token: hashed("token"),
        email: email("bob"),
        role: Role::Operator,
        by: user("ann"),
        expires: bench.scene.now().plus(DAY),
    };
    bench.membership(&acme(), invite).await.unwrap();
    for key in 1..=2 {
        let create = CreateTenantKey {
            key: Uuid::from_u128(key),
            secret: hashed("secret"),
            name: "robot".to_owned(),
            scope: Scope::Role(Role::Operator),
            by: user("ann"),
            expires: None,
        };
        bench.membership(&acme(), create).await.unwrap();
    }
    let usage = async |who: &_| bench.call("tenant", who, "usage", json!([])).await.unwrap();
    let requests = json!({ "window_ms": 60_000, "max_requests": 100, "remaining": 100, "reset_ms": 0 });
    assert_eq!(
        usage(&ann()).await,
        json!({
            "members": 1, "invitations": 1, "keys": 2, "awaiting_runs": 0, "parked_ideas": 0, "requests": requests
        })
    );
    let operator = usage(&person("bob", Role::Operator)).await;
    assert_eq!(
        operator,
        json!({
            "members": null, "invitations": null, "keys": null, "awaiting_runs": 0, "parked_ideas": 0,
            "requests": requests
        })
    );
    // An invitation whose time is over takes no room.
    bench.scene.test.advance(2 * DAY).await;
    assert_eq!(usage(&ann()).await["invitations"], 0);
}

#[tokio::test(start_paused = true)]
async fn each_tenant_sees_itself() {
    let bench = Bench::start(5).await;
    bench.membership(&evil(), rename("Evil")).await.unwrap();
    let told = bench
        .call_in(&evil(), "tenant", &ann(), "refresh", json!([]))
        .await
        .unwrap();
    assert_eq!((&told["id"], &told["name"]), (&json!("evil"), &json!("Evil")));
    let told = bench.call("tenant", &ann(), "refresh", json!([])).await.unwrap();
    assert_eq!((&told["id"], &told["name"]), (&json!("acme"), &json!("acme")));
}
