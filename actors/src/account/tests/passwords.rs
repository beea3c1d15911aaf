//! Signing in with a password, and changing it.

use std::time::Duration;

use cluster::prelude::Uuid;

use crate::{
    account::{ChangePassword, Credentials, GetCredentials, Refusal, Renew, SignInFailed},
    scene::{Scene, code, password},
    session::CheckSession,
};

const FAILED: SignInFailed = SignInFailed { why: Refusal::Password };

async fn is_open(scene: &Scene) -> bool {
    matches!(
        scene.account("ann", GetCredentials).await.unwrap(),
        Credentials::Open { .. }
    )
}

#[tokio::test(start_paused = true)]
async fn after_five_failures_attempts_wait_also_over_a_crash() {
    let mut scene = Scene::start(1).await;
    scene.person("ann").await;
    for attempt in 1..=5 {
        assert!(is_open(&scene).await);
        let locked = scene.account("ann", FAILED).await.unwrap();
        assert_eq!(locked.is_some(), attempt == 5);
    }
    assert!(!is_open(&scene).await);
    scene.test.crash_and_restart().await;
    assert!(!is_open(&scene).await);
    scene.test.advance(Duration::from_secs(31)).await;
    assert!(is_open(&scene).await);
    scene.account("ann", FAILED).await.unwrap();
    scene.test.advance(Duration::from_secs(31)).await;
    assert!(!is_open(&scene).await, "the second pause is longer");
    scene.test.advance(Duration::from_secs(30)).await;
    assert!(is_open(&scene).await);
    scene.sign_in("ann", 1).await;
    for _ in 0..4 {
        scene.account("ann", FAILED).await.unwrap();
    }
    assert!(is_open(&scene).await, "a success is forgiving");
}

/// Guesses that are made at the same time.
#[tokio::test(start_paused = true)]
async fn attempts_that_have_not_ended_count_as_failed() {
    let scene = Scene::start(2).await;
    scene.person("ann").await;
    let mut open = 0;
    for _ in 0..100 {
        open += u32::from(is_open(&scene).await);
    }
    assert_eq!(open, 5);
    scene.test.advance(Duration::from_secs(10)).await;
    assert!(is_open(&scene).await, "those that never end are forgotten");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_was_no_guess_does_not_lock() {
    let scene = Scene::start(3).await;
    scene.person("ann").await;
    for _ in 0..10 {
        assert!(is_open(&scene).await);
        let refused = SignInFailed {
            why: Refusal::Unverified,
        };
        assert_eq!(scene.account("ann", refused).await.unwrap(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn another_password_closes_every_session_but_the_one_that_asks() {
    for seed in 0..30 {
        let mut scene = Scene::start(seed).await;
        scene.person("ann").await;
        for session in 1..=3 {
            scene.sign_in("ann", session).await;
        }
        let change = ChangePassword {
            instead_of: Some(password("old")),
            password: password("new"),
            keep: Some(Uuid::from_u128(2)),
        };
        scene.account("ann", change.clone()).await.unwrap();
        // What was sent is not on its way yet when the node dies.
        scene.test.crash_and_restart().await;
        scene.account("ann", change).await.unwrap();
        scene.settle().await;
        for session in [1, 3] {
            assert_eq!(
                code(scene.session(session, CheckSession).await),
                "session.revoked",
                "seed {seed}"
            );
        }
        assert!(scene.session(2, CheckSession).await.is_ok(), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_password_that_is_changed_is_the_one_that_was_checked() {
    let scene = Scene::start(4).await;
    scene.person("ann").await;
    let stale = ChangePassword {
        instead_of: Some(password("older")),
        password: password("new"),
        keep: None,
    };
    assert_eq!(code(scene.account("ann", stale).await), "account.password-changed");
    let renew = |from: &str| Renew {
        instead_of: password(from),
        password: password("better"),
    };
    scene.account("ann", renew("older")).await.unwrap();
    let change = ChangePassword {
        instead_of: Some(password("old")),
        password: password("new"),
        keep: None,
    };
    scene.account("ann", renew("old")).await.unwrap();
    assert_eq!(
        code(scene.account("ann", change).await),
        "account.password-changed",
        "it is the better hash by now"
    );
}
