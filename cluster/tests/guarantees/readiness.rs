//! Whether a node is ready: it says so only while each shard has an owner that answers.

use std::time::Duration;

use cluster::testing::{TestNodes, TestNodesBuilder};
use tokio::time::Instant;

use crate::fixture::{Account, Activations};

/// What `Cluster::ready` promises: five leases after an owner was asked.
const WITHIN: Duration = Duration::from_millis(5 * LEASE);

/// For how long an owner without a majority may still know that it is one.
const LEASE: u64 = 900;

fn accounts(seed: u64) -> TestNodesBuilder {
    TestNodes::builder(seed).actor::<Account>(Activations::default())
}

/// How long it takes until a node says that it is ready, or that it is not.
async fn until(test: &TestNodes, node: usize, is_ready: bool) -> Duration {
    let begin = Instant::now();
    while test.node(node).ready() != is_ready {
        assert!(begin.elapsed() < Duration::from_secs(20), "node {node} does not say so");
        test.advance(Duration::from_millis(10)).await;
    }
    begin.elapsed()
}

/// Guarantee 17. Who was cut off does not hear that others lead by now, and asks for no vote it would not get.
#[tokio::test(start_paused = true)]
async fn a_node_that_is_cut_off_is_not_ready_until_it_is_back() {
    for seed in 0..3 {
        let test = accounts(seed).engines().shards(4).start().await;
        for node in 0..3 {
            until(&test, node, true).await;
        }
        for cut in 0..3 {
            // Of what it led itself it would know.
            for shard in (0..4).filter(|shard| test.owner(*shard) == cut).collect::<Vec<_>>() {
                test.move_shard(shard, (cut + 1) % 3).await;
            }
            until(&test, cut, true).await;
            test.isolate(cut);
            let noticed = until(&test, cut, false).await;
            assert!(noticed <= WITHIN, "seed {seed}: node {cut} took {noticed:?}");
            test.advance(Duration::from_secs(10)).await;
            assert!(!test.node(cut).ready(), "seed {seed}");
            for other in (0..3).filter(|other| *other != cut) {
                assert!(test.node(other).ready(), "seed {seed}: the others go on");
            }
            test.heal();
            let back = until(&test, cut, true).await;
            assert!(back <= Duration::from_secs(3), "seed {seed}: it took {back:?}");
        }
    }
}

/// Guarantee 17. It reaches an owner, but that one has no majority any more.
#[tokio::test(start_paused = true)]
async fn a_node_beside_a_deposed_owner_is_not_ready() {
    let test = accounts(5).engines().nodes(5).shards(1).start().await;
    let (owner, beside) = (test.owner(0), (test.owner(0) + 1) % 5);
    until(&test, beside, true).await;
    for other in (0..5).filter(|node| ![owner, beside].contains(node)) {
        for (from, to) in [(owner, other), (beside, other)] {
            test.cut(from, to);
            test.cut(to, from);
        }
    }
    let noticed = until(&test, beside, false).await;
    assert!(noticed <= WITHIN + Duration::from_millis(LEASE), "it took {noticed:?}");
    test.advance(Duration::from_secs(10)).await;
    assert!(!test.node(beside).ready() && !test.node(owner).ready());
    test.heal();
    until(&test, beside, true).await;
}

/// A node without copies hears from nobody that the owners are gone.
#[tokio::test(start_paused = true)]
async fn a_node_without_copies_that_is_cut_off_is_not_ready() {
    let test = accounts(1).without_replicas().start().await;
    for node in 0..3 {
        until(&test, node, true).await;
    }
    test.isolate(0);
    assert!(until(&test, 0, false).await <= WITHIN);
    test.heal();
    until(&test, 0, true).await;
}

/// Nobody is sent away from the nodes that are left because an owner died: another one is there soon enough.
#[tokio::test(start_paused = true)]
async fn the_others_stay_ready_while_the_shards_of_a_dead_node_move() {
    for seed in 0..4 {
        let test = accounts(seed).engines().shards(4).start().await;
        for node in 0..3 {
            until(&test, node, true).await;
        }
        test.crash(2).await;
        let died = Instant::now();
        while died.elapsed() < Duration::from_secs(8) {
            for node in 0..2 {
                assert!(test.node(node).ready(), "seed {seed}: after {:?}", died.elapsed());
            }
            test.advance(Duration::from_millis(20)).await;
        }
    }
}
