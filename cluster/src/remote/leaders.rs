//! Who owns which group, as far as a node knows.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{
    peers::NodeId,
    shard::{Epoch, Leader, Shard},
};

/// The group of the cluster itself, among the numbers of shards.
pub(crate) const META: u16 = u16::MAX;

/// Who owns which group, as far as a node knows: by its own groups, by hints and by what others tell.
pub(crate) struct Leaders {
    node: NodeId,
    /// The meta group first.
    groups: Vec<Arc<dyn Shard>>,
    heard: Mutex<Vec<Option<Leader>>>,
    news: watch::Sender<u64>,
}

impl Leaders {
    pub(super) fn new(node: NodeId, groups: impl Iterator<Item = Arc<dyn Shard>>) -> Self {
        let groups: Vec<_> = groups.collect();
        Self {
            node,
            heard: Mutex::new(vec![None; groups.len()]),
            groups,
            news: watch::Sender::new(0),
        }
    }

    /// The last owner that is known.
    pub(crate) fn of(&self, group: u16) -> Option<Leader> {
        let place = place(group);
        let shard = self.groups.get(place)?;
        let own = shard
            .ownership()
            .borrow()
            .map(|epoch| Leader { node: self.node, epoch });
        let known = &mut self.heard.lock()[place];
        // Kept, so that an owner before this node is not taken for one after it. Of two under one epoch the group of this
        // node knows the newer: the epoch of the next owner is not applied yet.
        *known = [*known, own, shard.leader()]
            .into_iter()
            .flatten()
            .max_by_key(|leader| leader.epoch);
        *known
    }

    /// Under which epoch this node owns a group, as it changes; `None` if there is no such group.
    pub(super) fn ownership(&self, group: u16) -> Option<watch::Receiver<Option<Epoch>>> {
        self.groups.get(place(group)).map(|shard| shard.ownership())
    }

    /// Takes note of an owner; an earlier one never replaces a later one.
    pub(super) fn learn(&self, group: u16, leader: Leader) {
        let mut heard = self.heard.lock();
        let Some(known) = heard.get_mut(place(group)) else {
            return;
        };
        if known.is_none_or(|known| known.epoch < leader.epoch) {
            *known = Some(leader);
            drop(heard);
            self.news.send_modify(|news| *news += 1);
        }
    }

    /// Everything that is known, for a node that asks.
    pub(super) fn table(&self) -> Vec<(u16, Leader)> {
        let groups = self.groups.iter().map(|shard| shard.number());
        groups.filter_map(|group| Some((group, self.of(group)?))).collect()
    }

    /// Changes with each owner that is heard of.
    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }
}

fn place(group: u16) -> usize {
    usize::from(group.wrapping_add(1))
}
