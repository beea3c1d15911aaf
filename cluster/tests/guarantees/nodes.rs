//! Calls between nodes. The groups are simulated: a test says which node owns a shard.

use std::time::Duration;

use cluster::{
    Bounds, IdempotencyKey,
    prelude::*,
    testing::{Faults, TestNodes, TestNodesBuilder, Weather},
};

use crate::fixture::{Account, Activations, Add, AddAndFail, AddAndPanic, AddSlowly, Seen, Total, slow, tenant};

fn accounts(seed: u64) -> TestNodesBuilder {
    TestNodes::builder(seed).actor::<Account>(Activations::default())
}

fn id(name: &str) -> ActorId {
    ActorId::from_name::<Account>(&tenant(), name)
}

fn account(test: &TestNodes, node: usize, name: &str) -> ActorRef<Account> {
    test.node(node).get(id(name))
}

/// An actor that a node owns.
fn owned_by(test: &TestNodes, node: usize) -> String {
    let names = (0..).map(|number| format!("account-{number}"));
    let mut owned = names.filter(|name| test.owner(test.shard_of::<Account>(&id(name))) == node);
    owned.next().unwrap()
}

fn rough(loss: f64, repeat: f64) -> Weather {
    Weather {
        delay: Duration::from_micros(50)..=Duration::from_millis(5),
        loss,
        repeat,
    }
}

/// Guarantees 3 and 13.
#[tokio::test(start_paused = true)]
async fn a_call_from_any_node_reaches_the_one_owner() {
    for replicas in [true, false] {
        let activations = Activations::default();
        let mut builder = TestNodes::builder(1).actor::<Account>(activations.clone());
        if !replicas {
            builder = builder.without_replicas();
        }
        let test = builder.start().await;
        for name in ["a", "b", "c", "d", "e"] {
            for node in 0..3 {
                let total = account(&test, node, name).ask(Add(1)).await.unwrap();
                assert_eq!(total, node as u64 + 1);
            }
        }
        assert_eq!(activations.count(), 5, "each actor lives once");
    }
}

/// Guarantees 9 and 13.
#[tokio::test(start_paused = true)]
async fn replies_errors_and_panics_are_the_same_from_another_node() {
    let test = accounts(2).start().await;
    let name = owned_by(&test, 1);
    let near = account(&test, 1, &name);
    let far = || account(&test, 0, &name);
    assert_eq!(far().ask(Add(5)).await.unwrap(), 5);
    assert_eq!(far().ask(Seen).await.unwrap(), [5]);
    let refused = far().ask(AddAndFail(1)).await.unwrap_err();
    assert_eq!(
        (refused.kind(), refused.code(), refused.message()),
        (ErrorKind::Conflict, "account.refused", "told to fail")
    );
    assert_eq!(near.ask(Total).await.unwrap(), 6, "an error keeps its writes");
    let panicked = far();
    assert_eq!(panicked.ask(AddAndPanic(1)).await.unwrap_err().code(), "panic");
    assert_eq!(panicked.ask(Total).await.unwrap_err().code(), "reference.broken");
    assert_eq!(far().ask(Total).await.unwrap(), 6);
}

/// Guarantees 13 and 14.
#[tokio::test(start_paused = true)]
async fn a_full_mailbox_and_a_passed_deadline_are_heard_on_another_node() {
    let bounds = Bounds {
        mailbox: 1,
        ..Bounds::default()
    };
    let test = accounts(3).bounds(bounds).start().await;
    let name = owned_by(&test, 2);
    let busy = account(&test, 0, &name);
    let other = account(&test, 1, &name);
    let late = account(&test, 1, &name);
    let (slow, full) = tokio::join!(busy.ask(AddSlowly(1, Duration::from_secs(3))), async {
        test.advance(Duration::from_secs(1)).await;
        other.ask(Add(10)).await
    });
    assert_eq!(slow.unwrap(), 1);
    assert_eq!(full.unwrap_err().code(), "overloaded");
    let begin = tokio::time::Instant::now();
    let pause = AddSlowly(1, Duration::from_secs(3));
    let passed = late.ask_within(Duration::from_secs(1), pause).await.unwrap_err();
    assert_eq!((passed.code(), passed.kind()), ("deadline", ErrorKind::Unknown));
    assert_eq!(begin.elapsed().as_millis(), 1000);
    assert_eq!(late.ask(Add(1)).await.unwrap_err().code(), "reference.broken");
}

/// Guarantee 13.
#[tokio::test(start_paused = true)]
async fn a_call_whose_caller_on_another_node_gave_up_before_its_turn_is_not_handled() {
    let test = accounts(4).start().await;
    let name = owned_by(&test, 2);
    let (busy, late) = (account(&test, 0, &name), account(&test, 1, &name));
    let (first, second) = tokio::join!(busy.ask(AddSlowly(1, Duration::from_secs(3))), async {
        test.advance(Duration::from_millis(100)).await;
        late.ask_within(Duration::from_secs(1), Add(10)).await
    });
    assert_eq!(first.unwrap(), 1);
    assert_eq!(second.unwrap_err().code(), "deadline");
    assert_eq!(account(&test, 0, &name).ask(Total).await.unwrap(), 1);
}

