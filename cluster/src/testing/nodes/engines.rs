//! What nodes with engines do together, and whether their replicas are alike.

use std::{collections::BTreeSet, ops::Bound, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{Disks, TestNodes, id};
use crate::{Cluster, NodeId, consensus::Group, shard::Shard, store::Row};

/// Pause between looks at what takes its time.
const LOOK: Duration = Duration::from_millis(20);

/// How long a group of an engine may take for a step.
const PATIENCE: Duration = Duration::from_secs(60);

impl TestNodes {
    /// Makes every node a voter of every group, and lets them lead the groups in turn.
    pub(super) async fn grow(&self) {
        let voters: BTreeSet<_> = (0..self.settings.nodes).map(id).collect();
        for group in 0..=u32::from(self.settings.shards) {
            self.patiently(|| async {
                let Some(leader) = self.leader(group) else { return false };
                let cluster = self.node(leader);
                let group = cluster.groups().engine().and_then(|engine| engine.group(group));
                let group = group.expect("every node has every group");
                let standing = group.standing();
                if standing.voters == voters {
                    return true;
                }
                let missing = voters.iter().filter(|voter| !standing.voters.contains(voter));
                for voter in missing.filter(|voter| !standing.learners.contains(voter)) {
                    // What fails now is tried again.
                    let _ = group.add_learner(*voter).await;
                }
                let _ = group.change_voters(&voters).await;
                false
            })
            .await;
        }
        for group in 0..=self.settings.shards {
            let to = usize::from(group) % self.settings.nodes;
            self.transfer(u32::from(group), to).await;
        }
    }

    /// The node that owns a group of the engines.
    pub(super) fn leader(&self, group: u32) -> Option<usize> {
        let owns = |cluster: &Cluster| {
            let group = cluster.groups().engine()?.group(group)?;
            group.ownership().borrow().map(|epoch| epoch.0)
        };
        let owners = (0..self.settings.nodes).filter_map(|node| Some((owns(&self.running(node)?)?, node)));
        // One that was replaced may not know it yet.
        owners.max().map(|(_, node)| node)
    }

    /// Has a node lead a group of the engines.
    pub(super) async fn transfer(&self, group: u32, to: usize) {
        self.patiently(|| async {
            let Some(leader) = self.leader(group) else { return false };
            if leader == to {
                return true;
            }
            let cluster = self.node(leader);
            let group = cluster.groups().engine().and_then(|engine| engine.group(group));
            let group = group.expect("every node has every group");
            // What fails now is tried again.
            let _ = group.transfer_leader(id(to)).await;
            false
        })
        .await;
    }

    /// Does something again and again until it is done.
    async fn patiently<F: Future<Output = bool>>(&self, step: impl Fn() -> F) {
        let done = async {
            while !step().await {
                tokio::time::sleep(LOOK).await;
            }
        };
        let done = tokio::time::timeout(PATIENCE, done).await;
        assert!(
            done.is_ok(),
            "seed {}: a group does not take a step: {:?}",
            self.settings.seed,
            self.fatal()
        );
    }

    /// Asks the owner of a group to let another node lead it.
    pub(super) async fn try_transfer(&self, number: u32, to: usize) {
        let leader = self.leader(number).and_then(|leader| self.running(leader));
        let group = leader.and_then(|leader| group_of(&leader, number));
        if let Some(group) = group {
            // What fails is not tried again.
            let _ = group.transfer_leader(id(to)).await;
        }
    }

    /// Has the owner of a shard give it to another node in good order: what was begun is finished first.
    ///
    /// # Errors
    /// Why the owner keeps it.
    pub async fn hand_over(&self, shard: u16, to: usize) -> Result<(), String> {
        let owner = self.leader(super::group(shard)).and_then(|owner| self.running(owner));
        let owner = owner.ok_or("nobody owns the shard")?;
        owner.hand_over(shard, id(to)).await
    }

    /// Lets the engine of a node take a snapshot of every group.
    pub async fn take_snapshots(&self, node: usize) {
        if let Some(cluster) = self.running(node) {
            cluster.take_snapshots().await;
        }
    }

    /// Makes every sync of a node with an engine fail until it crashes.
    pub fn fail_syncs(&self, node: usize) {
        if let Disks::Engines(disks) = &self.disks {
            disks[node].fail_syncs();
        }
    }

    /// Checks that replicas which have applied a log up to the same entry hold the same; answers whether all of them have
    /// applied everything. Nodes with simulated groups share their rows, so nothing is compared.
    ///
    /// # Errors
    /// How two replicas differ.
    pub fn compare(&self) -> Result<bool, String> {
        if matches!(self.disks, Disks::Simulated(_)) {
            return Ok(true);
        }
        let mut is_settled = true;
        for number in 0..=u32::from(self.settings.shards) {
            let groups = self.present().filter_map(|node| group_of(&node, number));
            let mut seen: Vec<(_, Vec<Row>, NodeId)> = Vec::new();
            for group in groups {
                let head = group.head().map_err(|error| error.to_string())?;
                let status = group.status();
                is_settled &= status.last == status.applied;
                let everything = (Bound::Included(Bytes::from_static(&[1])), Bound::Unbounded);
                let rows = group.scan(everything, false, usize::MAX);
                let rows = rows.map_err(|error| error.to_string())?;
                for (other, theirs, node) in &seen {
                    is_settled &= *other == head;
                    if *other == head && theirs != &rows {
                        let differing = rows.iter().filter(|row| !theirs.contains(row)).count();
                        return Err(format!(
                            "group {number} at {:?}: node {} holds {} rows, of which node {node} with {} lacks {differing}",
                            head.applied,
                            group.node(),
                            rows.len(),
                            theirs.len()
                        ));
                    }
                }
                seen.push((head, rows, group.node()));
            }
        }
        Ok(is_settled)
    }
}

fn group_of(cluster: &Cluster, number: u32) -> Option<Arc<Group>> {
    cluster.groups().engine()?.group(number).cloned()
}
