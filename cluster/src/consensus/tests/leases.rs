//! Leases of groups of several members: while one holds, no other node owns the group.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use super::nodes::*;
use super::*;
use crate::consensus::config::LEASE;
use crate::shard::{Leader, is_confirmed};

/// The owner of the group, which has heard from a majority.
async fn owner(nodes: &Nodes) -> Leader {
    nodes
        .until("an owner with a lease", || {
            let node = nodes.owners(SHARD).into_iter().next()?;
            let epoch = (*nodes.group(node, SHARD).ownership().borrow())?;
            holds(nodes, Leader { node, epoch }).then_some(Leader { node, epoch })
        })
        .await
}

fn holds(nodes: &Nodes, leader: Leader) -> bool {
    nodes.group(leader.node, SHARD).lease().holds(leader.epoch)
}

fn others(nodes: &Nodes, node: NodeId) -> BTreeSet<NodeId> {
    nodes.running().into_iter().filter(|other| *other != node).collect()
}

/// Looks again and again whether the lease holds while another node owns the group, until something has happened.
async fn watch<T>(nodes: &Nodes, leader: Leader, happens: impl Future<Output = T>) -> T {
    let mut happens = std::pin::pin!(happens);
    loop {
        let owners = nodes.owners(SHARD);
        let is_alone = owners.iter().all(|owner| *owner == leader.node);
        assert!(
            is_alone || !holds(nodes, leader),
            "{leader:?} has a lease, and {owners:?} own"
        );
        tokio::select! {
            biased;
            happened = &mut happens => return happened,
            () = tokio::time::sleep(Duration::from_millis(1)) => {}
        }
    }
}

/// Guarantee 3.
#[tokio::test(start_paused = true)]
async fn an_owner_that_is_cut_off_has_no_lease_when_another_writes() {
    for seed in 0..10 {
        let mut nodes = Nodes::of(seed, 3, 1).await;
        nodes.write(SHARD, "a", "1").await;
        let former = owner(&nodes).await;
        let (cut, rest) = (Instant::now(), others(&nodes, former.node));
        nodes.isolate(former.node);
        let lost = async {
            let group = nodes.group(former.node, SHARD);
            // The sender lives as long as the group.
            let _ = group.ownership().wait_for(Option::is_none).await;
            cut.elapsed()
        };
        let (next, lost) = watch(&nodes, former, async {
            tokio::join!(nodes.leader_of(SHARD, &rest), lost)
        })
        .await;
        // Nobody waits for an owner that is none.
        assert!(lost < LEASE * 3, "seed {seed}: {lost:?}");
        assert!(matches!(
            nodes.write_on(next, SHARD, "a", "2").await,
            Some(Outcome::Committed { .. })
        ));
        let former_group = Arc::clone(nodes.group(former.node, SHARD));
        assert_eq!(
            former_group.get(&key("a")).unwrap(),
            Some(Bytes::from("1")),
            "it is stale"
        );
        assert!(!is_confirmed(&*former_group, former.epoch).await);
        nodes.network.heal();
        nodes.agree(SHARD).await;
        assert!(!is_confirmed(&*former_group, former.epoch).await);
        nodes.shutdown().await;
    }
}

/// Guarantee 3: a member that has answered one message has answered none that was sent later. What an owner hears after it
/// stood still was said before.
#[tokio::test(start_paused = true)]
async fn answers_that_were_held_up_extend_no_lease() {
    for seed in 10..20 {
        let mut nodes = Nodes::of(seed, 3, 1).await;
        nodes.write(SHARD, "a", "1").await;
        let former = owner(&nodes).await;
        let rest = others(&nodes, former.node);
        for other in &rest {
            nodes.network.hold(*other, former.node);
        }
        let group = Arc::clone(nodes.group(former.node, SHARD));
        let written = propose(&*group, former.epoch, vec![put("b", "1".to_owned())]);
        tokio::time::sleep(Duration::from_millis(2)).await;
        for other in &rest {
            nodes.network.cut(former.node, *other);
        }
        // Not for so long that nobody waits for the answers any more.
        tokio::time::sleep(LEASE + Duration::from_millis(80)).await;
        assert!(!holds(&nodes, former));
        let asked = {
            let group = Arc::clone(&group);
            tokio::spawn(async move { is_confirmed(&*group, former.epoch).await })
        };
        tokio::time::sleep(Duration::from_millis(1)).await;
        // The first answer commits the entry, which the other members are then told; then the second arrives.
        for other in &rest {
            nodes.network.release(*other, former.node);
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert!(!holds(&nodes, former), "seed {seed}: for {:?}", group.lease().left());
            nodes.network.cut(*other, former.node);
        }
        assert!(matches!(written.await, Ok(Outcome::Committed { .. })), "seed {seed}");
        assert!(!asked.await.unwrap(), "seed {seed}: nobody was asked since");
        watch(&nodes, former, nodes.leader_of(SHARD, &rest)).await;
        nodes.network.heal();
        nodes.agree(SHARD).await;
        nodes.shutdown().await;
    }
}

