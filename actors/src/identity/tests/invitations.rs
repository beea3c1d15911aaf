//! Becoming a member, and ceasing to be one.

use std::time::Duration;

use cluster::prelude::Uuid;

use crate::{
    account::GetAccount,
    identity::{IdentityError, Newcomer},
    membership::{CreateInvitation, GetMember, ListMembers},
    role::{Plan, Role},
    scene::{DAY, Scene, acme, code, email, hashed, user},
};

const ONE: Uuid = Uuid::from_u128(1);

async fn invited(scene: &Scene, who: &str) {
    scene.acme(Plan::Free).await;
    let create = CreateInvitation {
        invitation: ONE,
        token: hashed("token"),
        email: email(who),
        role: Role::Operator,
        by: user("ann"),
        expires: scene.now().plus(DAY),
    };
    scene.tenant(create).await.unwrap();
}

fn newcomer(password: &str) -> Newcomer {
    Newcomer {
        name: "Bob".into(),
        password: password.to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_person_accepts_and_is_removed() {
    let scene = Scene::start(1).await;
    invited(&scene, "bob").await;
    let bob = scene.person("bob").await;
    scene.person("eve").await;
    let identity = scene.identity();
    let foreign = identity
        .accept_invitation(&acme(), ONE, hashed("token"), &email("eve"))
        .await;
    assert_eq!(code(foreign), "invitation.other-person");
    assert!(scene.account("eve", GetAccount).await.unwrap().tenants.is_empty());
    for _ in 0..2 {
        let standing = identity
            .accept_invitation(&acme(), ONE, hashed("token"), &email("bob"))
            .await
            .unwrap();
        assert_eq!(standing.role, Role::Operator);
    }
    let known = scene.account("bob", GetAccount).await.unwrap().tenants;
    assert_eq!((known.len(), known[0].name.as_str()), (1, "Acme"));
    scene.test.advance(Duration::from_mins(1)).await;

    identity.remove_member(&acme(), bob.user.clone()).await.unwrap();
    assert!(scene.account("bob", GetAccount).await.unwrap().tenants.is_empty());
    assert_eq!(code(identity.remove_member(&acme(), bob.user).await), "member.unknown");
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_accepts_and_has_an_account() {
    let scene = Scene::start(2).await;
    invited(&scene, "bob").await;
    let identity = scene.identity();
    let tenant = acme();
    let accept = |password: &str| identity.accept_as_newcomer(&tenant, ONE, hashed("token"), newcomer(password));
    let (person, standing) = accept("mine").await.unwrap();
    assert!(person.is_verified);
    assert_eq!(standing.role, Role::Operator);
    let (again, _) = accept("mine").await.unwrap();
    assert_eq!(again.user, person.user);
    assert_eq!(accept("wrong").await.unwrap_err(), IdentityError::Refused);
    let entered = identity.sign_in(scene.credentials("bob", "mine", 1)).await.unwrap();
    assert_eq!(entered.tenant.unwrap().0, acme());
    let members = scene.tenant(ListMembers { after: None, limit: 10 }).await.unwrap();
    assert_eq!(members.items.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_account_is_erased_with_its_memberships_unless_a_tenant_would_be_without_an_admin() {
    let scene = Scene::start(3).await;
    invited(&scene, "bob").await;
    let identity = scene.identity();
    let (bob, _) = identity
        .accept_as_newcomer(&acme(), ONE, hashed("token"), newcomer("mine"))
        .await
        .unwrap();
    identity.erase_account(&email("bob")).await.unwrap();
    identity.erase_account(&email("bob")).await.unwrap();
    assert_eq!(code(scene.account("bob", GetAccount).await), "account.unknown");
    assert_eq!(code(scene.tenant(GetMember { user: bob.user }).await), "member.unknown");

    identity.sign_up(scene.newcomer("cat", "old", "code")).await.unwrap();
    identity.verify(&email("cat"), hashed("code")).await.unwrap();
    assert_eq!(code(identity.erase_account(&email("cat")).await), "member.last-admin");
    assert!(scene.account("cat", GetAccount).await.is_ok());
}
