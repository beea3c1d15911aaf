//! Codes that are mailed.

use std::time::Duration;

use crate::{
    account::{Credentials, GetCredentials, IssueCode, ListSessions, Purpose, Redeem, Refusal, SignInFailed},
    scene::{Scene, code, hashed, password},
    session::CheckSession,
};

fn issue(scene: &Scene, purpose: Purpose, shown: &str) -> IssueCode {
    IssueCode {
        purpose,
        code: hashed(shown),
        expires: scene.now().plus(Duration::from_mins(15)),
    }
}

fn reset(shown: &str, to: Option<&str>) -> Redeem {
    Redeem {
        purpose: Purpose::ResetPassword,
        code: hashed(shown),
        password: to.map(password),
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_sets_the_password_and_signs_everybody_out() {
    let mut scene = Scene::start(1).await;
    scene.person("ann").await;
    scene.sign_in("ann", 1).await;
    scene.sign_in("ann", 2).await;
    for _ in 0..5 {
        let failed = SignInFailed { why: Refusal::Password };
        scene.account("ann", failed).await.unwrap();
    }
    let locked = scene.account("ann", GetCredentials).await.unwrap();
    assert!(matches!(locked, Credentials::Locked { .. }));

    scene
        .account("ann", issue(&scene, Purpose::ResetPassword, "code"))
        .await
        .unwrap();
    assert_eq!(
        code(scene.account("ann", reset("code", None)).await),
        "account.password"
    );
    scene.account("ann", reset("code", Some("new"))).await.unwrap();
    scene.test.crash_and_restart().await;
    scene.settle().await;
    for session in [1, 2] {
        assert_eq!(code(scene.session(session, CheckSession).await), "session.revoked");
    }
    assert!(scene.account("ann", ListSessions).await.unwrap().is_empty());
    let open = scene.account("ann", GetCredentials).await.unwrap();
    let Credentials::Open { password: now, .. } = open else {
        panic!("the account is open again");
    };
    assert_eq!(now, Some(password("new")));
    assert_eq!(
        code(scene.account("ann", reset("code", Some("newer"))).await),
        "code.invalid"
    );
}

#[tokio::test(start_paused = true)]
async fn five_wrong_codes_end_the_right_one_also_over_crashes() {
    let mut scene = Scene::start(2).await;
    scene.person("ann").await;
    scene
        .account("ann", issue(&scene, Purpose::ResetPassword, "code"))
        .await
        .unwrap();
    for _ in 0..5 {
        assert_eq!(
            code(scene.account("ann", reset("guess", Some("x"))).await),
            "code.invalid"
        );
        scene.test.crash_and_restart().await;
    }
    assert_eq!(
        code(scene.account("ann", reset("code", Some("x"))).await),
        "code.invalid"
    );
}

#[tokio::test(start_paused = true)]
async fn guesses_without_a_code_write_nothing() {
    let scene = Scene::start(3).await;
    scene.person("ann").await;
    scene.settle().await;
    let before = scene.commits();
    for _ in 0..10 {
        assert_eq!(
            code(scene.account("ann", reset("guess", Some("x"))).await),
            "code.invalid"
        );
    }
    assert_eq!(scene.commits(), before);
}

#[tokio::test(start_paused = true)]
async fn a_code_is_for_its_purpose_and_there_is_nothing_to_verify_twice() {
    let scene = Scene::start(4).await;
    scene.person("ann").await;
    assert_eq!(
        code(scene.account("ann", issue(&scene, Purpose::VerifyEmail, "x")).await),
        "account.verified"
    );
    scene
        .account("ann", issue(&scene, Purpose::SignIn, "code"))
        .await
        .unwrap();
    assert_eq!(
        code(scene.account("ann", reset("code", Some("x"))).await),
        "code.invalid"
    );
    let sign_in = Redeem {
        purpose: Purpose::SignIn,
        code: hashed("code"),
        password: None,
    };
    scene.account("ann", sign_in.clone()).await.unwrap();
    assert_eq!(code(scene.account("ann", sign_in).await), "code.invalid");
}
