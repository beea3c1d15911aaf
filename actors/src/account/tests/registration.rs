//! Who an account belongs to.

use std::time::Duration;

use cluster::prelude::{ActorId, Timestamp};

use crate::{
    account::{
        Account, Credentials, EraseAccount, GetAccount, GetCredentials, IssueCode, Proof, Purpose, Redeem, Register,
        Rename, SignedIn,
    },
    role::SYSTEM_TENANT,
    scene::{DAY, Scene, acme, code, email, hashed, password},
    secret::PasswordHash,
};

fn register(scene: &Scene, who: &str, secret: &str, shown: &str) -> Register {
    Register {
        email: email(who),
        name: who.to_owned(),
        password: password(secret),
        proof: Proof::Code {
            code: hashed(shown),
            expires: scene.now().plus(Duration::from_hours(1)),
        },
        founds: Some("Acme".into()),
    }
}

fn redeem(shown: &str) -> Redeem {
    Redeem {
        purpose: Purpose::VerifyEmail,
        code: hashed(shown),
        password: None,
    }
}

async fn password_of(scene: &Scene, who: &str) -> Option<PasswordHash> {
    match scene.account(who, GetCredentials).await.unwrap() {
        Credentials::Open { password, .. } => password,
        Credentials::Locked { .. } => panic!("the account is locked"),
    }
}

