//! Passivation.

use std::time::Duration;

use cluster::{Bounds, prelude::*, testing::TestCluster};
use futures_util::future::join_all;

use crate::fixture::{Account, Activations, Add, AddSlowly, Seen, Total, account, accounts, engine_accounts, slow};

/// Guarantee 12.
#[tokio::test(start_paused = true)]
async fn idleness_takes_fields_and_nothing_else() {
    let (test, activations) = engine_accounts(1).await;
    let account = account(&test, "a");
    account.ask(Add(3)).await.unwrap();
    assert_eq!(test.cluster().status().activations, 1);
    test.advance(Duration::from_secs(20)).await;
    assert_eq!(account.ask(Seen).await.unwrap(), [3], "not idle for long enough");
    test.advance(Duration::from_secs(40)).await;
    assert_eq!(test.cluster().status().activations, 0);
    assert_eq!(account.ask(Total).await.unwrap(), 3);
    assert!(account.ask(Seen).await.unwrap().is_empty());
    assert_eq!(activations.count(), 2);
}

/// Guarantee 12.
#[tokio::test(start_paused = true)]
async fn a_running_turn_is_not_idle() {
    let (test, activations) = engine_accounts(2).await;
    let account = account(&test, "a");
    account
        .ask_within(Duration::from_secs(300), AddSlowly(1, Duration::from_secs(120)))
        .await
        .unwrap();
    assert_eq!(account.ask(Seen).await.unwrap(), [1]);
    assert_eq!(activations.count(), 1);
}

/// Guarantee 12.
#[tokio::test(start_paused = true)]
async fn messages_that_meet_a_passivation_are_answered() {
    let (test, activations) = accounts(3, slow(20)).await;
    let account = account(&test, "a");
    for _ in 0..50 {
        let adds = join_all((0..3).map(|_| account.ask(Add(1))));
        let (totals, ()) = tokio::join!(adds, test.passivate_all());
        assert!(totals.iter().all(Result::is_ok));
    }
    assert_eq!(account.ask(Total).await.unwrap(), 150);
    assert!(activations.count() > 10, "{} activations", activations.count());
}

/// Guarantees 12 and 14.
#[tokio::test(start_paused = true)]
async fn the_least_recently_used_make_room() {
    let activations = Activations::default();
    let bounds = Bounds {
        activations: 8,
        ..Bounds::default()
    };
    let builder = TestCluster::builder(4)
        .shards(1)
        .bounds(bounds)
        .actor::<Account>(activations.clone());
    let test = builder.start().await;
    for n in 0..40_u64 {
        account(&test, &n.to_string()).ask(Add(n)).await.unwrap();
        test.advance(Duration::from_millis(1)).await;
        assert!(test.cluster().status().activations <= 8);
    }
    account(&test, "39").ask(Seen).await.unwrap();
    assert_eq!(activations.count(), 40, "the last one was still live");
    for n in 0..40_u64 {
        assert_eq!(account(&test, &n.to_string()).ask(Total).await.unwrap(), n);
    }
}

/// Guarantee 14.
#[tokio::test(start_paused = true)]
async fn busy_actors_do_not_make_room() {
    let bounds = Bounds {
        activations: 2,
        ..Bounds::default()
    };
    let builder = TestCluster::builder(5)
        .shards(1)
        .bounds(bounds)
        .actor::<Account>(Activations::default());
    let test = builder.start().await;
    let busy: Vec<_> = ["a", "b"].map(|name| account(&test, name)).into();
    let asks = busy
        .iter()
        .map(|account| account.ask(AddSlowly(1, Duration::from_secs(5))));
    let (done, refused) = tokio::join!(join_all(asks), async {
        test.advance(Duration::from_secs(1)).await;
        account(&test, "c").ask(Total).await
    });
    assert!(done.iter().all(Result::is_ok));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Overloaded);
    account(&test, "c").ask(Total).await.unwrap();
}

/// Guarantees 7 and 12.
#[tokio::test(start_paused = true)]
async fn passivation_waits_until_what_was_done_is_durable() {
    let (test, _) = accounts(7, slow(100)).await;
    let account = account(&test, "a");
    account.ask(Add(1)).await.unwrap();
    let before = test.commits();
    let (added, commits) = tokio::join!(account.ask(Add(1)), async {
        test.passivate_all().await;
        test.commits()
    });
    added.unwrap();
    assert_eq!(commits, before + 1);
}
