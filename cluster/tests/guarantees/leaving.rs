//! Shards that leave for another node, and those that stay after all.

use std::{cell::Cell, time::Duration};

use cluster::{
    prelude::*,
    testing::{TestNodes, TestNodesBuilder},
};
use futures_util::future::{join, join_all};

use crate::fixture::{Account, Activations, Add, tenant};

const SHARDS: u16 = 4;

fn accounts(seed: u64) -> TestNodesBuilder {
    TestNodes::builder(seed)
        .engines()
        .shards(SHARDS)
        .actor::<Account>(Activations::default())
}

/// Calls of clients, one after another, until they are told to stop.
async fn calls(test: &TestNodes, node: usize, is_over: &Cell<bool>) -> u64 {
    let mut handled = 0;
    for number in 0.. {
        if is_over.get() {
            break;
        }
        let id = ActorId::from_name::<Account>(&tenant(), &format!("account-{}", number % 16));
        let total = test.node(node).get::<Account>(id).ask(Add(1)).await;
        handled += 1;
        assert!(total.is_ok(), "call {number} through node {node}: {total:?}");
        test.advance(Duration::from_millis(1)).await;
    }
    handled
}

/// Under which epochs the first two nodes own their shards.
fn epochs(test: &TestNodes) -> Vec<Option<u64>> {
    let groups = [0, 1].into_iter().flat_map(|node| test.node(node).status().groups);
    groups.map(|group| group.epoch).collect()
}

/// Guarantee 13. Whoever was asked to take a shard over and does not leaves it as it was: also for the actors that were
/// put away before.
#[tokio::test(start_paused = true)]
async fn a_node_that_comes_back_takes_its_leaders_and_no_call_fails() {
    for seed in 0..4 {
        println!("seed {seed}");
        let test = accounts(seed).start().await;
        for shard in 0..SHARDS {
            test.move_shard(shard, usize::from(shard) % 2).await;
        }
        let is_over = Cell::new(false);
        let refused = Cell::new(0);
        let moving = async {
            test.advance(Duration::from_millis(50)).await;
            test.crash(2).await;
            // Those who lead find out that it does not answer.
            test.advance(Duration::from_secs(1)).await;
            let hand_over = async |shard| {
                let given = test.hand_over(shard, 2).await;
                refused.set(refused.get() + usize::from(given.is_err()));
                // Calls come to whoever has the shard now.
                test.advance(Duration::from_millis(50)).await;
                given.is_ok()
            };
            let owned = epochs(&test);
            for shard in 0..SHARDS {
                assert!(!hand_over(shard).await, "a dead node takes nothing over");
            }
            assert_eq!(
                epochs(&test),
                owned,
                "whoever keeps a shard keeps what lives there, too"
            );
            test.restart(2).await;
            for shard in 0..SHARDS {
                while !hand_over(shard).await {}
            }
            is_over.set(true);
        };
        let calling = join_all([0, 1].map(|node| calls(&test, node, &is_over)));
        let (handled, ()) = join(calling, moving).await;
        assert!(handled.iter().all(|handled| *handled > 100), "{handled:?}");
        assert!(refused.get() >= usize::from(SHARDS));
        assert!((0..SHARDS).all(|shard| test.owner(shard) == 2));
        assert_eq!(test.fatal(), [""; 0]);
    }
}