#[tokio::test(start_paused = true)]
async fn who_shows_the_code_has_the_account() {
    let mut scene = Scene::start(1).await;
    let registered = scene
        .account("ann", register(&scene, "ann", "a", "code"))
        .await
        .unwrap();
    let person = scene.account("ann", GetAccount).await.unwrap();
    assert!(!person.is_verified);
    let early = SignedIn {
        session: cluster::prelude::Uuid::from_u128(1),
        tenant: None,
        device: String::new(),
        expires: scene.now().plus(DAY),
    };
    assert_eq!(code(scene.account("ann", early).await), "account.unverified");

    assert_eq!(code(scene.account("ann", redeem("wrong")).await), "code.invalid");
    let person = scene.account("ann", redeem("code")).await.unwrap();
    assert!(person.is_verified);
    assert_eq!((person.user, person.founds.as_deref()), (registered.user, Some("Acme")));
    scene.test.crash_and_restart().await;
    assert!(
        scene.account("ann", redeem("code")).await.unwrap().is_verified,
        "the same again is answered alike"
    );
    assert_eq!(code(scene.account("ann", redeem("wrong")).await), "code.invalid");
    assert_eq!(password_of(&scene, "ann").await, Some(password("a")));
    scene.test.advance(30 * DAY).await;
    assert!(scene.account("ann", GetAccount).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_verified_is_not_registered_again() {
    let scene = Scene::start(2).await;
    scene.person("ann").await;
    let again = register(&scene, "ann", "mine", "code");
    assert_eq!(code(scene.account("ann", again).await), "account.exists");
    let given = Register {
        proof: Proof::Given,
        ..register(&scene, "ann", "mine", "code")
    };
    assert_eq!(code(scene.account("ann", given).await), "account.exists");
    assert_eq!(password_of(&scene, "ann").await, Some(password("old")));
}

#[tokio::test(start_paused = true)]
async fn the_last_registration_is_the_one_that_waits_and_the_person_stays_the_same() {
    let scene = Scene::start(3).await;
    let first = scene.account("ann", register(&scene, "ann", "a", "1")).await.unwrap();
    let soon = register(&scene, "ann", "b", "2");
    assert_eq!(code(scene.account("ann", soon).await), "account.pause");
    let same = scene.account("ann", register(&scene, "ann", "a", "1")).await.unwrap();
    assert_eq!(same, first, "the same call again");
    scene.test.advance(Duration::from_mins(1)).await;
    let second = scene.account("ann", register(&scene, "ann", "b", "2")).await.unwrap();
    assert_eq!(second, first);
    assert_eq!(password_of(&scene, "ann").await, Some(password("b")));
}

/// Somebody registers the address of another person, in the hope that this person proves it for them.
#[tokio::test(start_paused = true)]
async fn a_code_proves_its_own_registration_and_no_later_one() {
    let scene = Scene::start(4).await;
    scene
        .account("ann", register(&scene, "ann", "anns", "to ann"))
        .await
        .unwrap();
    scene.test.advance(Duration::from_mins(1)).await;
    let foreign = Register {
        name: "Mallory".into(),
        founds: Some("Evil".into()),
        ..register(&scene, "ann", "mallorys", "to ann too")
    };
    scene.account("ann", foreign).await.unwrap();
    let person = scene.account("ann", redeem("to ann")).await.unwrap();
    assert_eq!((person.name.as_str(), person.founds.as_deref()), ("ann", Some("Acme")));
    assert_eq!(password_of(&scene, "ann").await, Some(password("anns")));
    assert_eq!(code(scene.account("ann", redeem("to ann too")).await), "code.invalid");
}

#[tokio::test(start_paused = true)]
async fn a_password_that_was_never_proven_does_not_count_after_the_address_is_proven_otherwise() {
    let scene = Scene::start(5).await;
    scene
        .account("ann", register(&scene, "ann", "mallorys", "lost"))
        .await
        .unwrap();
    let issue = IssueCode {
        purpose: Purpose::SignIn,
        code: hashed("sign in"),
        expires: scene.now().plus(DAY),
    };
    scene.account("ann", issue).await.unwrap();
    let shown = Redeem {
        purpose: Purpose::SignIn,
        code: hashed("sign in"),
        password: None,
    };
    assert!(scene.account("ann", shown).await.unwrap().is_verified);
    assert_eq!(password_of(&scene, "ann").await, None);
}

#[tokio::test(start_paused = true)]
async fn two_registrations_of_one_address_at_once_make_one_account() {
    for seed in 0..20 {
        let scene = Scene::start(seed).await;
        let (one, two) = (register(&scene, "ann", "a", "1"), register(&scene, "ann", "b", "2"));
        let (one, two) = tokio::join!(scene.account("ann", one), scene.account("ann", two));
        let (won, lost) = if one.is_ok() { (one, two) } else { (two, one) };
        assert_eq!(code(lost), "account.pause", "seed {seed}");
        assert_eq!(scene.account("ann", GetAccount).await.unwrap().user, won.unwrap().user);
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_that_nobody_proves_goes_after_a_week_and_its_address_is_free() {
    let scene = Scene::start(6).await;
    let first = scene.account("ann", register(&scene, "ann", "a", "1")).await.unwrap();
    scene.test.advance(7 * DAY + Duration::from_mins(1)).await;
    assert_eq!(code(scene.account("ann", GetAccount).await), "account.unknown");
    let second = scene.account("ann", register(&scene, "ann", "a", "2")).await.unwrap();
    assert_ne!(first.user, second.user);
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_of_an_unknown_account_leaves_nothing() {
    let scene = Scene::start(7).await;
    let before = (scene.test.rows(), scene.commits());
    let expires = scene.now().plus(DAY);
    let issue = IssueCode {
        purpose: Purpose::ResetPassword,
        code: hashed("x"),
        expires,
    };
    assert_eq!(code(scene.account("nobody", issue).await), "account.unknown");
    assert_eq!(code(scene.account("nobody", redeem("x")).await), "code.invalid");
    assert_eq!(code(scene.account("nobody", GetCredentials).await), "account.unknown");
    scene.account("nobody", EraseAccount).await.unwrap();
    scene.test.passivate_all().await;
    assert_eq!((scene.test.rows(), scene.commits()), before);
}

#[tokio::test(start_paused = true)]
async fn an_account_is_renamed_and_erased() {
    let scene = Scene::start(8).await;
    let before = scene.person("ann").await;
    let rename = |name: &str| Rename { name: name.to_owned() };
    assert_eq!(scene.account("ann", rename(" Ann Lee ")).await.unwrap().name, "Ann Lee");
    assert_eq!(code(scene.account("ann", rename("a\nb")).await), "account.name");
    scene.account("ann", EraseAccount).await.unwrap();
    scene.account("ann", EraseAccount).await.unwrap();
    assert_eq!(code(scene.account("ann", GetAccount).await), "account.unknown");
    assert_ne!(scene.person("ann").await.user, before.user, "another person");
}

#[tokio::test(start_paused = true)]
async fn accounts_live_in_the_system_tenant_under_their_address() {
    let scene = Scene::start(9).await;
    let elsewhere = ActorId::from_name::<Account>(&acme(), &email("ann").account());
    assert_eq!(
        code(scene.actor::<Account>(elsewhere).ask(GetAccount).await),
        "tenant.not-system"
    );
    let foreign = register(&scene, "bob", "b", "1");
    assert_eq!(code(scene.account("ann", foreign).await), "account.email");
    assert_eq!(SYSTEM_TENANT, "system");
    let late = Register {
        proof: Proof::Code {
            code: hashed("x"),
            expires: Timestamp::from_millis(0),
        },
        ..register(&scene, "ann", "a", "1")
    };
    assert_eq!(code(scene.account("ann", late).await), "code.life");
    assert_eq!(code(scene.account("ann", GetAccount).await), "account.unknown");
}
