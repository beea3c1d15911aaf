//! The directory, and the settings of the cluster.

use cluster::{Bounds, Count, TenantQuery, prelude::*, testing::TestCluster};

use crate::fixture::{Account, Activations, Add, Total, account, engine_accounts, tenant};

/// Guarantee 6.
#[tokio::test(start_paused = true)]
async fn actors_are_listed_from_their_first_write() {
    let (mut test, _) = engine_accounts(1).await;
    for n in [3, 1, 2] {
        account(&test, &format!("run-{n}")).ask(Add(n)).await.unwrap();
    }
    account(&test, "other").ask(Add(1)).await.unwrap();
    account(&test, "reader").ask(Total).await.unwrap();
    let stranger = TenantId::new("acme-2").unwrap();
    let foreign = ActorId::from_name::<Account>(&stranger, "run-9");
    test.cluster().get::<Account>(foreign).ask(Add(1)).await.unwrap();

    test.crash_and_restart().await;
    let list = async |query| test.cluster().list::<Account>(&tenant(), query).await.unwrap();
    assert_eq!(
        list(DirectoryQuery::default()).await,
        ["other", "run-1", "run-2", "run-3"]
    );
    let runs = DirectoryQuery {
        prefix: "run-".into(),
        limit: 2,
        ..Default::default()
    };
    assert_eq!(list(runs.clone()).await, ["run-1", "run-2"]);
    assert_eq!(
        list(DirectoryQuery {
            after: Some("run-2".into()),
            ..runs.clone()
        })
        .await,
        ["run-3"]
    );
    assert!(
        list(DirectoryQuery {
            after: Some("run-9".into()),
            ..runs.clone()
        })
        .await
        .is_empty()
    );
    assert!(
        list(DirectoryQuery {
            after: Some("z".into()),
            ..runs
        })
        .await
        .is_empty()
    );
}

/// Guarantee 6.
#[tokio::test(start_paused = true)]
async fn tenants_are_listed_once_in_order_and_a_page_at_a_time() {
    let (test, _) = engine_accounts(4).await;
    let tenants: Vec<_> = ["a", "a-1", "b", "c"].map(|text| TenantId::new(text).unwrap()).into();
    for tenant in &tenants {
        for name in 0..5 {
            let id = ActorId::from_name::<Account>(tenant, &name.to_string());
            test.cluster().get::<Account>(id).ask(Add(1)).await.unwrap();
        }
    }
    let listing = test.cluster().listing();
    let page = async |after: Option<&TenantId>, limit| {
        let query = TenantQuery {
            class: Some("account".into()),
            after: after.cloned(),
            limit,
        };
        listing.tenants(query).await.unwrap()
    };
    assert_eq!(page(None, 0).await, tenants);
    assert_eq!(page(None, 3).await, tenants[..3]);
    assert_eq!(page(Some(&tenants[0]), 2).await, tenants[1..3]);
    assert_eq!(page(Some(&tenants[2]), 3).await, tenants[3..]);
    assert!(page(Some(&tenants[3]), 3).await.is_empty());
    let everywhere = TenantQuery::default();
    assert_eq!(listing.tenants(everywhere).await.unwrap(), tenants);

    let unknown = TenantQuery {
        class: Some("door".into()),
        ..TenantQuery::default()
    };
    assert_eq!(listing.tenants(unknown).await.unwrap_err().code(), "class.unregistered");
}

/// Guarantee 14.
#[tokio::test(start_paused = true)]
async fn counts_are_exact_up_to_their_bound() {
    let test = TestCluster::builder(5)
        .bounds(Bounds {
            count: 6,
            ..Bounds::default()
        })
        .actor::<Account>(Activations::default())
        .start()
        .await;
    let stranger = TenantId::new("other").unwrap();
    let count = async |tenant: Option<&TenantId>| {
        let Count { actors, exact } = test.cluster().listing().count("account", tenant).await.unwrap();
        (actors, exact)
    };
    assert_eq!(count(None).await, (0, true));
    for name in 0..6 {
        account(&test, &name.to_string()).ask(Add(1)).await.unwrap();
    }
    assert_eq!(count(None).await, (6, true));
    let id = ActorId::from_name::<Account>(&stranger, "a");
    test.cluster().get::<Account>(id).ask(Add(1)).await.unwrap();
    assert_eq!(count(None).await, (6, false));
    assert_eq!(count(Some(&tenant())).await, (6, true));
    assert_eq!(count(Some(&stranger)).await, (1, true));
}

/// Guarantee 14.
#[tokio::test(start_paused = true)]
async fn pages_of_the_directory_are_bounded() {
    let (test, _) = engine_accounts(2).await;
    let query = DirectoryQuery {
        limit: 1001,
        ..Default::default()
    };
    let refused = test.cluster().list::<Account>(&tenant(), query).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooLarge);
}

/// The first value of a setting wins and survives.
#[tokio::test(start_paused = true)]
async fn settings_are_written_once() {
    let (mut test, _) = engine_accounts(3).await;
    let settings = test.cluster().settings();
    assert_eq!(settings.get("signing-key").await.unwrap(), None);
    let (one, two) = tokio::join!(
        settings.put_if_absent("signing-key", vec![1]),
        settings.put_if_absent("signing-key", vec![2])
    );
    assert_eq!(one.unwrap(), two.unwrap());
    test.crash_and_restart().await;
    let winner = test.cluster().settings().get("signing-key").await.unwrap().unwrap();
    assert_eq!(
        test.cluster()
            .settings()
            .put_if_absent("signing-key", vec![3])
            .await
            .unwrap(),
        winner
    );
}
