//! The rows of one simulated group, and who owns it.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use parking_lot::RwLock;
use tokio::{sync::watch, time::Instant};

use crate::{
    keyspace::{self, SendId},
    peers::NodeId,
    shard::{Epoch, Leader, Op},
};

/// The rows of one group, and who owns it.
pub(super) struct Rows {
    rows: RwLock<BTreeMap<Bytes, Bytes>>,
    /// What a node still sees that does not hear of an owner after it.
    frozen: RwLock<Option<Frozen>>,
    /// Index of the last entry.
    index: AtomicU64,
    pub(super) appointed: watch::Sender<Appointed>,
    /// The last owner that installed itself.
    pub(super) installed: watch::Sender<Option<Leader>>,
}

/// What one node sees, and the index of its last entry.
struct Frozen {
    node: NodeId,
    rows: BTreeMap<Bytes, Bytes>,
    index: u64,
}

/// Who shall own a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Appointed {
    pub(super) node: NodeId,
    /// Who did not hear of it.
    pub(super) deaf: Option<NodeId>,
    /// When.
    pub(super) at: Instant,
}

impl Rows {
    pub(super) fn new(owner: NodeId) -> Self {
        Self {
            rows: RwLock::default(),
            frozen: RwLock::default(),
            index: AtomicU64::new(0),
            appointed: watch::Sender::new(Appointed {
                node: owner,
                deaf: None,
                at: Instant::now(),
            }),
            installed: watch::Sender::new(None),
        }
    }

    /// Makes a node the owner, under a new epoch.
    pub(super) fn install(&self, node: NodeId) -> Epoch {
        let rows = self.rows.write();
        let deaf = self.appointed.borrow().deaf;
        *self.frozen.write() = deaf.map(|node| Frozen {
            node,
            rows: rows.clone(),
            index: self.index.load(Ordering::Relaxed),
        });
        let epoch = Epoch(self.index.fetch_add(1, Ordering::Relaxed) + 1);
        self.installed.send_replace(Some(Leader { node, epoch }));
        epoch
    }

    /// Applies a batch as one entry, unless there was another owner meanwhile. Returns its index.
    pub(super) fn apply(&self, epoch: Epoch, ops: Vec<Op>) -> Option<u64> {
        let mut rows = self.rows.write();
        if self.installed.borrow().is_none_or(|leader| leader.epoch != epoch) {
            return None;
        }
        let index = self.index.fetch_add(1, Ordering::Relaxed) + 1;
        let mut ordinal = 0;
        for op in ops {
            match op {
                Op::Put { key, value } => drop(rows.insert(key, value)),
                Op::Delete { key } => drop(rows.remove(&key)),
                Op::PutIfAbsent { key, value } => drop(rows.entry(key).or_insert(value)),
                Op::Send { envelope } => {
                    rows.insert(keyspace::outbox(SendId { index, ordinal }), envelope);
                    ordinal += 1;
                }
            }
        }
        Some(index)
    }

    /// Gives the group to a node, of which `deaf` does not hear.
    pub(super) fn appoint(&self, node: NodeId, deaf: Option<NodeId>) {
        self.frozen.write().take();
        self.appointed.send_replace(Appointed {
            node,
            deaf,
            at: Instant::now(),
        });
    }

    /// Lets everybody hear who owns the group.
    pub(super) fn tell(&self) {
        self.frozen.write().take();
        self.appointed
            .send_if_modified(|appointed| appointed.deaf.take().is_some());
    }

    /// The rows as a node sees them.
    pub(super) fn read<T>(&self, node: NodeId, read: impl FnOnce(&BTreeMap<Bytes, Bytes>) -> T) -> T {
        match &*self.frozen.read() {
            Some(frozen) if frozen.node == node => read(&frozen.rows),
            Some(_) | None => read(&self.rows.read()),
        }
    }

    /// Index of the last entry that a node sees.
    pub(super) fn index(&self, node: NodeId) -> u64 {
        match &*self.frozen.read() {
            Some(frozen) if frozen.node == node => frozen.index,
            Some(_) | None => {
                // The rows of an entry and its index change together.
                let _rows = self.rows.read();
                self.index.load(Ordering::Relaxed)
            }
        }
    }
}
