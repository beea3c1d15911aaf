//! How much log a group keeps behind its snapshot, so that a member that was away for a while need not receive all of it.

use openraft::async_runtime::watch::WatchReceiver;

use super::group::GroupRaft;
use super::log::LogStore;

/// How much log is kept behind snapshots.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetentionLimits {
    /// Entries of one group.
    pub(crate) entries: u64,
    /// Bytes of one group.
    pub(crate) group_bytes: u64,
    /// Bytes of all groups of a node together.
    pub(crate) node_bytes: u64,
}

impl Default for RetentionLimits {
    fn default() -> Self {
        Self {
            entries: 10_000,
            group_bytes: 8 << 20,
            node_bytes: 64 << 20,
        }
    }
}

impl RetentionLimits {
    /// What one of so many groups keeps.
    pub(crate) fn share(self, groups: u64) -> Self {
        Self {
            group_bytes: self.group_bytes.min(self.node_bytes / groups.max(1)),
            ..self
        }
    }
}

/// Purges the log of one group behind its snapshots.
pub(crate) struct Retention {
    pub(crate) raft: GroupRaft,
    pub(crate) log: LogStore,
    pub(crate) limits: RetentionLimits,
}

impl Retention {
    /// Runs until the group ends.
    pub(crate) async fn run(&self) {
        let mut taken = self.raft.watch_snapshot_progress();
        loop {
            if let Some(snapshot) = taken.get() {
                self.purge(snapshot.index).await;
            }
            if taken.changed().await.is_err() {
                return;
            }
        }
    }

    async fn purge(&self, snapshot: u64) {
        let is_alone = {
            let metrics = self.raft.server_metrics();
            let metrics = metrics.borrow_watched();
            metrics.membership_config.nodes().count() <= 1
        };
        let kept = if is_alone {
            snapshot + 1
        } else {
            let start = self.log.start_of(self.limits.group_bytes);
            start.max((snapshot + 1).saturating_sub(self.limits.entries))
        };
        // Never what the snapshot does not contain.
        let Some(upto) = kept.min(snapshot + 1).checked_sub(1) else {
            return;
        };
        if let Err(error) = self.raft.trigger().purge_log(upto).await {
            tracing::debug!(%error, "a log was not purged: the group is stopping");
        }
    }
}
