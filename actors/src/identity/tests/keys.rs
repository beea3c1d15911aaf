//! Keys of programs.

use cluster::prelude::{TenantId, Uuid};

use crate::{
    api_key::Scope,
    membership::CreateTenantKey,
    role::{Plan, Role},
    scene::{Scene, acme, code, hashed, user},
};

#[tokio::test(start_paused = true)]
async fn a_key_counts_at_once_and_is_revoked_at_once() {
    let scene = Scene::start(1).await;
    scene.acme(Plan::Pro).await;
    let identity = scene.identity();
    let key = Uuid::from_u128(1);
    let create = CreateTenantKey {
        key,
        secret: hashed("secret"),
        name: "a key".into(),
        scope: Scope::Role(Role::Operator),
        by: user("ann"),
        expires: None,
    };
    for _ in 0..2 {
        identity.create_key(&acme(), create.clone()).await.unwrap();
        let (state, profile) = identity.check_key(&acme(), key, hashed("secret")).await.unwrap();
        assert_eq!((state.scope, profile.plan), (Scope::Role(Role::Operator), Plan::Pro));
    }
    assert_eq!(
        code(identity.check_key(&acme(), key, hashed("wrong")).await),
        "key.invalid"
    );
    let elsewhere = TenantId::new("elsewhere").unwrap();
    assert_eq!(
        code(identity.check_key(&elsewhere, key, hashed("secret")).await),
        "key.invalid"
    );
    identity.revoke_key(&acme(), key).await.unwrap();
    assert_eq!(
        code(identity.check_key(&acme(), key, hashed("secret")).await),
        "key.revoked"
    );
    assert_eq!(code(identity.revoke_key(&acme(), key).await), "key.unknown");
}
