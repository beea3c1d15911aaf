//! Order between nodes: of calls through one reference, and of durable messages.

use std::{collections::BTreeMap, time::Duration};

use cluster::{
    IdempotencyKey,
    prelude::*,
    testing::{TestNodes, Weather},
};
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};

use crate::{
    fixture::{Activations, slow},
    scroll::{Append, Dictate, Scroll, lines, scroll_id},
};

fn rough(loss: f64, repeat: f64) -> Weather {
    Weather {
        delay: Duration::from_micros(50)..=Duration::from_millis(5),
        loss,
        repeat,
    }
}

/// Guarantee 13.
#[tokio::test(start_paused = true)]
async fn calls_through_one_reference_keep_their_order_to_another_node() {
    let (mut whole, mut broken, mut refused) = (0, 0, 0);
    for seed in 0..40 {
        let (loss, repeat, moves) = match seed % 4 {
            0 => (0.0, 0.0, 0),
            1 => (0.0, 0.2, 0),
            2 => (0.0, 0.1, 3),
            _ => (0.01, 0.1, 2),
        };
        let test = TestNodes::builder(seed)
            .actor::<Scroll>(Activations::default())
            .weather(rough(loss, repeat))
            .faults(slow(5))
            .start()
            .await;
        let shard = test.shard_of::<Scroll>(&scroll_id("s"));
        test.move_shard(shard, 1).await;
        let scroll = test.node(0).get::<Scroll>(scroll_id("s"));
        let calls = FuturesUnordered::new();
        for line in 0..300 {
            calls.push(scroll.ask(Append(line)).map(move |outcome| (line, outcome)));
        }
        let moving = async {
            for round in 0..moves {
                test.advance(Duration::from_millis(4)).await;
                test.move_shard(shard, (round + 2) % 3).await;
            }
        };
        let (outcomes, ()) = tokio::join!(calls.collect::<BTreeMap<_, _>>(), moving);
        let lines = lines(&test.node(2).get(scroll_id("s"))).await;
        assert!(lines.is_sorted_by(|a, b| a < b), "seed {seed}: {lines:?}");
        for (line, outcome) in &outcomes {
            let written = lines.binary_search(line).is_ok();
            match outcome {
                Ok(()) => assert!(written, "seed {seed}: line {line} was lost"),
                Err(error) if error.kind() == ErrorKind::Unknown => {}
                Err(error) => {
                    assert!(!written, "seed {seed}: line {line} was written, and {error}");
                    refused += 1;
                }
            }
        }
        if outcomes.values().all(Result::is_ok) {
            whole += 1;
            assert_eq!(lines.len(), 300, "seed {seed}");
        } else {
            broken += 1;
        }
    }
    assert!(
        whole >= 20 && broken >= 5 && refused > 0,
        "{whole} whole, {broken} broken, {refused} refused"
    );
}

/// Guarantee 6.
#[tokio::test(start_paused = true)]
async fn durable_messages_between_nodes_have_their_effect_once_and_in_order() {
    for seed in 0..20 {
        let test = TestNodes::builder(seed)
            .actor::<Scroll>(Activations::default())
            .weather(rough(0.2, 0.2))
            .faults(slow(5))
            .start()
            .await;
        let (source, target) = (
            test.shard_of::<Scroll>(&scroll_id("source")),
            test.shard_of::<Scroll>(&scroll_id("target")),
        );
        test.move_shard(source, 0).await;
        test.move_shard(target, 1).await;
        for round in 0..10 {
            let dictate = Dictate {
                to: "target".into(),
                from: round * 10,
                lines: 10,
            };
            let key = IdempotencyKey::new(&format!("round-{round}")).unwrap();
            let again = || test.node(2).get::<Scroll>(scroll_id("source"));
            while again()
                .ask_idempotent_within(Duration::from_secs(1), &key, dictate.clone())
                .await
                .is_err()
            {}
            match round % 3 {
                0 => test.move_shard(target, (round as usize / 3) % 3).await,
                1 => test.move_shard(source, (round as usize / 3 + 1) % 3).await,
                _ => {}
            }
        }
        test.advance(Duration::from_secs(120)).await;
        let lines = lines(&test.node(2).get(scroll_id("target"))).await;
        assert_eq!(lines, (0..100).collect::<Vec<_>>(), "seed {seed}");
    }
}
