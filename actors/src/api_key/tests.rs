//! The rules of keys.

use std::time::Duration;

use cluster::prelude::{ActorId, Uuid};

use super::{ApiKey, CheckKey, CreateKey, RevokeKey, Scope};
use crate::{
    role::{Role, system_tenant},
    scene::{DAY, Scene, acme, code, hashed, user},
};

const RIGHT: &str = "a secret";

fn create() -> CreateKey {
    CreateKey {
        secret: hashed(RIGHT),
        name: "a key".into(),
        scope: Scope::Role(Role::Supervisor),
        by: user("ann"),
        expires: None,
    }
}

fn check(secret: &str) -> CheckKey {
    CheckKey { secret: hashed(secret) }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_secret_and_an_unknown_key_are_alike_and_leave_nothing() {
    let scene = Scene::start(1).await;
    scene.key(1, create()).await.unwrap();
    let before = (scene.test.rows(), scene.commits());
    let wrong = scene.key(1, check("wrong")).await.unwrap_err();
    let unknown = scene.key(2, check(RIGHT)).await.unwrap_err();
    assert_eq!(wrong, unknown);
    assert_eq!(wrong.code(), "key.invalid");
    assert_eq!(code(scene.key(2, RevokeKey).await), "key.unknown");
    scene.test.passivate_all().await;
    assert_eq!((scene.test.rows(), scene.commits()), before);
}

#[tokio::test(start_paused = true)]
async fn a_key_counts_until_it_is_revoked_also_over_a_crash() {
    let mut scene = Scene::start(2).await;
    scene.key(1, create()).await.unwrap();
    scene.test.crash_and_restart().await;
    let state = scene.key(1, check(RIGHT)).await.unwrap();
    assert_eq!(state.scope, Scope::Role(Role::Supervisor));
    let other = CreateKey {
        secret: hashed("other"),
        ..create()
    };
    assert_eq!(code(scene.key(1, other).await), "key.exists");
    scene.key(1, RevokeKey).await.unwrap();
    scene.test.crash_and_restart().await;
    assert_eq!(code(scene.key(1, check(RIGHT)).await), "key.revoked");
    assert_eq!(
        code(scene.key(1, check("wrong")).await),
        "key.invalid",
        "only who has the secret is told"
    );
    scene.test.advance(31 * DAY).await;
    assert_eq!(code(scene.key(1, check(RIGHT)).await), "key.invalid");
}

#[tokio::test(start_paused = true)]
async fn a_check_writes_once_in_five_minutes_at_most() {
    let scene = Scene::start(3).await;
    scene.key(1, create()).await.unwrap();
    let begin = scene.commits();
    assert_eq!(scene.key(1, check(RIGHT)).await.unwrap().used, None);
    for _ in 0..20 * 60 {
        let used = scene.now();
        scene.test.advance(Duration::from_secs(1)).await;
        let state = scene.key(1, check(RIGHT)).await.unwrap();
        assert!(
            state.used.is_some_and(|at| used.since(at) < Duration::from_secs(1)),
            "the moment itself is exact"
        );
    }
    assert_eq!(scene.commits() - begin, 5);
}

#[tokio::test(start_paused = true)]
async fn keys_are_of_a_tenant_under_a_uuid() {
    let scene = Scene::start(4).await;
    let system = ActorId::unique::<ApiKey>(&system_tenant(), Uuid::from_u128(1));
    assert_eq!(
        code(scene.actor::<ApiKey>(system).ask(check(RIGHT)).await),
        "tenant.reserved"
    );
    let nameless = ActorId::from_name::<ApiKey>(&acme(), "one");
    assert_eq!(code(scene.actor::<ApiKey>(nameless).ask(check(RIGHT)).await), "key.id");
}
