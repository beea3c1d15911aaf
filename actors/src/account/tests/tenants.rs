//! The index of tenants.

use std::time::Duration;

use cluster::prelude::TenantId;

use crate::{
    account::{ForgetMembership, GetAccount, NoteMembership},
    scene::{Scene, acme, code},
};

fn note(tenant: &str) -> NoteMembership {
    NoteMembership {
        tenant: TenantId::new(tenant).unwrap(),
        name: "A tenant".into(),
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_noted_a_moment_ago_is_not_forgotten() {
    let mut scene = Scene::start(1).await;
    scene.person("ann").await;
    let forget = || ForgetMembership { tenant: acme() };
    let known = async |scene: &Scene| scene.account("ann", GetAccount).await.unwrap().tenants.len();
    scene.account("ann", note("acme")).await.unwrap();
    scene.test.advance(Duration::from_secs(59)).await;
    scene.account("ann", forget()).await.unwrap();
    assert_eq!(known(&scene).await, 1);
    scene.account("ann", note("acme")).await.unwrap();
    scene.test.crash_and_restart_after(Duration::from_secs(59)).await;
    scene.account("ann", forget()).await.unwrap();
    assert_eq!(known(&scene).await, 1, "it was noted again");
    scene.test.advance(Duration::from_secs(1)).await;
    scene.account("ann", forget()).await.unwrap();
    assert_eq!(known(&scene).await, 0);
}

#[tokio::test(start_paused = true)]
async fn there_is_a_bound_on_tenants() {
    let scene = Scene::start(2).await;
    scene.person("ann").await;
    for number in 0..100 {
        scene.account("ann", note(&format!("t{number}"))).await.unwrap();
    }
    assert_eq!(
        code(scene.account("ann", note("more")).await),
        "account.too-many-tenants"
    );
    scene.account("ann", note("t7")).await.unwrap();
}
