//! What errors and panics leave behind.

use cluster::prelude::*;

use crate::fixture::{Add, AddAndFail, AddAndPanic, Seen, Total, account, accounts, engine_accounts, slow};

/// Guarantee 9.
#[tokio::test(start_paused = true)]
async fn an_error_keeps_the_writes_of_its_handler() {
    let (mut test, _) = engine_accounts(1).await;
    let failed = account(&test, "a").ask(AddAndFail(5)).await.unwrap_err();
    assert_eq!((failed.kind(), failed.code()), (ErrorKind::Conflict, "account.refused"));
    test.crash_and_restart().await;
    assert_eq!(account(&test, "a").ask(Total).await.unwrap(), 5);
}

/// Guarantee 9.
#[tokio::test(start_paused = true)]
async fn a_panic_drops_its_turn_and_nothing_else() {
    let (test, activations) = accounts(2, slow(50)).await;
    let account = account(&test, "a");
    let (first, panicked, last) = tokio::join!(account.ask(Add(1)), account.ask(AddAndPanic(10)), account.ask(Add(2)));
    assert_eq!(first.unwrap(), 1);
    let panicked = panicked.unwrap_err();
    assert_eq!((panicked.kind(), panicked.code()), (ErrorKind::Internal, "panic"));
    assert_eq!(
        last.unwrap(),
        3,
        "the message behind the panic is handled, and sees what was written before"
    );
    assert_eq!(activations.count(), 2);
    assert_eq!(account.clone().ask(Seen).await.unwrap(), [2]);
}

/// Guarantee 3.
#[tokio::test(start_paused = true)]
async fn a_doubtful_commit_discards_the_activation() {
    let mut doubtful = 0;
    for seed in 0..200 {
        let faults = cluster::testing::Faults {
            unknown: 0.2,
            refused: 0.2,
            ..slow(10)
        };
        let (test, _) = accounts(seed, faults).await;
        let account = account(&test, "a");
        let (mut sure, mut open) = (0, 0);
        for _ in 0..10 {
            match account.clone().ask(Add(1)).await {
                Ok(_) => sure += 1,
                Err(error) if error.kind() == ErrorKind::Unknown => open += 1,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Retryable, "seed {seed}: {error}"),
            }
        }
        doubtful += open;
        let mut total = None;
        for _ in 0..100 {
            total = total.or(account.clone().ask(Total).await.ok());
        }
        let total = total.unwrap_or_else(|| panic!("seed {seed}: the shard never came back"));
        assert!(
            (sure..=sure + open).contains(&total),
            "seed {seed}: {total} of {sure} and {open}"
        );
    }
    assert!(doubtful > 100, "the faults were exercised {doubtful} times");
}