/// Guarantee 13.
#[tokio::test(start_paused = true)]
async fn a_call_waits_for_an_owner_and_then_finds_it() {
    for replicas in [true, false] {
        let mut builder = accounts(5);
        if !replicas {
            builder = builder.without_replicas();
        }
        let test = builder.start().await;
        let name = owned_by(&test, 2);
        assert_eq!(account(&test, 0, &name).ask(Add(1)).await.unwrap(), 1);
        test.crash(2).await;
        // It is sent to an owner that is gone, so nobody knows what became of it.
        let lost = account(&test, 0, &name).ask(Add(10)).await.unwrap_err();
        assert_eq!(lost.kind(), ErrorKind::Unknown);
        // Long enough for another owner, and for the news of it to get about.
        test.advance(Duration::from_secs(4)).await;
        assert_eq!(account(&test, 0, &name).ask(Add(100)).await.unwrap(), 101);
        test.restart(2).await;
        assert_eq!(account(&test, 2, &name).ask(Total).await.unwrap(), 101);
    }
}

/// Guarantee 13.
#[tokio::test(start_paused = true)]
async fn a_node_that_is_not_the_owner_has_not_handled_a_call() {
    for seed in 0..20 {
        let test = accounts(seed).without_replicas().weather(rough(0.0, 0.0)).start().await;
        let shard = test.shard_of::<Account>(&id("a"));
        let mut added = 0;
        for round in 0..30 {
            let caller = account(&test, round % 3, "a");
            let to = (test.owner(shard) + 1) % 3;
            // No reply is lost, so an error means that the call was not handled, unless it says that nobody knows.
            let (outcome, ()) = tokio::join!(caller.ask(Add(1)), test.move_shard(shard, to));
            let total = account(&test, 0, "a").ask(Total).await.unwrap();
            match outcome {
                Ok(_) => added += 1,
                Err(error) if error.kind() == ErrorKind::Unknown => added = total,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Retryable, "seed {seed}: {error}"),
            }
            assert_eq!(total, added, "seed {seed}, round {round}");
        }
    }
}

/// Guarantee 3.
#[tokio::test(start_paused = true)]
async fn an_owner_that_was_replaced_answers_nothing_that_wrote() {
    let mut refused = 0;
    for seed in 0..10 {
        let test = accounts(seed).faults(slow(20)).start().await;
        let name = owned_by(&test, 1);
        let shard = test.shard_of::<Account>(&id(&name));
        assert_eq!(account(&test, 1, &name).ask(Add(1)).await.unwrap(), 1);
        let (mine, theirs) = (account(&test, 1, &name), account(&test, 2, &name));
        let during = account(&test, 1, &name);
        let (caught, ()) = tokio::join!(during.ask(Add(10)), test.supersede(shard, 0));
        let new = account(&test, 0, &name).ask(Add(100)).await.unwrap();
        assert_eq!(new, if caught.is_ok() { 111 } else { 101 }, "seed {seed}");
        // Unless a lost write has told it already, it does not know yet that it is not the owner.
        let new = match mine.ask(Add(1000)).await {
            Ok(total) => {
                assert_eq!(total, new + 1000, "seed {seed}");
                total
            }
            Err(error) => {
                assert!(
                    matches!(error.kind(), ErrorKind::Unknown | ErrorKind::Retryable),
                    "{error}"
                );
                refused += 1;
                new
            }
        };
        assert_eq!(theirs.ask(Total).await.unwrap(), new);
        test.tell();
        test.advance(Duration::from_millis(100)).await;
        assert_eq!(account(&test, 1, &name).ask(Total).await.unwrap(), new);
    }
    assert!(refused > 0, "an owner that does not know never answered");
}

/// Guarantee 13.
#[tokio::test(start_paused = true)]
async fn a_key_is_used_once_from_any_node_and_after_its_owner_moved() {
    let test = accounts(6).start().await;
    let name = owned_by(&test, 1);
    let shard = test.shard_of::<Account>(&id(&name));
    let key = IdempotencyKey::new("transfer-1").unwrap();
    for to in [1, 2, 0] {
        test.move_shard(shard, to).await;
        for node in 0..3 {
            let again = account(&test, node, &name).ask_idempotent(&key, Add(5)).await.unwrap();
            assert_eq!(again, 5);
        }
    }
    let other = account(&test, 2, &name).ask_idempotent(&key, Add(6)).await.unwrap_err();
    assert_eq!(other.code(), "idempotency.reused");
    assert_eq!(account(&test, 0, &name).ask(Total).await.unwrap(), 5);
}

/// Guarantee 13.
#[tokio::test(start_paused = true)]
async fn a_message_that_arrives_twice_is_handled_once() {
    for seed in 0..20 {
        let test = accounts(seed).weather(rough(0.0, 0.7)).start().await;
        let name = owned_by(&test, 1);
        for round in 1..=50 {
            assert_eq!(
                account(&test, 0, &name).ask(Add(1)).await.unwrap(),
                round,
                "seed {seed}"
            );
        }
    }
}

