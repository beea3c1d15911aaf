//! One tenant, or one actor, of a backup in a running node.

use std::time::Duration;

use cluster::{Backup, BackupError, Cluster, Contents, Existing, Restored, prelude::*, testing::TestCluster};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    fixture::{Account, Add, Total, tenant},
    purse::{Balance, Chest, Clear, Fill, Give, MEMBERS, Open, Purse, Ring, filled, open, purse, settled},
};

fn chest(cluster: &Cluster, tenant: &TenantId) -> ActorRef<Chest> {
    cluster.get(ActorId::from_name::<Chest>(tenant, "one"))
}

/// Guarantees 3, 6 and 10: nothing of an erased tenant comes back, neither by a message that was on its way nor by an alarm.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erased_tenant_is_as_if_it_had_never_been_and_others_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let cluster = open(&data).await.unwrap();
    let other = TenantId::new("other").unwrap();
    let stranger = ActorId::from_name::<Account>(&other, "a");
    cluster.get::<Account>(stranger.clone()).ask(Add(1)).await.unwrap();
    for n in 0..MEMBERS {
        let to = ((n + 1) % MEMBERS).to_string();
        purse(&cluster, n).ask(Give { to, amount: 1 }).await.unwrap();
    }
    let soon = Timestamp::from_millis(0).plus(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap());
    purse(&cluster, 0)
        .ask(Ring(soon.plus(Duration::from_millis(500))))
        .await
        .unwrap();

    assert_eq!(cluster.erase(&tenant()).await.unwrap(), MEMBERS);
    assert_eq!(cluster.erase(&tenant()).await.unwrap(), 0, "again there is nothing");
    let listed = async |cluster: &Cluster| {
        cluster
            .list::<Purse>(&tenant(), DirectoryQuery::default())
            .await
            .unwrap()
    };
    assert_eq!(listed(&cluster).await, [""; 0]);
    assert_eq!(cluster.get::<Account>(stranger.clone()).ask(Total).await.unwrap(), 1);
    cluster.shutdown().await;
    let found = cluster::verify(&data, directory.path().join("scratch"), |_, _| {}).unwrap();
    assert_eq!(found.findings, []);

    // Whatever would be delivered or rung is due by then.
    let cluster = open(&data).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(listed(&cluster).await, [""; 0]);
    // The name is free for others.
    purse(&cluster, 0).ask(Balance).await.unwrap();
    assert_eq!(settled(&cluster).await, MEMBERS * 1_000_000);
}

