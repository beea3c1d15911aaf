//! Members.

use crate::{
    membership::{AddMember, GetMember, ListMembers, RemoveMember, SetRole},
    role::{Plan, Role},
    scene::{Scene, code, member, user},
};

fn add(who: &str, role: Role) -> AddMember {
    AddMember {
        member: member(who),
        role,
    }
}

fn remove(who: &str) -> RemoveMember {
    RemoveMember { user: user(who) }
}

fn set(who: &str, role: Role) -> SetRole {
    SetRole { user: user(who), role }
}

#[tokio::test(start_paused = true)]
async fn the_last_admin_is_neither_removed_nor_lowered() {
    let mut scene = Scene::start(1).await;
    scene.acme(Plan::Free).await;
    scene.tenant(add("bob", Role::Supervisor)).await.unwrap();
    assert_eq!(code(scene.tenant(remove("ann")).await), "member.last-admin");
    assert_eq!(
        code(scene.tenant(set("ann", Role::Operator)).await),
        "member.last-admin"
    );
    scene.tenant(set("ann", Role::Admin)).await.unwrap();
    scene.tenant(set("bob", Role::Admin)).await.unwrap();
    scene.test.crash_and_restart().await;

    // Both leave at once: one of them stays.
    let (one, two) = tokio::join!(scene.tenant(remove("ann")), scene.tenant(set("bob", Role::Operator)));
    assert!(one.is_ok());
    assert_eq!(code(two), "member.last-admin");
    assert_eq!(
        code(scene.tenant(GetMember { user: user("ann") }).await),
        "member.unknown"
    );
}

#[tokio::test(start_paused = true)]
async fn a_membership_begins_changes_and_ends() {
    let mut scene = Scene::start(2).await;
    scene.acme(Plan::Free).await;
    let get = || GetMember { user: user("bob") };
    assert_eq!(code(scene.tenant(get()).await), "member.unknown");
    let first = scene.tenant(add("bob", Role::Operator)).await.unwrap();
    scene.test.crash_and_restart().await;
    assert_eq!(
        scene.tenant(add("bob", Role::Operator)).await.unwrap(),
        first,
        "again it changes nothing"
    );
    assert_eq!(code(scene.tenant(add("bob", Role::Admin)).await), "member.exists");
    scene.tenant(set("bob", Role::Supervisor)).await.unwrap();
    assert_eq!(scene.tenant(get()).await.unwrap().role, Role::Supervisor);
    scene.tenant(remove("bob")).await.unwrap();
    scene.test.crash_and_restart().await;
    assert_eq!(code(scene.tenant(remove("bob")).await), "member.unknown");
    assert_eq!(code(scene.tenant(set("bob", Role::Admin)).await), "member.unknown");
}

#[tokio::test(start_paused = true)]
async fn asking_for_a_member_writes_nothing() {
    let scene = Scene::start(3).await;
    scene.acme(Plan::Free).await;
    scene.settle().await;
    let before = scene.commits();
    for _ in 0..10 {
        scene.tenant(GetMember { user: user("ann") }).await.unwrap();
        assert_eq!(
            code(scene.tenant(GetMember { user: user("bob") }).await),
            "member.unknown"
        );
    }
    assert_eq!(scene.commits(), before);
}

#[tokio::test(start_paused = true)]
async fn the_plan_says_how_many_members_there_are_and_a_smaller_one_removes_nobody() {
    let mut scene = Scene::start(4).await;
    scene.acme(Plan::Pro).await;
    for number in 1..100 {
        scene
            .tenant(add(&format!("m{number:02}"), Role::Operator))
            .await
            .unwrap();
    }
    assert_eq!(code(scene.tenant(add("more", Role::Operator)).await), "member.too-many");
    let smaller = crate::membership::ConfigureTenant {
        plan: Some(Plan::Free),
        ..Default::default()
    };
    scene.tenant(smaller).await.unwrap();
    scene.tenant(remove("m01")).await.unwrap();
    assert_eq!(code(scene.tenant(add("m01", Role::Operator)).await), "member.too-many");

    scene.test.crash_and_restart().await;
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = scene.tenant(ListMembers { after, limit: 40 }).await.unwrap();
        all.extend(page.items.into_iter().map(|member| member.user));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(all.len(), 99);
    assert!(all.is_sorted());
}