/// Guarantee 13.
#[tokio::test(start_paused = true)]
async fn settings_are_written_once_and_read_the_same_on_every_node() {
    let test = accounts(9).weather(rough(0.1, 0.1)).start().await;
    let mut held = Vec::new();
    for meta in 0..3 {
        test.move_meta(meta).await;
        let name = format!("key-{meta}");
        let settings: Vec<_> = (0..3).map(|node| test.node(node).settings()).collect();
        let puts = (0_u8..).zip(&settings);
        let puts = puts.map(|(node, settings)| settings.put_if_absent(&name, vec![node]));
        let won = futures_util::future::join_all(puts).await;
        let won: Vec<_> = won.into_iter().map(|won| won.unwrap()).collect();
        assert!(won.windows(2).all(|pair| pair[0] == pair[1]), "{won:?}");
        held.push((name, won[0].clone()));
    }
    for node in 0..3 {
        for (name, value) in &held {
            let read = test.node(node).settings().get(name).await.unwrap();
            assert_eq!(read.as_ref(), Some(value));
        }
    }
}

/// Guarantee 16.
#[tokio::test(start_paused = true)]
async fn nodes_that_open_at_once_agree_on_their_classes() {
    for seed in 0..20 {
        let test = accounts(seed)
            .nodes(5)
            .without_replicas()
            .weather(rough(0.1, 0.1))
            .faults(Faults {
                commit_delay: Duration::from_millis(20),
                ..Faults::default()
            })
            .start()
            .await;
        let first = test.node(0).migrations().await.unwrap();
        assert_eq!(first.len(), 1, "seed {seed}");
        for node in 1..5 {
            assert_eq!(test.node(node).migrations().await.unwrap(), first, "seed {seed}");
            let ready = async {
                while !test.node(node).ready() {
                    test.advance(Duration::from_millis(10)).await;
                }
            };
            let ready = tokio::time::timeout(Duration::from_secs(5), ready).await;
            assert!(ready.is_ok(), "seed {seed}: node {node} is not ready");
        }
    }
}

/// Guarantees 13 and 17.
#[tokio::test(start_paused = true)]
async fn calls_find_their_owner_among_real_groups_also_after_it_moved_or_died() {
    let test = accounts(10).engines().shards(2).start().await;
    for node in 0..3 {
        for name in ["a", "b", "c", "d"] {
            let total = account(&test, node, name).ask(Add(1)).await.unwrap();
            assert_eq!(total, node as u64 + 1);
        }
    }
    let shard = test.shard_of::<Account>(&id("a"));
    let to = (test.owner(shard) + 1) % 3;
    test.move_shard(shard, to).await;
    for node in 0..3 {
        assert_eq!(account(&test, node, "a").ask(Add(1)).await.unwrap(), node as u64 + 4);
    }
    test.crash(to).await;
    let died = tokio::time::Instant::now();
    let (near, key) = ((to + 1) % 3, IdempotencyKey::new("after").unwrap());
    let again = || account(&test, near, "a");
    let total = loop {
        match again()
            .ask_idempotent_within(Duration::from_secs(1), &key, Add(10))
            .await
        {
            Ok(total) => break total,
            Err(error) => assert!(
                matches!(error.kind(), ErrorKind::Unknown | ErrorKind::Retryable),
                "{error}"
            ),
        }
    };
    assert_eq!(total, 16);
    assert!(died.elapsed() < Duration::from_secs(5), "{:?}", died.elapsed());
    test.restart(to).await;
    assert_eq!(account(&test, to, "a").ask(Total).await.unwrap(), 16);
    assert_eq!(test.fatal(), Vec::<String>::new());
}

/// The total of an account, whoever owns it by now.
async fn total(test: &TestNodes, node: usize, name: &str) -> u64 {
    for _ in 0..100 {
        if let Ok(total) = account(test, node, name).ask(Total).await {
            return total;
        }
    }
    panic!("the account never answers");
}

/// Guarantee 13.
#[tokio::test(start_paused = true)]
async fn a_copy_that_arrives_when_its_ownership_is_over_does_not_have_the_call_sent_again() {
    for seed in 0..20 {
        let weather = Weather {
            delay: Duration::from_micros(50)..=Duration::from_millis(40),
            ..rough(0.0, 1.0)
        };
        let test = accounts(seed).weather(weather).faults(slow(30)).start().await;
        let name = owned_by(&test, 1);
        let shard = test.shard_of::<Account>(&id(&name));
        let mut before = 0;
        for round in 0..10 {
            let caller = account(&test, 0, &name);
            let (outcome, ()) = tokio::join!(caller.ask(Add(1)), async {
                test.advance(Duration::from_millis(20)).await;
                test.depose(shard);
            });
            let after = total(&test, 2, &name).await;
            let times = after - before;
            before = after;
            let may = match &outcome {
                Ok(_) => times == 1,
                Err(error) if error.kind() == ErrorKind::Unknown => times <= 1,
                Err(_) => times == 0,
            };
            assert!(may, "seed {seed}, round {round}: {outcome:?}, handled {times} times");
        }
    }
}
