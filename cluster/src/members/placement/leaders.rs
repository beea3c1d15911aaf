//! Which voter should lead each shard.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::view::View;
use crate::peers::NodeId;

/// One leader that should move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Transfer {
    pub(super) shard: u16,
    pub(super) from: NodeId,
    pub(super) to: NodeId,
}

/// How many shards each node leads that may lead any.
pub(super) fn loads(view: &View) -> BTreeMap<NodeId, usize> {
    let takes = view.nodes.iter().filter(|(_, node)| node.takes());
    let mut loads = takes.map(|(id, _)| (*id, 0)).collect::<BTreeMap<_, _>>();
    for (shard, placed) in &view.groups {
        if let (Some(_), Some(leader)) = (shard, placed.leader) {
            loads.entry(leader).and_modify(|load| *load += 1);
        }
    }
    loads
}

/// The transfers after which no two nodes differ by more than one shard, if voters allow it; in an order in which each of
/// them helps by itself. Only the given shards may change their leader.
pub(super) fn transfers(view: &View, free: &BTreeSet<u16>) -> Vec<Transfer> {
    let mut loads = loads(view);
    let mut leaders = free
        .iter()
        .filter_map(|shard| Some((*shard, view.groups[&Some(*shard)].leader?)))
        .filter(|(_, leader)| loads.contains_key(leader))
        .collect::<BTreeMap<_, _>>();
    let mut transfers = Vec::new();
    while let Some(path) = path(view, &loads, &leaders) {
        // From its end, so that no node leads more on the way.
        for transfer in path.into_iter().rev() {
            leaders.insert(transfer.shard, transfer.to);
            loads.entry(transfer.from).and_modify(|load| *load -= 1);
            loads.entry(transfer.to).and_modify(|load| *load += 1);
            transfers.push(transfer);
        }
    }
    direct(transfers)
}

/// The shortest way to pass leaders on from a node that leads many to one that leads at least two fewer.
fn path(view: &View, loads: &BTreeMap<NodeId, usize>, leaders: &BTreeMap<u16, NodeId>) -> Option<Vec<Transfer>> {
    let mut fullest = loads.iter().collect::<Vec<_>>();
    fullest.sort_by_key(|(node, load)| (std::cmp::Reverse(**load), **node));
    fullest
        .into_iter()
        .find_map(|(from, most)| path_from(view, loads, leaders, *from, *most))
}

fn path_from(
    view: &View,
    loads: &BTreeMap<NodeId, usize>,
    leaders: &BTreeMap<u16, NodeId>,
    from: NodeId,
    most: usize,
) -> Option<Vec<Transfer>> {
    let mut reached = BTreeMap::<NodeId, Option<Transfer>>::from([(from, None)]);
    let mut next = VecDeque::from([from]);
    while let Some(node) = next.pop_front() {
        if loads[&node] + 2 <= most {
            let mut path = Vec::new();
            let mut at = node;
            while let Some(transfer) = reached[&at] {
                path.push(transfer);
                at = transfer.from;
            }
            path.reverse();
            return Some(path);
        }
        for (shard, _) in leaders.iter().filter(|(_, leader)| **leader == node) {
            let placed = &view.groups[&Some(*shard)];
            for to in placed.voters.intersection(&placed.current) {
                if loads.contains_key(to) && !reached.contains_key(to) {
                    let transfer = Transfer {
                        shard: *shard,
                        from: node,
                        to: *to,
                    };
                    reached.insert(*to, Some(transfer));
                    next.push_back(*to);
                }
            }
        }
    }
    None
}

/// A shard whose leader would move twice moves once.
fn direct(transfers: Vec<Transfer>) -> Vec<Transfer> {
    let mut direct = Vec::<Transfer>::new();
    for transfer in transfers {
        match direct.iter_mut().find(|earlier| earlier.shard == transfer.shard) {
            Some(earlier) => earlier.to = transfer.to,
            None => direct.push(transfer),
        }
    }
    direct.retain(|transfer| transfer.from != transfer.to);
    direct
}
