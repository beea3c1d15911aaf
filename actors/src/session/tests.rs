//! The rules of sessions.

use std::time::Duration;

use cluster::prelude::{ActorId, Uuid};

use super::{CheckSession, OpenSession, RevokeSession, Session, SessionEnd, SwitchTenant};
use crate::{
    account::ListSessions,
    scene::{DAY, Scene, acme, code, email, user},
};

const END: RevokeSession = RevokeSession {
    why: SessionEnd::SignedOut,
};

fn open(scene: &Scene) -> OpenSession {
    OpenSession {
        user: user("ann"),
        email: email("ann"),
        tenant: None,
        device: "a device".into(),
        expires: scene.now().plus(DAY),
    }
}

#[tokio::test(start_paused = true)]
async fn asking_for_an_unknown_session_writes_nothing_and_leaves_nothing() {
    let scene = Scene::start(1).await;
    let before = (scene.test.rows(), scene.commits());
    for session in 0..20 {
        assert_eq!(code(scene.session(session, CheckSession).await), "session.unknown");
        assert_eq!(code(scene.session(session, END).await), "session.unknown");
        let switch = SwitchTenant { tenant: None };
        assert_eq!(code(scene.session(session, switch).await), "session.unknown");
    }
    scene.test.passivate_all().await;
    scene.settle().await;
    assert_eq!((scene.test.rows(), scene.commits()), before);
}

#[tokio::test(start_paused = true)]
async fn a_session_goes_on_until_it_is_revoked_also_over_a_crash() {
    let mut scene = Scene::start(2).await;
    scene.session(1, open(&scene)).await.unwrap();
    scene.test.crash_and_restart().await;
    let state = scene.session(1, CheckSession).await.unwrap();
    assert_eq!((state.user, state.tenant), (user("ann"), None));
    for _ in 0..2 {
        scene.session(1, END).await.unwrap();
        assert_eq!(code(scene.session(1, CheckSession).await), "session.revoked");
        scene.test.crash_and_restart().await;
    }
    let switch = SwitchTenant { tenant: Some(acme()) };
    assert_eq!(code(scene.session(1, switch).await), "session.revoked");
}

#[tokio::test(start_paused = true)]
async fn a_session_expires_and_soon_nothing_is_left_of_it() {
    let scene = Scene::start(3).await;
    scene.session(1, open(&scene)).await.unwrap();
    scene.session(2, open(&scene)).await.unwrap();
    scene.session(2, END).await.unwrap();
    scene.test.advance(DAY - Duration::from_secs(1)).await;
    scene.session(1, CheckSession).await.unwrap();
    scene.test.advance(Duration::from_secs(1)).await;
    assert_eq!(code(scene.session(1, CheckSession).await), "session.expired");
    assert_eq!(code(scene.session(2, CheckSession).await), "session.revoked");
    scene.test.advance(Duration::from_hours(2)).await;
    for session in [1, 2] {
        assert_eq!(code(scene.session(session, CheckSession).await), "session.unknown");
        assert_eq!(scene.stored(&Session::address(Uuid::from_u128(session))).await, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_writes_once_in_five_minutes_at_most() {
    let scene = Scene::start(4).await;
    scene.session(1, open(&scene)).await.unwrap();
    scene.settle().await;
    let begin = scene.commits();
    let mut seen = scene.now();
    for _ in 0..20 * 60 {
        scene.test.advance(Duration::from_secs(1)).await;
        let now = scene.session(1, CheckSession).await.unwrap().seen;
        assert!(now > seen, "the moment itself is exact");
        seen = now;
    }
    assert_eq!(scene.commits() - begin, 4);
    scene.test.passivate_all().await;
    let state = scene.session(1, CheckSession).await.unwrap();
    assert!(state.seen >= seen);
}

#[tokio::test(start_paused = true)]
async fn opening_again_changes_nothing_and_brings_nothing_back() {
    let scene = Scene::start(5).await;
    let first = open(&scene);
    scene.session(1, first.clone()).await.unwrap();
    let switched = scene.session(1, SwitchTenant { tenant: Some(acme()) }).await.unwrap();
    assert_eq!(switched.tenant, Some(acme()));
    scene.session(1, first.clone()).await.unwrap();
    assert_eq!(scene.session(1, CheckSession).await.unwrap().tenant, Some(acme()));

    let other = OpenSession {
        user: user("bob"),
        ..first.clone()
    };
    assert_eq!(code(scene.session(1, other).await), "session.other");

    scene.session(1, END).await.unwrap();
    scene.session(1, first.clone()).await.unwrap();
    assert_eq!(code(scene.session(1, CheckSession).await), "session.revoked");
    scene.test.advance(2 * DAY).await;
    assert_eq!(
        code(scene.session(1, first).await),
        "session.expired",
        "also when nothing is left of it"
    );
    assert_eq!(code(scene.session(1, CheckSession).await), "session.unknown");
}

#[tokio::test(start_paused = true)]
async fn what_breaks_a_bound_is_refused() {
    let scene = Scene::start(6).await;
    for device in ["x".repeat(257), "a\nb".to_owned()] {
        let refused = OpenSession { device, ..open(&scene) };
        assert_eq!(code(scene.session(1, refused).await), "session.device");
    }
    let eternal = OpenSession {
        expires: scene.now().plus(401 * DAY),
        ..open(&scene)
    };
    assert_eq!(code(scene.session(1, eternal).await), "session.life");
    let device = "x".repeat(256);
    scene.session(1, OpenSession { device, ..open(&scene) }).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn sessions_live_in_the_system_tenant_under_a_uuid() {
    let scene = Scene::start(7).await;
    let elsewhere = ActorId::unique::<Session>(&acme(), Uuid::from_u128(1));
    assert_eq!(
        code(scene.actor::<Session>(elsewhere).ask(CheckSession).await),
        "tenant.not-system"
    );
    let nameless = ActorId::from_name::<Session>(&crate::role::system_tenant(), "one");
    assert_eq!(
        code(scene.actor::<Session>(nameless).ask(CheckSession).await),
        "session.id"
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_revoked_leaves_the_list_of_its_account() {
    let scene = Scene::start(8).await;
    scene.person("ann").await;
    scene.sign_in("ann", 1).await;
    scene.sign_in("ann", 2).await;
    scene.session(1, END).await.unwrap();
    scene.settle().await;
    let listed = scene.account("ann", ListSessions).await.unwrap();
    assert_eq!(
        listed.iter().map(|known| known.session).collect::<Vec<_>>(),
        [Uuid::from_u128(2)]
    );
}
