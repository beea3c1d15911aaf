//! The steps over several actors, with crashes at random moments between and within them: whoever repeats what had no answer comes to
//! the same end as without a crash.

use std::{future::Future, time::Duration};

use cluster::prelude::Uuid;

use crate::{
    account::{GetAccount, ListSessions, NoteMembership},
    identity::{Identity, Newcomer},
    membership::{CreateInvitation, GetMember, ListMembers, Membership, TenantProfile},
    role::{Plan, Role},
    scene::{DAY, Scene, acme, email, hashed, user},
    workflows::tests::crash::Dice,
};

const SEEDS: u64 = 60;

/// Repeats a step until it is answered well, with crashes of the node in the middle of the first ones.
async fn insist<T, E: std::fmt::Debug, F: Future<Output = Result<T, E>>>(
    scene: &mut Scene,
    dice: &mut Dice,
    step: impl Fn(Identity) -> F,
) -> T {
    let crashes = dice.roll(4);
    for _ in 0..crashes {
        let patience = Duration::from_micros(dice.roll(12_000));
        let outcome = tokio::time::timeout(patience, step(scene.identity())).await;
        scene.test.crash_and_restart().await;
        drop(outcome);
    }
    step(scene.identity()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn signing_up_and_in_ends_well_wherever_a_crash_happens() {
    for seed in 0..SEEDS {
        let mut dice = Dice::new(seed);
        let mut scene = Scene::start(seed).await;
        let newcomer = scene.newcomer("ann", "old", "code");
        let (address, proof) = (newcomer.email, newcomer.proof);
        insist(&mut scene, &mut dice, |identity| {
            let sign_up = crate::identity::SignUp {
                email: address.clone(),
                name: "Ann".into(),
                password: "old".into(),
                founds: Some("Acme".into()),
                proof,
            };
            async move { identity.sign_up(sign_up).await }
        })
        .await;
        let verified = insist(&mut scene, &mut dice, |identity| {
            let address = address.clone();
            async move { identity.verify(&address, hashed("code")).await }
        })
        .await;
        assert_eq!(verified.tenants.len(), 1, "seed {seed}");
        let expires = scene.now().plus(DAY);
        let entered = insist(&mut scene, &mut dice, |identity| {
            let sign_in = crate::identity::SignIn {
                email: address.clone(),
                password: "old".into(),
                session: crate::identity::NewSession {
                    session: Uuid::from_u128(1),
                    tenant: None,
                    device: "a device".into(),
                    expires,
                },
            };
            async move { identity.sign_in(sign_in).await }
        })
        .await;
        scene.settle().await;
        let (tenant, standing) = entered.tenant.unwrap();
        assert_eq!(standing.role, Role::Admin, "seed {seed}");
        assert_eq!(
            scene.account("ann", ListSessions).await.unwrap().len(),
            1,
            "seed {seed}"
        );
        let membership = scene.actor::<Membership>(Membership::address(&tenant));
        let profile: TenantProfile = membership.ask(crate::membership::GetTenant).await.unwrap();
        assert_eq!(profile.founder, entered.person.user, "seed {seed}");
        let admitted = scene.identity().check_session(Uuid::from_u128(1)).await.unwrap();
        assert_eq!(admitted.session.tenant, Some(tenant), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_invitation_is_accepted_wherever_a_crash_happens() {
    for seed in 0..SEEDS {
        let mut dice = Dice::new(seed);
        let mut scene = Scene::start(seed).await;
        scene.acme(Plan::Free).await;
        let create = CreateInvitation {
            invitation: Uuid::from_u128(1),
            token: hashed("token"),
            email: email("bob"),
            role: Role::Supervisor,
            by: user("ann"),
            expires: scene.now().plus(DAY),
        };
        scene.tenant(create).await.unwrap();
        let (person, standing) = insist(&mut scene, &mut dice, |identity| async move {
            let newcomer = Newcomer {
                name: "Bob".into(),
                password: "mine".into(),
            };
            identity
                .accept_as_newcomer(&acme(), Uuid::from_u128(1), hashed("token"), newcomer)
                .await
        })
        .await;
        assert_eq!(standing.role, Role::Supervisor, "seed {seed}");
        assert_eq!(person.tenants.len(), 1, "seed {seed}");
        let members = scene.tenant(ListMembers { after: None, limit: 10 }).await.unwrap();
        assert_eq!(members.items.len(), 2, "seed {seed}");
    }
}

/// Nobody repeats: what is left is at worst a note, which the next sign-in removes.
#[tokio::test(start_paused = true)]
async fn no_membership_is_ever_unknown_to_its_account() {
    for seed in 0..SEEDS {
        let mut dice = Dice::new(seed);
        let mut scene = Scene::start(seed).await;
        scene.acme(Plan::Free).await;
        let bob = scene.person("bob").await;
        let create = CreateInvitation {
            invitation: Uuid::from_u128(1),
            token: hashed("token"),
            email: email("bob"),
            role: Role::Operator,
            by: user("ann"),
            expires: scene.now().plus(DAY),
        };
        scene.tenant(create).await.unwrap();
        let identity = scene.identity();
        let patience = Duration::from_micros(dice.roll(12_000));
        let (address, tenant) = (email("bob"), acme());
        let accept = identity.accept_invitation(&tenant, Uuid::from_u128(1), hashed("token"), &address);
        // Somebody signs in at the same time, and finds the note before the membership.
        let sign_in = identity.sign_in(scene.credentials("bob", "old", 1));
        let both = async { tokio::join!(accept, sign_in) };
        let _ = tokio::time::timeout(patience, both).await;
        scene.test.crash_and_restart().await;
        let is_member = scene.tenant(GetMember { user: bob.user }).await.is_ok();
        let known = scene.account("bob", GetAccount).await.unwrap().tenants;
        assert!(!is_member || known.len() == 1, "seed {seed}");
        scene.test.advance(Duration::from_mins(1)).await;
        let entered = scene
            .identity()
            .sign_in(scene.credentials("bob", "old", 2))
            .await
            .unwrap();
        assert_eq!(entered.tenant.is_some(), is_member, "seed {seed}");
        let known = scene.account("bob", GetAccount).await.unwrap().tenants;
        assert_eq!(known.len(), usize::from(is_member), "seed {seed}");
    }
}

/// An account that is erased half-way is erased in the end, and leaves no membership.
#[tokio::test(start_paused = true)]
async fn an_account_is_erased_wherever_a_crash_happens() {
    for seed in 0..SEEDS {
        let mut dice = Dice::new(seed);
        let mut scene = Scene::start(seed).await;
        scene.acme(Plan::Free).await;
        let bob = scene.person("bob").await;
        let add = crate::membership::AddMember {
            member: crate::membership::NewMember {
                user: bob.user.clone(),
                email: email("bob"),
                name: "Bob".into(),
            },
            role: Role::Operator,
        };
        let note = NoteMembership {
            tenant: acme(),
            name: "Acme".into(),
        };
        scene.account("bob", note).await.unwrap();
        scene.tenant(add).await.unwrap();
        scene.sign_in("bob", 1).await;
        insist(&mut scene, &mut dice, |identity| async move {
            identity.erase_account(&email("bob")).await
        })
        .await;
        scene.settle().await;
        assert!(scene.account("bob", GetAccount).await.is_err(), "seed {seed}");
        assert!(scene.tenant(GetMember { user: bob.user }).await.is_err(), "seed {seed}");
        let ended = scene.identity().check_session(Uuid::from_u128(1)).await.unwrap_err();
        assert_eq!(ended.code(), "session.revoked", "seed {seed}");
    }
}