/// Guarantees 3, 6 and 10: a tenant that goes back takes its messages on their way and its alarms along.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_goes_back_to_the_moment_of_its_backup() {
    let directory = tempfile::tempdir().unwrap();
    let cluster = open(&directory.path().join("data")).await.unwrap();
    let stranger = ActorId::from_name::<Account>(&TenantId::new("other").unwrap(), "a");
    cluster.get::<Account>(stranger.clone()).ask(Add(1)).await.unwrap();
    let alarm = Timestamp::from_millis(i64::MAX / 4);
    purse(&cluster, 0).ask(Ring(alarm)).await.unwrap();
    let give = async |cluster: &Cluster, rounds: u64| {
        for round in 0..rounds {
            for n in 0..MEMBERS {
                let to = ((n + round + 1) % MEMBERS).to_string();
                purse(cluster, n).ask(Give { to, amount: 1 }).await.unwrap();
            }
        }
    };
    let copy = directory.path().join("copy");
    let ((), manifest) = tokio::join!(give(&cluster, 20), async {
        // In the middle, so that messages are on their way.
        while purse(&cluster, 3).ask(Balance).await.unwrap().0 == 1_000_000 {}
        cluster
            .backup(Contents::Tenant(tenant()), &copy, |_, _| {})
            .await
            .unwrap()
    });
    assert_eq!(manifest.contents, Contents::Tenant(tenant()));
    give(&cluster, 3).await;
    cluster
        .get::<Account>(ActorId::from_name::<Account>(&tenant(), "later"))
        .ask(Add(1))
        .await
        .unwrap();
    cluster.get::<Account>(stranger.clone()).ask(Add(1)).await.unwrap();

    let backup = Backup::open(&copy).unwrap();
    let whole = Contents::Tenant(tenant());
    let refused = cluster
        .restore(&backup, whole.clone(), Existing::Refuse)
        .await
        .unwrap_err();
    assert!(matches!(refused, BackupError::Present(_)), "{refused}");
    let foreign = Contents::Tenant(TenantId::new("other").unwrap());
    let refused = cluster.restore(&backup, foreign, Existing::Replace).await.unwrap_err();
    assert!(matches!(refused, BackupError::Other { .. }), "{refused}");
    for _ in 0..2 {
        let restored = cluster
            .restore(&backup, whole.clone(), Existing::Replace)
            .await
            .unwrap();
        assert!(restored.actors <= MEMBERS && restored.actors > 1, "{restored:?}");
        assert_eq!(settled(&cluster).await, MEMBERS * 1_000_000);
        let listed = cluster
            .list::<Account>(&tenant(), DirectoryQuery::default())
            .await
            .unwrap();
        assert_eq!(listed, [""; 0], "what came later is gone");
    }
    give(&cluster, 2).await;
    assert_eq!(settled(&cluster).await, MEMBERS * 1_000_000);
    assert_eq!(
        cluster.get::<Account>(stranger).ask(Total).await.unwrap(),
        2,
        "others go on"
    );
    cluster.shutdown().await;
    let found = cluster::verify(
        directory.path().join("data"),
        directory.path().join("scratch"),
        |_, _| {},
    )
    .unwrap();
    assert_eq!(found.findings, []);

    // In a node that never heard of it.
    let fresh = open(&directory.path().join("fresh")).await.unwrap();
    purse(&fresh, 0).ask(Balance).await.unwrap();
    fresh.restore(&backup, whole, Existing::Refuse).await.unwrap();
    assert_eq!(settled(&fresh).await, MEMBERS * 1_000_000);
    give(&fresh, 2).await;
    assert_eq!(
        settled(&fresh).await,
        MEMBERS * 1_000_000,
        "new messages are no old ones"
    );
    fresh.shutdown().await;
}

/// An actor larger than a batch is there whole, also after a restart, and with its alarm.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_actor_goes_back_alone() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let cluster = open(&data).await.unwrap();
    let fill = |mark| Fill {
        count: 60,
        bytes: 100_000,
        mark,
    };
    let id = ActorId::from_name::<Chest>(&tenant(), "one");
    chest(&cluster, &tenant()).ask(fill(1)).await.unwrap();
    let (one, all) = (directory.path().join("one"), directory.path().join("all"));
    cluster
        .backup(Contents::Actor(id.clone()), &one, |_, _| {})
        .await
        .unwrap();
    cluster.backup(Contents::Node, &all, |_, _| {}).await.unwrap();
    chest(&cluster, &tenant()).ask(fill(2)).await.unwrap();
    let done = Restored {
        actors: 1,
        ..Restored::default()
    };
    for copy in [&one, &all, &one] {
        let backup = Backup::open(copy).unwrap();
        let refused = cluster
            .restore(&backup, Contents::Actor(id.clone()), Existing::Refuse)
            .await
            .unwrap_err();
        assert!(
            matches!(&refused, BackupError::Present(present) if *present == id),
            "{refused}"
        );
        assert_eq!(chest(&cluster, &tenant()).ask(Open).await.unwrap(), filled(60, 2));
        let restored = cluster
            .restore(&backup, Contents::Actor(id.clone()), Existing::Replace)
            .await
            .unwrap();
        assert_eq!(restored, done);
        assert_eq!(chest(&cluster, &tenant()).ask(Open).await.unwrap(), filled(60, 1));
        chest(&cluster, &tenant()).ask(fill(2)).await.unwrap();
    }
    // Deleted, it may come back without being given up.
    chest(&cluster, &tenant()).ask(Clear).await.unwrap();
    let backup = Backup::open(&one).unwrap();
    assert_eq!(
        cluster
            .restore(&backup, Contents::Actor(id.clone()), Existing::Refuse)
            .await
            .unwrap(),
        done
    );
    let nobody = Contents::Actor(ActorId::from_name::<Chest>(&tenant(), "nobody"));
    let missing = cluster
        .restore(&Backup::open(&all).unwrap(), nobody, Existing::Refuse)
        .await
        .unwrap_err();
    assert!(matches!(missing, BackupError::Missing(_)), "{missing}");
    cluster.shutdown().await;
    let cluster = open(&data).await.unwrap();
    assert_eq!(chest(&cluster, &tenant()).ask(Open).await.unwrap(), filled(60, 1));
    cluster.shutdown().await;
}

