//! References: what breaks them, and the order of what goes through them.

use std::{collections::BTreeMap, task::Poll, time::Duration};

use cluster::{
    Bounds,
    prelude::*,
    testing::{Faults, TestCluster},
};
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};

use crate::fixture::{
    Account, Activations, Add, AddAndFail, AddAndPanic, AddSlowly, Total, account, engine_accounts, slow,
};
use crate::scroll::{Append, Scroll, lines, scroll_id};

async fn is_broken(account: &ActorRef<Account>) -> bool {
    let before = account.clone().ask(Total).await.unwrap();
    match account.ask(Add(1)).await {
        Ok(total) => {
            assert_eq!(total, before + 1);
            false
        }
        Err(error) => {
            assert_eq!((error.kind(), error.code()), (ErrorKind::Retryable, "reference.broken"));
            assert_eq!(account.clone().ask(Total).await.unwrap(), before, "it had no effect");
            true
        }
    }
}

/// Guarantee 13.
#[tokio::test(start_paused = true)]
async fn a_failure_of_the_runtime_breaks_the_reference_it_came_through() {
    let (test, _) = engine_accounts(1).await;
    let (panicked, late, whole) = (account(&test, "a"), account(&test, "a"), account(&test, "a"));
    assert_eq!(panicked.ask(AddAndPanic(1)).await.unwrap_err().code(), "panic");
    assert!(is_broken(&panicked).await && is_broken(&panicked).await);
    let slow = AddSlowly(1, Duration::from_secs(2));
    let passed = late.ask_within(Duration::from_secs(1), slow).await.unwrap_err();
    assert_eq!(passed.code(), "deadline");
    assert!(is_broken(&late).await);
    assert!(!is_broken(&whole).await, "others are whole");
    assert!(!is_broken(&late.clone()).await, "a clone is a new reference");
}

/// Guarantee 13.
#[tokio::test(start_paused = true)]
async fn an_overloaded_actor_breaks_the_references_it_refuses() {
    let test = TestCluster::builder(2)
        .bounds(Bounds {
            mailbox: 1,
            ..Bounds::default()
        })
        .actor::<Account>(Activations::default())
        .start()
        .await;
    let account = account(&test, "a");
    let (first, second, third) = tokio::join!(
        account.ask(AddSlowly(1, Duration::from_secs(1))),
        account.ask(Add(10)),
        async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            account.ask(Add(100)).await
        }
    );
    assert_eq!(first.unwrap(), 1, "what was in the mailbox is handled");
    assert_eq!(second.unwrap_err().code(), "overloaded");
    assert_eq!(third.unwrap_err().code(), "reference.broken");
    assert_eq!(account.clone().ask(Total).await.unwrap(), 1);
}

/// Guarantee 13.
#[tokio::test(start_paused = true)]
async fn a_lost_node_breaks_its_references() {
    let (mut test, _) = engine_accounts(3).await;
    let account = account(&test, "a");
    account.ask(Add(1)).await.unwrap();
    test.crash_and_restart().await;
    let lost = account.ask_within(Duration::from_secs(1), Add(1)).await.unwrap_err();
    assert_ne!(lost.code(), "reference.broken");
    assert_eq!(account.ask(Add(1)).await.unwrap_err().code(), "reference.broken");
}

/// Guarantee 13.
#[tokio::test(start_paused = true)]
async fn an_error_of_the_actor_and_a_caller_that_goes_away_break_nothing() {
    let (test, _) = engine_accounts(4).await;
    let account = account(&test, "a");
    assert_eq!(account.ask(AddAndFail(1)).await.unwrap_err().code(), "account.refused");
    let gone = account.ask(AddSlowly(1, Duration::from_secs(2)));
    assert!(tokio::time::timeout(Duration::from_secs(1), gone).await.is_err());
    assert!(!is_broken(&account).await);
}

/// Guarantee 13.
#[tokio::test(start_paused = true)]
async fn calls_through_one_reference_keep_their_order_over_passivation_and_loss_of_ownership() {
    let (mut whole, mut broken, mut refused) = (0, 0, 0);
    for seed in 0..60 {
        let rate = if seed % 3 == 0 { 0.0 } else { 0.06 };
        let activations = Activations::default();
        let test = TestCluster::builder(seed)
            .actor::<Scroll>(activations.clone())
            .simulated(Faults {
                refused: rate,
                unknown: rate,
                ..slow(5)
            })
            .start()
            .await;
        let scroll = test.cluster().get::<Scroll>(scroll_id("s"));
        let mut calls = FuturesUnordered::new();
        let mut outcomes = BTreeMap::new();
        for line in 0..1000 {
            calls.push(scroll.ask(Append(line)).map(move |outcome| (line, outcome)));
            if line % 50 == 49 {
                // Those of before are on their way, those behind come later.
                let pause = tokio::time::sleep(Duration::from_millis(1));
                tokio::pin!(pause);
                std::future::poll_fn(|cx| {
                    while let Poll::Ready(Some((line, outcome))) = calls.poll_next_unpin(cx) {
                        outcomes.insert(line, outcome);
                    }
                    pause.as_mut().poll(cx)
                })
                .await;
            }
        }
        outcomes.extend(calls.collect::<Vec<_>>().await);
        let lines = lines(&scroll).await;
        assert!(lines.is_sorted_by(|a, b| a < b), "seed {seed}: {lines:?}");
        for (line, outcome) in &outcomes {
            let written = lines.binary_search(line).is_ok();
            match outcome {
                Ok(()) => assert!(written, "seed {seed}: line {line} was lost"),
                Err(error) if error.kind() == ErrorKind::Unknown => {}
                Err(error) => {
                    assert!(!written, "seed {seed}: line {line} was written, and {error}");
                    refused += u32::from(error.code() == "reference.broken");
                }
            }
        }
        if outcomes.values().all(Result::is_ok) {
            whole += 1;
            assert_eq!(lines.len(), 1000, "seed {seed}");
            assert!(
                activations.count() > 10,
                "seed {seed}: {} activations",
                activations.count()
            );
        } else {
            broken += 1;
        }
    }
    assert!(
        whole >= 20 && broken >= 15 && refused > 100,
        "{whole} whole, {broken} broken, {refused} refused"
    );
}
