//! Invitations.

use std::time::Duration;

use cluster::prelude::{Timestamp, Uuid};

use crate::{
    membership::{
        AcceptInvitation, AddMember, CreateInvitation, GetMember, ListInvitations, LookInvitation, Membership,
        RemoveMember, RevokeInvitation, SuspendTenant,
    },
    role::{Plan, Role},
    scene::{DAY, Scene, acme, code, email, hashed, member, user},
};

fn invite(scene: &Scene, id: u128, who: &str) -> CreateInvitation {
    CreateInvitation {
        invitation: Uuid::from_u128(id),
        token: hashed(&format!("token {id}")),
        email: email(who),
        role: Role::Supervisor,
        by: user("ann"),
        expires: scene.now().plus(7 * DAY),
    }
}

fn accept(id: u128, who: &str) -> AcceptInvitation {
    AcceptInvitation {
        invitation: Uuid::from_u128(id),
        token: hashed(&format!("token {id}")),
        member: member(who),
    }
}

fn revoke(id: u128) -> RevokeInvitation {
    RevokeInvitation {
        invitation: Uuid::from_u128(id),
    }
}

async fn listed(scene: &Scene) -> Vec<u128> {
    let list = ListInvitations {
        after: None,
        limit: 100,
    };
    let page = scene.tenant(list).await.unwrap();
    page.items
        .iter()
        .map(|invitation| invitation.invitation.as_u128())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_invitation_is_accepted_once_and_again_by_the_same_person() {
    for seed in 0..20 {
        let mut scene = Scene::start(seed).await;
        scene.acme(Plan::Free).await;
        let create = invite(&scene, 1, "bob");
        scene.tenant(create.clone()).await.unwrap();
        if seed % 2 == 0 {
            scene.test.crash_and_restart().await;
        }
        scene.tenant(create).await.unwrap();
        assert_eq!(listed(&scene).await, [1], "the same again is no other one");

        let (one, two) = tokio::join!(scene.tenant(accept(1, "bob")), scene.tenant(accept(1, "bob")));
        assert_eq!(one.unwrap(), two.unwrap());
        scene.test.crash_and_restart().await;
        assert_eq!(scene.tenant(accept(1, "bob")).await.unwrap().role, Role::Supervisor);
        assert!(listed(&scene).await.is_empty());
        assert_eq!(code(scene.tenant(revoke(1)).await), "invitation.used");

        scene.tenant(RemoveMember { user: user("bob") }).await.unwrap();
        let back = scene.tenant(accept(1, "bob")).await;
        assert_eq!(code(back), "invitation.used", "nobody who was removed comes back by it");
    }
}

/// Two people who have the same address, one after the other.
#[tokio::test(start_paused = true)]
async fn of_two_people_one_accepts() {
    for seed in 0..20 {
        let scene = Scene::start(seed).await;
        scene.acme(Plan::Free).await;
        scene.tenant(invite(&scene, 1, "bob")).await.unwrap();
        let mut other = accept(1, "bob");
        other.member.user = user("later");
        let (one, two) = tokio::join!(scene.tenant(accept(1, "bob")), scene.tenant(other));
        assert_eq!(code(if one.is_ok() { two } else { one }), "invitation.used");
    }
}

#[tokio::test(start_paused = true)]
async fn only_the_address_that_was_invited_accepts_and_only_with_the_token() {
    let scene = Scene::start(1).await;
    scene.acme(Plan::Free).await;
    scene.tenant(invite(&scene, 1, "bob")).await.unwrap();
    assert_eq!(code(scene.tenant(accept(1, "eve")).await), "invitation.other-person");
    let wrong = AcceptInvitation {
        token: hashed("wrong"),
        ..accept(1, "bob")
    };
    assert_eq!(code(scene.tenant(wrong).await), "invitation.unknown");
    assert_eq!(code(scene.tenant(accept(2, "bob")).await), "invitation.unknown");
    let look = |token: &str| LookInvitation {
        invitation: Uuid::from_u128(1),
        token: hashed(token),
    };
    assert_eq!(code(scene.tenant(look("wrong")).await), "invitation.unknown");
    let offer = scene.tenant(look("token 1")).await.unwrap();
    assert_eq!(
        (offer.tenant_name.as_str(), offer.invitation.email),
        ("Acme", email("bob"))
    );
    assert_eq!(
        code(scene.tenant(GetMember { user: user("eve") }).await),
        "member.unknown"
    );
}

#[tokio::test(start_paused = true)]
async fn an_invitation_ends_by_time_by_hand_and_by_the_next_one() {
    let scene = Scene::start(2).await;
    scene.acme(Plan::Free).await;
    scene.tenant(invite(&scene, 1, "bob")).await.unwrap();
    scene.tenant(invite(&scene, 2, "bob")).await.unwrap();
    assert_eq!(
        listed(&scene).await,
        [2],
        "the next one of the same address replaces it"
    );
    assert_eq!(code(scene.tenant(accept(1, "bob")).await), "invitation.unknown");
    scene.tenant(revoke(2)).await.unwrap();
    assert_eq!(code(scene.tenant(accept(2, "bob")).await), "invitation.unknown");
    assert_eq!(code(scene.tenant(revoke(2)).await), "invitation.unknown");

    let rows = scene.stored(&Membership::address(&acme())).await;
    scene.tenant(invite(&scene, 3, "bob")).await.unwrap();
    let later = CreateInvitation {
        expires: scene.now().plus(8 * DAY),
        ..invite(&scene, 4, "eve")
    };
    scene.tenant(later).await.unwrap();
    scene.test.advance(7 * DAY + Duration::from_mins(1)).await;
    assert_eq!(listed(&scene).await, [4]);
    assert_eq!(code(scene.tenant(accept(3, "bob")).await), "invitation.unknown");
    scene.test.advance(DAY).await;
    assert_eq!(
        scene.stored(&Membership::address(&acme())).await,
        rows,
        "nothing is left"
    );
}

#[tokio::test(start_paused = true)]
async fn who_is_a_member_already_is_not_invited_and_keeps_the_role() {
    let scene = Scene::start(3).await;
    scene.acme(Plan::Free).await;
    assert_eq!(code(scene.tenant(invite(&scene, 1, "ann")).await), "member.exists");
    scene.tenant(invite(&scene, 1, "bob")).await.unwrap();
    let add = AddMember {
        member: member("bob"),
        role: Role::Operator,
    };
    scene.tenant(add).await.unwrap();
    assert_eq!(scene.tenant(accept(1, "bob")).await.unwrap().role, Role::Operator);
    let suspend = SuspendTenant { why: String::new() };
    scene.tenant(suspend).await.unwrap();
    assert_eq!(code(scene.tenant(accept(1, "bob")).await), "tenant.suspended");
}

#[tokio::test(start_paused = true)]
async fn the_plan_says_how_many_invitations_and_members_there_are() {
    let scene = Scene::start(4).await;
    scene.acme(Plan::Free).await;
    for id in 0..20 {
        scene.tenant(invite(&scene, id, &format!("p{id}"))).await.unwrap();
    }
    assert_eq!(
        code(scene.tenant(invite(&scene, 20, "more")).await),
        "invitation.too-many"
    );
    scene.tenant(invite(&scene, 21, "p0")).await.unwrap();
    for id in 1..10 {
        scene.tenant(accept(id, &format!("p{id}"))).await.unwrap();
    }
    assert_eq!(code(scene.tenant(accept(10, "p10")).await), "member.too-many");
    scene.tenant(RemoveMember { user: user("p1") }).await.unwrap();
    scene.tenant(accept(10, "p10")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn accepted_invitations_do_not_pile_up() {
    let scene = Scene::start(5).await;
    scene.acme(Plan::Free).await;
    let before = scene.stored(&Membership::address(&acme())).await;
    for id in 0..60 {
        scene.tenant(invite(&scene, id, "bob")).await.unwrap();
        scene.tenant(accept(id, "bob")).await.unwrap();
        scene.tenant(RemoveMember { user: user("bob") }).await.unwrap();
        scene.test.advance(Duration::from_secs(1)).await;
    }
    assert_eq!(scene.stored(&Membership::address(&acme())).await - before, 20);
}

#[tokio::test(start_paused = true)]
async fn an_invitation_counts_for_sixty_days_at_most() {
    let scene = Scene::start(6).await;
    scene.acme(Plan::Free).await;
    for expires in [Timestamp::from_millis(0), scene.now().plus(61 * DAY)] {
        let refused = CreateInvitation {
            expires,
            ..invite(&scene, 1, "bob")
        };
        assert_eq!(code(scene.tenant(refused).await), "invitation.life");
    }
}
