//! The sessions of an account.

use cluster::prelude::Uuid;

use crate::{
    account::{CloseSessions, EraseAccount, ListSessions, SignedIn, Which},
    scene::{DAY, Scene, acme, code},
    session::{CheckSession, OpenSession, SessionEnd},
};

fn close(which: Which) -> CloseSessions {
    CloseSessions {
        which,
        why: SessionEnd::Closed,
    }
}

#[tokio::test(start_paused = true)]
async fn signing_in_opens_a_session_whatever_crashes() {
    for seed in 0..30 {
        let mut scene = Scene::start(seed).await;
        let person = scene.person("ann").await;
        let expires = scene.now().plus(DAY);
        let signed_in = SignedIn {
            session: Uuid::from_u128(1),
            tenant: Some(acme()),
            device: "a device".into(),
            expires,
        };
        let after = scene.account("ann", signed_in.clone()).await.unwrap();
        assert_eq!(after.last_tenant, Some(acme()));
        let open = OpenSession {
            user: person.user,
            email: person.email,
            tenant: Some(acme()),
            device: "a device".into(),
            expires,
        };
        match seed % 3 {
            // The caller does not wait for what was sent.
            0 => scene.session(1, open).await.unwrap(),
            // Nobody ever asks.
            1 => scene.test.crash_and_restart().await,
            _ => {
                scene.session(1, open).await.unwrap();
                scene.test.crash_and_restart().await;
            }
        }
        scene.settle().await;
        scene.account("ann", signed_in).await.unwrap();
        let state = scene.session(1, CheckSession).await.unwrap();
        assert_eq!(state.tenant, Some(acme()), "seed {seed}");
        assert_eq!(
            scene.account("ann", ListSessions).await.unwrap().len(),
            1,
            "seed {seed}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_are_closed_one_by_one_or_together() {
    let scene = Scene::start(1).await;
    scene.person("ann").await;
    scene.person("bob").await;
    for session in 1..=4 {
        scene.sign_in("ann", session).await;
    }
    scene.sign_in("bob", 9).await;
    let listed = scene.account("ann", ListSessions).await.unwrap();
    assert_eq!(listed[0].session, Uuid::from_u128(4), "the latest first");

    let foreign = close(Which::One(Uuid::from_u128(9)));
    assert_eq!(code(scene.account("ann", foreign).await), "session.unknown");
    let closed = scene
        .account("ann", close(Which::One(Uuid::from_u128(3))))
        .await
        .unwrap();
    assert_eq!(closed, [Uuid::from_u128(3)]);
    scene
        .account("ann", close(Which::Others(Uuid::from_u128(1))))
        .await
        .unwrap();
    scene.settle().await;
    for session in [2, 3, 4] {
        assert_eq!(code(scene.session(session, CheckSession).await), "session.revoked");
    }
    scene.session(1, CheckSession).await.unwrap();
    scene.session(9, CheckSession).await.unwrap();

    scene.account("ann", EraseAccount).await.unwrap();
    scene.settle().await;
    assert_eq!(code(scene.session(1, CheckSession).await), "session.revoked");
    scene.session(9, CheckSession).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_oldest_session_goes_when_there_are_too_many() {
    let scene = Scene::start(2).await;
    scene.person("ann").await;
    for session in 1..=51 {
        scene.sign_in("ann", session).await;
    }
    assert_eq!(code(scene.session(1, CheckSession).await), "session.revoked");
    scene.session(2, CheckSession).await.unwrap();
    assert_eq!(scene.account("ann", ListSessions).await.unwrap().len(), 50);
    scene.test.advance(3 * DAY).await;
    assert!(scene.account("ann", ListSessions).await.unwrap().is_empty());
}
