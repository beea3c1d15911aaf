//! What people and programs do is in the chain of the tenant that it is of, once, whatever crashes, and without secrets.

use cluster::prelude::Uuid;

use crate::{
    account::{EraseAccount, GetAccount, Rename},
    api_key::Scope,
    identity::Newcomer,
    membership::{
        ConfigureTenant, CreateInvitation, CreateTenantKey, ResumeTenant, RevokeInvitation, SetRole, SuspendTenant,
    },
    role::{Plan, Role, system_tenant},
    scene::{DAY, Scene, acme, email, hashed, user},
};

fn types(events: &[(String, String)]) -> Vec<&str> {
    events.iter().map(|(event, _)| event.as_str()).collect()
}

/// No payload says a password, a code, a token, or a hash of one.
fn assert_no_secrets(events: &[(String, String)]) {
    for (event, payload) in events {
        for secret in ["plain$", "pass-1", "pass-2", "code-1", "token-1", "secret-1"] {
            assert!(!payload.contains(secret), "{event} says {secret}: {payload}");
        }
        for key in ["\"password\":", "\"code\":", "\"token\":", "\"secret\":"] {
            assert!(!payload.contains(key), "{event} has {key} {payload}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_happens_to_people_is_in_the_chain_of_the_system() {
    for seed in 0..10 {
        let mut scene = Scene::start(seed).await;
        let identity = scene.identity();
        identity
            .sign_up(scene.newcomer("ann", "pass-1", "code-1"))
            .await
            .unwrap();
        identity.verify(&email("ann"), hashed("code-1")).await.unwrap();
        identity
            .sign_in(scene.credentials("ann", "wrong", 1))
            .await
            .unwrap_err();
        identity.sign_in(scene.credentials("ann", "pass-1", 1)).await.unwrap();
        // What was sent is on its way when the node dies.
        scene.test.crash_and_restart().await;
        let identity = scene.identity();
        let ann = email("ann");
        let change = identity.change_password(&ann, None, "pass-1".into(), "pass-2".into());
        change.await.unwrap();
        let rename = Rename { name: "Ann Lee".into() };
        scene.account("ann", rename.clone()).await.unwrap();
        scene.account("ann", rename).await.unwrap();
        scene.test.crash_and_restart().await;
        scene.account("ann", EraseAccount).await.unwrap();
        let events = scene.audited(&system_tenant()).await;
        let mut seen = types(&events);
        seen.sort_unstable();
        let expected = [
            "session_opened",
            "session_revoked",
            "sign_in_refused",
            "user_created",
            "user_deleted",
            "user_updated",
            "user_updated",
            "user_verified",
        ];
        assert_eq!(seen, expected, "seed {seed}");
        assert_no_secrets(&events);
    }
}

#[tokio::test(start_paused = true)]
async fn what_happens_in_a_tenant_is_in_its_chain() {
    let mut scene = Scene::start(1).await;
    scene.acme(Plan::Free).await;
    let expires = scene.now().plus(DAY);
    let invite = |id: u128, who: &str| CreateInvitation {
        invitation: Uuid::from_u128(id),
        token: hashed("token-1"),
        email: email(who),
        role: Role::Operator,
        by: user("ann"),
        expires,
    };
    scene.tenant(invite(1, "bob")).await.unwrap();
    scene.tenant(invite(2, "eve")).await.unwrap();
    let revoke = RevokeInvitation {
        invitation: Uuid::from_u128(2),
    };
    scene.tenant(revoke).await.unwrap();
    scene.test.crash_and_restart().await;
    let identity = scene.identity();
    let newcomer = Newcomer {
        name: "Bob".into(),
        password: "pass-1".into(),
    };
    let tenant = acme();
    let accept = identity.accept_as_newcomer(&tenant, Uuid::from_u128(1), hashed("token-1"), newcomer);
    let bob = accept.await.unwrap().0.user;
    identity.sign_in(scene.credentials("bob", "pass-1", 1)).await.unwrap();
    let role = Role::Supervisor;
    for _ in 0..2 {
        scene
            .tenant(SetRole {
                user: bob.clone(),
                role,
            })
            .await
            .unwrap();
    }
    let create = CreateTenantKey {
        key: Uuid::from_u128(7),
        secret: hashed("secret-1"),
        name: "a key".into(),
        scope: Scope::Role(Role::Operator),
        by: user("ann"),
        expires: None,
    };
    for _ in 0..2 {
        identity.create_key(&tenant, create.clone()).await.unwrap();
    }
    identity.revoke_key(&tenant, Uuid::from_u128(7)).await.unwrap();
    let configure = ConfigureTenant {
        settings: [("hook".to_owned(), Some("secret-1".to_owned()))].into(),
        ..ConfigureTenant::default()
    };
    scene.tenant(configure).await.unwrap();
    for _ in 0..2 {
        let why = "unpaid".to_owned();
        scene.tenant(SuspendTenant { why }).await.unwrap();
    }
    scene.tenant(ResumeTenant).await.unwrap();
    identity.remove_member(&tenant, bob.clone()).await.unwrap();

    let events = scene.audited(&tenant).await;
    let expected = [
        "tenant_created",
        "invitation_created",
        "invitation_created",
        "invitation_revoked",
        "member_added",
        "invitation_accepted",
        "signed_in",
        "member_role_changed",
        "api_key_created",
        "api_key_revoked",
        "settings_changed",
        "tenant_suspended",
        "tenant_resumed",
        "member_removed",
    ];
    assert_eq!(types(&events), expected);
    assert_no_secrets(&events);
    let (_, changed) = &events[7];
    assert!(
        changed.ends_with(&format!(r#""user":"{bob}","from":"operator","to":"supervisor"}}"#)),
        "{changed}"
    );
    assert!(scene.account("bob", GetAccount).await.is_ok());
}
