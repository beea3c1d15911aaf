//! The seam between the host of activations and the group that makes their writes durable.

use std::{io, ops::Bound, sync::Arc};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};

use crate::lease::Lease;
use crate::peers::NodeId;

/// One shard of the keyspace, as the host of its actors uses it.
pub(crate) trait Shard: Send + Sync + 'static {
    /// Number of the shard within its cluster.
    fn number(&self) -> u16;

    /// `Some(epoch)` after the epoch entry of our leadership is applied; `None` while another node, or nobody, owns the
    /// shard. A changed epoch means: discard every activation.
    fn ownership(&self) -> watch::Receiver<Option<Epoch>>;

    /// The last owner that this node knows of by itself: the one that the last epoch entry applied here names. Another
    /// node may know of a later one.
    fn leader(&self) -> Option<Leader> {
        None
    }

    /// Queues a write-set. Never blocks. Proposals of one caller are committed in call order. `done` is called exactly
    /// once, from any thread, after the batch is applied (or failed).
    fn propose(&self, proposal: Proposal);

    /// Drops ownership (a commit had no definite success): a new epoch is installed before `ownership` is `Some` again.
    fn relinquish(&self, epoch: Epoch);

    /// Until when nobody else can own the shard: while it holds, what was read may leave.
    fn lease(&self) -> Arc<Lease>;

    /// Asks a majority whether this node still owns the shard under an epoch. One round of questions serves all who wait.
    /// Never blocks. `done` is called exactly once, from any thread.
    fn confirm(&self, confirmation: Confirmation);

    /// How far the rows on this node go. `None` if it has no copy of the shard, or while that is replaced as a whole.
    fn extent(&self) -> Option<Extent> {
        None
    }

    /// Waits until the rows on this node go as far as an entry, which may be never. `None`: nobody keeps them up.
    fn reached(&self, index: u64) -> BoxFuture<'_, Option<Extent>> {
        let extent = self.extent().filter(|extent| extent.applied >= index);
        std::future::ready(extent).boxed()
    }

    /// Reads one applied value.
    fn get(&self, key: &[u8]) -> io::Result<Option<Bytes>>;

    /// Reads a range of applied rows, at most `limit` of them, in key order or in reverse.
    fn scan(&self, range: (Bound<Bytes>, Bound<Bytes>), reverse: bool, limit: usize)
    -> io::Result<Vec<(Bytes, Bytes)>>;
}

/// Term of one ownership: the log index of the entry that installed the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Epoch(pub(crate) u64);

/// Who owns a shard, or did: of two, the one with the later epoch does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Leader {
    /// The node.
    pub(crate) node: NodeId,
    /// Its ownership.
    pub(crate) epoch: Epoch,
}

/// How far the rows of a shard go on one node. Who reads rows after looking at it sees at least so much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Index of the last entry that they show.
    pub(crate) applied: u64,
    /// Index of the last entry that this node has, be it agreed or not. The owner has all that are agreed.
    pub(crate) logged: u64,
    /// Rows that were read while this was the same are parts of one whole.
    pub(crate) edition: u64,
}

/// A write-set on its way to the log.
pub(crate) struct Proposal {
    /// The ownership under which the writes were made; another one in force rejects them.
    pub(crate) epoch: Epoch,
    /// The writes.
    pub(crate) writes: WriteSet,
    /// Hears the outcome.
    pub(crate) done: Box<dyn FnOnce(Outcome) + Send>,
}

/// A question to the majority.
pub(crate) struct Confirmation {
    /// The ownership under which something was read.
    pub(crate) epoch: Epoch,
    /// Hears whether it was in force after the question was asked.
    pub(crate) done: Box<dyn FnOnce(bool) + Send>,
}

/// Whether what was read under an epoch until now was the state of the shard.
pub(crate) async fn is_confirmed(shard: &dyn Shard, epoch: Epoch) -> bool {
    if shard.lease().holds(epoch) {
        return true;
    }
    let (tell, told) = oneshot::channel();
    shard.confirm(Confirmation {
        epoch,
        done: Box::new(move |confirmed| {
            // Who asked may have given up.
            let _ = tell.send(confirmed);
        }),
    });
    told.await.unwrap_or(false)
}

/// What became of a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Durable on a majority and applied here.
    Committed {
        /// Index of the log entry that carries the writes.
        index: u64,
        /// Ordinal of this proposal's first durable send in that entry.
        first_ordinal: u32,
    },
    /// It never reached the log: it has no effect, now or later.
    NotProposed,
    /// It may or may not take effect.
    Unknown,
}

/// Resolved writes: absolute puts and deletes, and durable sends that the state machine keys by (log index, ordinal).
#[derive(Debug, Default)]
pub(crate) struct WriteSet {
    /// The writes in order.
    pub(crate) ops: Vec<Op>,
}

/// One resolved write.
#[derive(Debug)]
pub(crate) enum Op {
    /// Sets a value.
    Put {
        /// Whole key, table byte first.
        key: Bytes,
        /// The value.
        value: Bytes,
    },
    /// Removes a value.
    Delete {
        /// Whole key, table byte first.
        key: Bytes,
    },
    /// Adds a row to the outbox, at `[OUTBOX][index be u64][ordinal be u32]`.
    Send {
        /// The encoded envelope.
        envelope: Bytes,
    },
    /// Sets a value unless there is one (meta group only).
    PutIfAbsent {
        /// Whole key, table byte first.
        key: Bytes,
        /// The value.
        value: Bytes,
    },
}

impl Op {
    /// About how much memory it takes while it waits.
    pub(crate) fn size(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Put { key, value } | Self::PutIfAbsent { key, value } => key.len() + value.len(),
                Self::Delete { key } => key.len(),
                Self::Send { envelope } => envelope.len(),
            }
    }
}
