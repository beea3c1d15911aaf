//! Calls: deadlines and order.

use std::time::Duration;

use cluster::prelude::*;
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::Instant;

use crate::fixture::{Add, AddSlowly, Seen, Total, account, accounts, engine_accounts, slow};

/// Guarantee 13.
#[tokio::test(start_paused = true)]
async fn a_passed_deadline_means_unknown() {
    let (test, _) = engine_accounts(1).await;
    let account = account(&test, "a");
    let begin = Instant::now();
    let late = account
        .ask_within(Duration::from_secs(1), AddSlowly(1, Duration::from_secs(5)))
        .await
        .unwrap_err();
    assert_eq!((late.kind(), late.code()), (ErrorKind::Unknown, "deadline"));
    assert!(begin.elapsed() >= Duration::from_secs(1) && begin.elapsed() < Duration::from_secs(2));
    assert_eq!(
        account.clone().ask(Total).await.unwrap(),
        1,
        "it took effect all the same"
    );
}

/// Guarantee 13.
#[tokio::test(start_paused = true)]
async fn the_default_deadline_is_ten_seconds() {
    let (test, _) = engine_accounts(2).await;
    let begin = Instant::now();
    account(&test, "a")
        .ask(AddSlowly(1, Duration::from_secs(20)))
        .await
        .unwrap_err();
    assert_eq!(begin.elapsed().as_secs(), 10);
}

/// Guarantee 13.
#[tokio::test(start_paused = true)]
async fn a_call_whose_caller_left_before_its_turn_is_not_handled() {
    let (test, _) = engine_accounts(3).await;
    let account = account(&test, "a");
    let (slow, late) = tokio::join!(
        account.ask(AddSlowly(1, Duration::from_secs(3))),
        account.ask_within(Duration::from_secs(1), Add(10))
    );
    slow.unwrap();
    assert_eq!(late.unwrap_err().code(), "deadline");
    assert_eq!(account.clone().ask(Total).await.unwrap(), 1);
}

/// Guarantee 13.
#[tokio::test(start_paused = true)]
async fn calls_through_one_reference_arrive_in_order() {
    for seed in 0..20 {
        let (test, _) = accounts(seed, slow(5)).await;
        let account = account(&test, "a");
        let mut calls: FuturesUnordered<_> = (0..1000).map(|n| account.ask(Add(n))).collect();
        while let Some(total) = calls.next().await {
            total.unwrap();
        }
        let seen = account.ask(Seen).await.unwrap();
        assert!(seen.is_sorted(), "seed {seed}");
    }
}