/// Guarantee 3: a voter that restarts has forgotten what it promised.
#[tokio::test(start_paused = true)]
async fn a_voter_that_restarts_helps_nobody_to_own_while_a_lease_holds() {
    for seed in 20..26 {
        let mut nodes = Nodes::of(seed, 3, 1).await;
        nodes.write(SHARD, "a", "1").await;
        let former = owner(&nodes).await;
        let rest: Vec<_> = others(&nodes, former.node).into_iter().collect();
        let (candidate, voter) = (rest[0], rest[1]);
        for (from, to) in [(former.node, candidate), (candidate, former.node)] {
            nodes.network.cut(from, to);
        }
        // It would be elected by now, if the other one had not promised to elect nobody else.
        tokio::time::sleep(LEASE * 3).await;
        nodes.network.cut(former.node, voter);
        nodes.network.cut(voter, former.node);
        nodes.restart(voter).await;
        assert!(holds(&nodes, former));
        let rest = others(&nodes, former.node);
        watch(&nodes, former, nodes.leader_of(SHARD, &rest)).await;
        nodes.network.heal();
        nodes.agree(SHARD).await;
        nodes.shutdown().await;
    }
}

/// Guarantee 3.
#[tokio::test(start_paused = true)]
async fn a_lease_ends_before_leadership_is_handed_over() {
    let nodes = Nodes::of(30, 3, 1).await;
    for _ in 0..6 {
        let former = owner(&nodes).await;
        let to = others(&nodes, former.node).into_iter().next().unwrap();
        let group = Arc::clone(nodes.group(former.node, SHARD));
        watch(&nodes, former, async {
            group.transfer_leader(to).await.unwrap();
            nodes.leader_of(SHARD, &BTreeSet::from([to])).await;
        })
        .await;
        assert!(!holds(&nodes, former));
        assert!(!is_confirmed(&*group, former.epoch).await);
    }
    nodes.shutdown().await;
}

/// Guarantee 3.
#[tokio::test(start_paused = true)]
async fn a_sole_voter_asks_nobody_until_it_has_company() {
    let mut nodes = Nodes::found(40, 1).await;
    nodes.start(node(2), false).await.unwrap();
    nodes.start(node(3), false).await.unwrap();
    let group = Arc::clone(nodes.group(node(1), SHARD));
    assert!(group.lease().is_sole());
    let grown = async {
        nodes.change(SHARD, self::nodes(1..=3)).await;
        nodes
            .until("company", || (!group.lease().is_sole()).then_some(()))
            .await;
    };
    let mut grown = Box::pin(grown);
    loop {
        let voters = nodes.group(node(2), SHARD).standing().voters;
        assert!(!group.lease().is_sole() || voters.len() < 2, "{voters:?}");
        tokio::select! {
            biased;
            () = &mut grown => break,
            () = tokio::time::sleep(Duration::from_millis(1)) => {}
        }
    }
    drop(grown);
    owner(&nodes).await;
    nodes.change(SHARD, self::nodes([1])).await;
    nodes
        .until("to be alone again", || group.lease().is_sole().then_some(()))
        .await;
    nodes.shutdown().await;
}

/// Guarantee 7.
#[tokio::test(start_paused = true)]
async fn an_owner_whose_lease_has_run_out_is_confirmed_by_a_majority() {
    let nodes = Nodes::of(50, 3, 1).await;
    let leader = owner(&nodes).await;
    let group = Arc::clone(nodes.group(leader.node, SHARD));
    group.lease().end();
    let asked = (0..100).map(|_| is_confirmed(&*group, leader.epoch));
    let answers = futures_util::future::join_all(asked).await;
    assert!(answers.into_iter().all(|confirmed| confirmed));
    assert!(!is_confirmed(&*group, Epoch(leader.epoch.0 - 1)).await);
    nodes.shutdown().await;
}
