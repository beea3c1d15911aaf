//! Signing up, in and out.

use std::{sync::Arc, time::Duration};

use cluster::prelude::{TenantId, Uuid};

use crate::{
    account::{GetAccount, IssueCode, ListSessions, Purpose, SessionEnded, Which},
    identity::{Identity, IdentityError, NewSession, SignUp, SignedUp},
    membership::{AddMember, FoundTenant, NewMember, RemoveMember, SetRole, SuspendTenant},
    ports::fake::FakePasswords,
    role::{Plan, Role, TenantStatus},
    scene::{DAY, Scene, acme, code, email, hashed, member},
    session::SessionEnd,
};

/// Signs up, proves the address, and answers the tenant that was founded.
async fn settled(scene: &Scene, who: &str) -> TenantId {
    let identity = scene.identity();
    identity.sign_up(scene.newcomer(who, "old", who)).await.unwrap();
    let person = identity.verify(&email(who), hashed(who)).await.unwrap();
    person.tenants[0].tenant.clone()
}

#[tokio::test(start_paused = true)]
async fn from_sign_up_to_sign_out() {
    let scene = Scene::start(1).await;
    let identity = scene.identity();
    let signed_up = identity.sign_up(scene.newcomer("ann", "old", "code")).await.unwrap();
    assert!(matches!(signed_up, SignedUp::New(_)));
    let early = identity.sign_in(scene.credentials("ann", "old", 1)).await;
    assert_eq!(early.unwrap_err(), IdentityError::Unverified);
    let wrong = identity.sign_in(scene.credentials("ann", "other", 1)).await;
    assert_eq!(
        wrong.unwrap_err(),
        IdentityError::Refused,
        "who does not know the password is not told"
    );

    assert_eq!(
        code(identity.verify(&email("ann"), hashed("guess")).await),
        "code.invalid"
    );
    identity.verify(&email("ann"), hashed("code")).await.unwrap();
    let again = identity.sign_up(scene.newcomer("ann", "mine", "2")).await.unwrap();
    assert_eq!(again, SignedUp::Exists);

    let entered = identity.sign_in(scene.credentials("ann", "old", 1)).await.unwrap();
    let (tenant, standing) = entered.tenant.unwrap();
    assert_eq!((standing.role, standing.tenant_name.as_str()), (Role::Admin, "Acme"));
    let admitted = identity.check_session(Uuid::from_u128(1)).await.unwrap();
    assert_eq!(admitted.session.tenant, Some(tenant));
    assert_eq!(admitted.standing.unwrap().status, TenantStatus::Active);
    for _ in 0..2 {
        identity.sign_out(Uuid::from_u128(1)).await.unwrap();
        assert_eq!(
            code(identity.check_session(Uuid::from_u128(1)).await),
            "session.revoked"
        );
    }
    identity.sign_out(Uuid::from_u128(7)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn as_much_is_worked_on_the_password_of_nobody_or_of_a_locked_account_as_on_that_of_somebody() {
    let scene = Scene::start(2).await;
    settled(&scene, "ann").await;
    let passwords = FakePasswords::default();
    let identity = Identity::new(scene.test.cluster(), Arc::new(passwords.clone()));
    let refused = |outcome: Result<_, _>, why| assert_eq!(outcome.unwrap_err(), why);
    refused(
        identity.sign_in(scene.credentials("ann", "wrong", 1)).await,
        IdentityError::Refused,
    );
    assert_eq!(passwords.checks(), 1);
    refused(
        identity.sign_in(scene.credentials("nobody", "wrong", 1)).await,
        IdentityError::Unknown,
    );
    assert_eq!(
        IdentityError::Unknown.to_string(),
        IdentityError::Refused.to_string(),
        "nobody is told which"
    );
    assert_eq!(passwords.checks(), 2);
    for _ in 0..4 {
        identity
            .sign_in(scene.credentials("ann", "wrong", 1))
            .await
            .unwrap_err();
    }
    let locked = identity.sign_in(scene.credentials("ann", "wrong", 1)).await;
    assert!(matches!(locked.unwrap_err(), IdentityError::Locked { .. }));
    assert_eq!(passwords.checks(), 7, "of an account that is locked, too");
}

#[tokio::test(start_paused = true)]
async fn guessing_is_slowed_down_for_who_guesses_at_once_and_who_has_a_session() {
    let scene = Scene::start(3).await;
    settled(&scene, "ann").await;
    let identity = scene.identity();
    for _ in 0..4 {
        identity
            .sign_in(scene.credentials("ann", "wrong", 1))
            .await
            .unwrap_err();
    }
    let ann = email("ann");
    let change = |old: &str| identity.change_password(&ann, None, old.to_owned(), "new".to_owned());
    assert_eq!(change("wrong").await.unwrap_err(), IdentityError::Refused);
    assert!(matches!(change("old").await.unwrap_err(), IdentityError::Locked { .. }));
    let right = identity.sign_in(scene.credentials("ann", "old", 1)).await;
    assert!(matches!(right.unwrap_err(), IdentityError::Locked { .. }));
}

#[tokio::test(start_paused = true)]
async fn an_outdated_hash_is_renewed() {
    let scene = Scene::start(4).await;
    let register = crate::account::Register {
        email: email("ann"),
        name: "Ann".into(),
        password: crate::secret::PasswordHash::new("$old$secret").unwrap(),
        proof: crate::account::Proof::Given,
        founds: None,
    };
    scene.account("ann", register).await.unwrap();
    let identity = scene.identity();
    identity.sign_in(scene.credentials("ann", "secret", 1)).await.unwrap();
    let crate::account::Credentials::Open { password, .. } =
        scene.account("ann", crate::account::GetCredentials).await.unwrap()
    else {
        panic!("the account is open");
    };
    assert_eq!(password, Some(crate::scene::password("secret")));
    identity.check_session(Uuid::from_u128(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn another_password_signs_out_everywhere_else() {
    let scene = Scene::start(5).await;
    settled(&scene, "ann").await;
    let identity = scene.identity();
    for session in [1, 2] {
        identity
            .sign_in(scene.credentials("ann", "old", session))
            .await
            .unwrap();
    }
    let keep = Some(Uuid::from_u128(2));
    identity
        .change_password(&email("ann"), keep, "old".into(), "new".into())
        .await
        .unwrap();
    scene.settle().await;
    assert_eq!(
        code(identity.check_session(Uuid::from_u128(1)).await),
        "session.revoked"
    );
    identity.check_session(Uuid::from_u128(2)).await.unwrap();

    let issue = IssueCode {
        purpose: Purpose::ResetPassword,
        code: hashed("reset"),
        expires: scene.now().plus(DAY),
    };
    scene.account("ann", issue).await.unwrap();
    identity
        .reset_password(&email("ann"), hashed("reset"), "newer".into())
        .await
        .unwrap();
    scene.settle().await;
    assert_eq!(
        code(identity.check_session(Uuid::from_u128(2)).await),
        "session.revoked"
    );
    identity.sign_in(scene.credentials("ann", "newer", 3)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_code_by_mail_signs_in_without_a_password() {
    let scene = Scene::start(6).await;
    settled(&scene, "ann").await;
    let issue = IssueCode {
        purpose: Purpose::SignIn,
        code: hashed("code"),
        expires: scene.now().plus(DAY),
    };
    scene.account("ann", issue).await.unwrap();
    let identity = scene.identity();
    let entered = identity
        .sign_in_by_code(&email("ann"), hashed("code"), scene.new_session(1))
        .await
        .unwrap();
    assert!(entered.tenant.is_some());
    let again = identity
        .sign_in_by_code(&email("ann"), hashed("code"), scene.new_session(2))
        .await;
    assert_eq!(code(again), "code.invalid");
}

#[tokio::test(start_paused = true)]
async fn a_person_works_in_one_tenant_after_another() {
    let scene = Scene::start(7).await;
    let own = settled(&scene, "ann").await;
    let person = scene.account("ann", GetAccount).await.unwrap();
    let found = FoundTenant {
        name: "Acme".into(),
        plan: Plan::Free,
        admin: member("bob"),
    };
    scene.tenant(found).await.unwrap();
    let identity = scene.identity();
    identity.sign_in(scene.credentials("ann", "old", 1)).await.unwrap();
    let foreign = identity.switch_tenant(Uuid::from_u128(1), &acme()).await;
    assert_eq!(code(foreign), "tenant.unknown", "nobody is told of a tenant of others");

    let ann = NewMember {
        user: person.user.clone(),
        email: email("ann"),
        name: "Ann".into(),
    };
    let add = AddMember {
        member: ann,
        role: Role::Operator,
    };
    scene.tenant(add).await.unwrap();
    let (state, standing) = identity.switch_tenant(Uuid::from_u128(1), &acme()).await.unwrap();
    assert_eq!((state.tenant, standing.role), (Some(acme()), Role::Operator));
    let set = SetRole {
        user: person.user.clone(),
        role: Role::Supervisor,
    };
    scene.tenant(set).await.unwrap();
    let admitted = identity.check_session(Uuid::from_u128(1)).await.unwrap();
    assert_eq!(admitted.standing.unwrap().role, Role::Supervisor);

    scene.tenant(RemoveMember { user: person.user }).await.unwrap();
    let admitted = identity.check_session(Uuid::from_u128(1)).await.unwrap();
    assert_eq!(admitted.standing, None, "the session goes on, and leads nowhere");
    let (state, _) = identity.switch_tenant(Uuid::from_u128(1), &own).await.unwrap();
    assert_eq!(state.tenant, Some(own));
}

#[tokio::test(start_paused = true)]
async fn a_suspended_tenant_is_not_entered() {
    let scene = Scene::start(8).await;
    let own = settled(&scene, "ann").await;
    let identity = scene.identity();
    let suspend = SuspendTenant { why: String::new() };
    let membership = scene.actor::<crate::membership::Membership>(crate::membership::Membership::address(&own));
    membership.ask(suspend).await.unwrap();
    let entered = identity.sign_in(scene.credentials("ann", "old", 1)).await.unwrap();
    assert_eq!(entered.tenant, None);
    let wanted = NewSession {
        tenant: Some(own.clone()),
        ..scene.new_session(2)
    };
    let mut wanting = scene.credentials("ann", "old", 2);
    wanting.session = wanted;
    let IdentityError::Actor(error) = identity.sign_in(wanting).await.unwrap_err() else {
        panic!("the tenant refuses");
    };
    assert_eq!(error.code(), "tenant.suspended");
    assert_eq!(
        code(identity.switch_tenant(Uuid::from_u128(1), &own).await),
        "tenant.suspended"
    );
}

#[tokio::test(start_paused = true)]
async fn signing_in_repairs_the_index_of_tenants() {
    let scene = Scene::start(9).await;
    let own = settled(&scene, "ann").await;
    let stale = crate::account::NoteMembership {
        tenant: acme(),
        name: "Acme".into(),
    };
    scene.account("ann", stale).await.unwrap();
    scene.test.advance(Duration::from_mins(1)).await;
    let identity = scene.identity();
    let mut wanting = scene.credentials("ann", "old", 1);
    wanting.session.tenant = Some(acme());
    let IdentityError::Actor(error) = identity.sign_in(wanting).await.unwrap_err() else {
        panic!("there is no such tenant");
    };
    assert_eq!(error.code(), "tenant.unknown");
    let known = scene.account("ann", GetAccount).await.unwrap().tenants;
    assert_eq!(known.iter().map(|known| &known.tenant).collect::<Vec<_>>(), [&own]);
}

#[tokio::test(start_paused = true)]
async fn sessions_that_are_closed_are_closed_when_it_is_answered() {
    let scene = Scene::start(10).await;
    settled(&scene, "ann").await;
    let identity = scene.identity();
    for session in 1..=3 {
        identity
            .sign_in(scene.credentials("ann", "old", session))
            .await
            .unwrap();
    }
    let others = Which::Others(Uuid::from_u128(3));
    let closed = identity
        .close_sessions(&email("ann"), others, SessionEnd::Closed)
        .await
        .unwrap();
    assert_eq!(closed.len(), 2);
    for session in closed {
        assert_eq!(code(identity.check_session(session).await), "session.revoked");
    }
    let ended = SessionEnded {
        session: Uuid::from_u128(9),
    };
    scene.account("ann", ended).await.unwrap();
    assert_eq!(scene.account("ann", ListSessions).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_founds_nothing_has_no_tenant_and_a_session_all_the_same() {
    let scene = Scene::start(11).await;
    let identity = scene.identity();
    let sign_up = SignUp {
        founds: None,
        ..scene.newcomer("ann", "old", "code")
    };
    identity.sign_up(sign_up).await.unwrap();
    identity.verify(&email("ann"), hashed("code")).await.unwrap();
    let entered = identity.sign_in(scene.credentials("ann", "old", 1)).await.unwrap();
    assert_eq!(entered.tenant, None);
    assert_eq!(identity.check_session(Uuid::from_u128(1)).await.unwrap().standing, None);
}