/// Guarantee 3: the live activation ends before anything is replaced, and nobody hears of it afterwards.
#[tokio::test(start_paused = true)]
async fn a_live_actor_is_put_away_and_its_callers_are_told_to_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let test = TestCluster::builder(1).actor::<Purse>(()).start().await;
    let cluster = test.cluster();
    let id = ActorId::from_name::<Purse>(&tenant(), "1");
    purse(&cluster, 1)
        .ask(Ring(Timestamp::from_millis(i64::MAX / 4)))
        .await
        .unwrap();
    let copy = directory.path().join("copy");
    cluster
        .backup(Contents::Actor(id.clone()), &copy, |_, _| {})
        .await
        .unwrap();
    let backup = Backup::open(&copy).unwrap();
    let give = || Give {
        to: "2".to_owned(),
        amount: 1,
    };
    purse(&cluster, 1).ask(give()).await.unwrap();
    let (restored, refused) = tokio::join!(
        cluster.restore(&backup, Contents::Actor(id.clone()), Existing::Replace),
        async {
            loop {
                if let Err(error) = purse(&cluster, 1).ask(give()).await {
                    return error;
                }
                tokio::task::yield_now().await;
            }
        }
    );
    restored.unwrap();
    assert_eq!(refused.kind(), ErrorKind::Retryable);
    assert_eq!(purse(&cluster, 1).ask(Balance).await.unwrap().0, 1_000_000);
    cluster.shutdown().await;
}

/// Guarantee 6: at whatever moment the node dies, the actor is as before or as in the backup, and nothing of the other
/// one takes room.
#[tokio::test(start_paused = true)]
async fn a_restore_that_is_cut_off_has_restored_all_or_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (mut before, mut after) = (0, 0);
    for seed in 0..12 {
        println!("seed {seed}");
        let mut rng = StdRng::seed_from_u64(seed);
        let mut test = TestCluster::builder(seed).actor::<Chest>(()).shards(1).start().await;
        let fill = |mark| Fill {
            count: 30,
            bytes: 150_000,
            mark,
        };
        chest(&test.cluster(), &tenant()).ask(fill(1)).await.unwrap();
        let copy = directory.path().join(seed.to_string());
        let contents = Contents::Actor(ActorId::from_name::<Chest>(&tenant(), "one"));
        test.cluster().backup(contents.clone(), &copy, |_, _| {}).await.unwrap();
        chest(&test.cluster(), &tenant()).ask(fill(2)).await.unwrap();
        test.advance(Duration::from_secs(5)).await;
        let rows = test.rows();
        let (cluster, backup) = (test.cluster(), Backup::open(&copy).unwrap());
        let commits = test.commits() + rng.random_range(0..8);
        let restoring = tokio::spawn(async move { cluster.restore(&backup, contents, Existing::Replace).await });
        while test.commits() < commits && !restoring.is_finished() {
            tokio::time::sleep(Duration::from_micros(50)).await;
        }
        test.crash_and_restart().await;
        let found = chest(&test.cluster(), &tenant()).ask(Open).await.unwrap();
        if found == filled(30, 1) {
            after += 1;
        } else {
            assert_eq!(found, filled(30, 2));
            before += 1;
        }
        test.advance(Duration::from_secs(5)).await;
        assert_eq!(test.rows(), rows, "nothing of the other one is left");
        assert_eq!(test.fatal(), [""; 0]);
    }
    assert!(before > 0 && after > 0, "{before} before, {after} after");
}
