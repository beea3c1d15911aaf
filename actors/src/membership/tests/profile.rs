//! The tenant itself.

use std::collections::BTreeMap;

use cluster::prelude::ActorId;

use crate::{
    membership::{
        ConfigureTenant, Enter, FoundTenant, GetMember, GetSettings, GetTenant, ListMembers, Membership, NAME,
        ResumeTenant, SuspendTenant,
    },
    role::{Plan, Role, TenantStatus, system_tenant},
    scene::{Scene, code, member, user},
};

fn found(who: &str) -> FoundTenant {
    FoundTenant {
        name: "Acme".into(),
        plan: Plan::Free,
        admin: member(who),
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_is_founded_once() {
    let mut scene = Scene::start(1).await;
    let (ann, bob) = tokio::join!(scene.tenant(found("ann")), scene.tenant(found("bob")));
    let first = ann.unwrap();
    assert_eq!(code(bob), "tenant.exists");
    scene.test.crash_and_restart().await;
    let again = FoundTenant {
        name: "Otherwise".into(),
        ..found("ann")
    };
    assert_eq!(scene.tenant(again).await.unwrap(), first);
    let members = scene.tenant(ListMembers::default()).await.unwrap().items;
    assert_eq!(members.len(), 1);
    assert_eq!((members[0].user.clone(), members[0].role), (user("ann"), Role::Admin));
}

#[tokio::test(start_paused = true)]
async fn before_it_is_founded_a_tenant_is_unknown_and_asking_leaves_nothing() {
    let scene = Scene::start(2).await;
    let before = (scene.test.rows(), scene.commits());
    assert_eq!(code(scene.tenant(GetTenant).await), "tenant.unknown");
    assert_eq!(
        code(scene.tenant(GetMember { user: user("ann") }).await),
        "tenant.unknown"
    );
    assert_eq!(code(scene.tenant(ResumeTenant).await), "tenant.unknown");
    assert_eq!(code(scene.tenant(ListMembers::default()).await), "tenant.unknown");
    assert_eq!((scene.test.rows(), scene.commits()), before);
}

#[tokio::test(start_paused = true)]
async fn nobody_founds_the_system_tenant_or_a_second_membership() {
    let scene = Scene::start(3).await;
    let system = scene.actor::<Membership>(Membership::address(&system_tenant()));
    assert_eq!(code(system.ask(found("ann")).await), "tenant.reserved");
    let other = ActorId::from_name::<Membership>(&crate::scene::acme(), "other");
    assert_eq!(
        code(scene.actor::<Membership>(other).ask(found("ann")).await),
        "membership.name"
    );
    assert_eq!(NAME, "membership");
}

#[tokio::test(start_paused = true)]
async fn a_suspended_tenant_says_so_until_it_is_resumed() {
    let mut scene = Scene::start(4).await;
    scene.acme(Plan::Free).await;
    let enter = || Enter {
        user: user("ann"),
        session: cluster::prelude::Uuid::from_u128(1),
    };
    assert_eq!(scene.tenant(enter()).await.unwrap().role, Role::Admin);
    let suspend = SuspendTenant { why: "unpaid".into() };
    assert_eq!(scene.tenant(suspend).await.unwrap().status, TenantStatus::Suspended);
    scene.test.crash_and_restart().await;
    assert_eq!(code(scene.tenant(enter()).await), "tenant.suspended");
    let standing = scene.tenant(GetMember { user: user("ann") }).await.unwrap();
    assert_eq!(
        standing.status,
        TenantStatus::Suspended,
        "who asks only to know is told"
    );
    scene.tenant(ResumeTenant).await.unwrap();
    scene.settle().await;
    let before = scene.commits();
    scene.tenant(ResumeTenant).await.unwrap();
    assert_eq!(scene.commits(), before, "again it changes nothing");
    scene.tenant(enter()).await.unwrap();
    let why = "x".repeat(257);
    assert_eq!(code(scene.tenant(SuspendTenant { why }).await), "tenant.why");
}

#[tokio::test(start_paused = true)]
async fn a_tenant_is_configured_within_bounds() {
    let mut scene = Scene::start(5).await;
    scene.acme(Plan::Free).await;
    let settings = |pairs: &[(&str, Option<&str>)]| {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)));
        ConfigureTenant {
            settings: pairs.collect(),
            ..ConfigureTenant::default()
        }
    };
    scene
        .tenant(settings(&[("a", Some("1")), ("b", Some("2"))]))
        .await
        .unwrap();
    scene.tenant(settings(&[("a", None), ("b", Some("3"))])).await.unwrap();
    let configure = ConfigureTenant {
        name: Some("Acme Ltd".into()),
        plan: Some(Plan::Pro),
        ..ConfigureTenant::default()
    };
    scene.tenant(configure).await.unwrap();
    scene.test.crash_and_restart().await;
    let profile = scene.tenant(GetTenant).await.unwrap();
    assert_eq!((profile.name.as_str(), profile.plan), ("Acme Ltd", Plan::Pro));
    let kept = BTreeMap::from([("b".to_owned(), "3".to_owned())]);
    assert_eq!(scene.tenant(GetSettings).await.unwrap(), kept);

    let long = "x".repeat(4_097);
    let many: Vec<String> = (0..64).map(|n| format!("s{n}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), Some("1"))).collect();
    for refused in [
        settings(&[("", Some("1"))]),
        settings(&[("a\n", None)]),
        settings(&[("a", Some(&long))]),
        settings(&many),
    ] {
        assert_eq!(code(scene.tenant(refused).await), "tenant.settings");
    }
    assert_eq!(
        scene.tenant(GetSettings).await.unwrap(),
        kept,
        "a refusal changes nothing"
    );
}
