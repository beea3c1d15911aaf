//! The index of keys, and the keys.

use std::time::Duration;

use cluster::prelude::Uuid;

use crate::{
    api_key::{CheckKey, CreateKey, RevokeKey, Scope},
    membership::{CreateTenantKey, ListKeys, Membership, RevokeTenantKey},
    role::{Plan, Role},
    scene::{DAY, Scene, acme, code, hashed, user},
};

fn create(id: u128) -> CreateTenantKey {
    CreateTenantKey {
        key: Uuid::from_u128(id),
        secret: hashed(&format!("secret {id}")),
        name: "a key".into(),
        scope: Scope::Role(Role::Operator),
        by: user("ann"),
        expires: None,
    }
}

fn check(id: u128) -> CheckKey {
    CheckKey {
        secret: hashed(&format!("secret {id}")),
    }
}

fn revoke(id: u128) -> RevokeTenantKey {
    RevokeTenantKey {
        key: Uuid::from_u128(id),
    }
}

async fn listed(scene: &Scene) -> Vec<u128> {
    let page = scene
        .tenant(ListKeys {
            after: None,
            limit: 100,
        })
        .await
        .unwrap();
    page.items.iter().map(|entry| entry.key.as_u128()).collect()
}

/// Wherever a crash happens, there is a key with its entry or neither.
#[tokio::test(start_paused = true)]
async fn a_key_and_its_entry_come_and_go_together() {
    for seed in 0..40 {
        let mut scene = Scene::start(seed).await;
        scene.acme(Plan::Free).await;
        for step in 0..6_u128 {
            let id = 1 + step % 2;
            // The caller goes away at some moment, and the node dies at some other.
            let patience = Duration::from_micros(seed * 137 % 4_000);
            let cluster = scene.test.cluster();
            let tenant = cluster.get::<Membership>(Membership::address(&acme()));
            if step < 4 {
                let _ = tokio::time::timeout(patience, tenant.ask(create(id))).await;
            } else {
                let _ = tokio::time::timeout(patience, tenant.ask(revoke(id))).await;
            }
            scene.test.crash_and_restart().await;
            scene.settle().await;
            let listed = listed(&scene).await;
            for id in [1, 2] {
                let is_key = scene.key(id, check(id)).await.is_ok();
                assert_eq!(is_key, listed.contains(&id), "seed {seed}, step {step}, key {id}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_made_twice_is_one() {
    let scene = Scene::start(1).await;
    scene.acme(Plan::Free).await;
    let first = scene.tenant(create(1)).await.unwrap();
    // As whoever does not want to wait does.
    let direct = CreateKey {
        secret: hashed("secret 1"),
        name: "a key".into(),
        scope: Scope::Role(Role::Operator),
        by: user("ann"),
        expires: None,
    };
    scene.key(1, direct.clone()).await.unwrap();
    scene.key(1, check(1)).await.unwrap();
    scene.settle().await;
    assert_eq!(scene.tenant(create(1)).await.unwrap(), first);
    let other = CreateTenantKey {
        name: "otherwise".into(),
        ..create(1)
    };
    assert_eq!(code(scene.tenant(other).await), "key.exists");

    scene.tenant(revoke(1)).await.unwrap();
    scene.key(1, RevokeKey).await.unwrap();
    assert_eq!(code(scene.key(1, check(1)).await), "key.revoked");
    scene.settle().await;
    scene.key(1, direct).await.unwrap();
    assert_eq!(
        code(scene.key(1, check(1)).await),
        "key.revoked",
        "nothing brings it back"
    );
    assert_eq!(code(scene.tenant(revoke(1)).await), "key.unknown");
}

#[tokio::test(start_paused = true)]
async fn keys_have_bounds() {
    let scene = Scene::start(2).await;
    scene.acme(Plan::Free).await;
    let refused = [
        (
            "key.name",
            CreateTenantKey {
                name: " ".into(),
                ..create(1)
            },
        ),
        (
            "key.scope",
            CreateTenantKey {
                scope: Scope::Permissions(["everything".to_owned()].into()),
                ..create(1)
            },
        ),
        (
            "key.life",
            CreateTenantKey {
                expires: Some(scene.now()),
                ..create(1)
            },
        ),
    ];
    for (expected, refused) in refused {
        assert_eq!(code(scene.tenant(refused).await), expected);
    }
    for id in 0..10 {
        scene.tenant(create(id)).await.unwrap();
    }
    assert_eq!(code(scene.tenant(create(10)).await), "key.too-many");
    scene.tenant(revoke(3)).await.unwrap();
    scene.tenant(create(10)).await.unwrap();
    assert_eq!(listed(&scene).await, [0, 1, 2, 4, 5, 6, 7, 8, 9, 10]);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_ends_by_itself_leaves_the_index_later() {
    let mut scene = Scene::start(3).await;
    scene.acme(Plan::Free).await;
    let short = CreateTenantKey {
        expires: Some(scene.now().plus(DAY)),
        ..create(1)
    };
    scene.tenant(short).await.unwrap();
    scene.settle().await;
    scene.key(1, check(1)).await.unwrap();
    scene.test.advance(DAY).await;
    assert_eq!(code(scene.key(1, check(1)).await), "key.expired");
    assert_eq!(listed(&scene).await, [1]);
    scene.test.crash_and_restart_after(30 * DAY).await;
    scene.settle().await;
    assert!(listed(&scene).await.is_empty());
    assert_eq!(code(scene.key(1, check(1)).await), "key.invalid");
}
