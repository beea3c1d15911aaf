//! What the host of activations sees of a shard: a queue for write-sets, a view of the state, and who owns it.
//!
//! The trait is the seam between the runtime and the consensus engine: the runtime knows nothing of raft, and the
//! engine nothing of actors.

use std::io;
use std::ops::Bound;

use bytes::Bytes;
use tokio::sync::watch;

/// The tables of a shard, told apart by the first byte of a key.
pub(crate) mod table {
    /// Rows of the engine itself: how far the state is applied, membership, epoch.
    pub(crate) const META: u8 = 0x00;
    /// Durable sends that wait to be delivered: `[OUTBOX][log index u64][ordinal u32]`.
    pub(crate) const OUTBOX: u8 = 0x03;
}

/// One shard of the keyspace, as the host of its actors uses it.
pub(crate) trait Shard: Send + Sync + 'static {
    /// The shard's number; the meta group, which hosts no actors, answers `u16::MAX`.
    fn number(&self) -> u16;

    /// `Some(epoch)` once the epoch entry of our leadership is applied, `None` while another node, or nobody, owns the
    /// shard. A changed epoch means: discard every activation.
    fn ownership(&self) -> watch::Receiver<Option<Epoch>>;

    /// Queues a write-set. Never blocks. Proposals of one caller are committed in call order, and once one of an epoch
    /// fails, no later one of that epoch is committed. `done` is called exactly once, from any thread.
    fn propose(&self, proposal: Proposal);

    /// Drops ownership after a commit without a definite success: a new epoch is installed before `ownership` is `Some`
    /// again. Does nothing if `epoch` is not the current one.
    fn relinquish(&self, epoch: Epoch);

    /// Reads one row; what is applied is seen at once.
    fn get(&self, key: &[u8]) -> io::Result<Option<Bytes>>;

    /// Reads up to `limit` rows of a range in key order, or in reverse.
    fn scan(&self, range: (Bound<Bytes>, Bound<Bytes>), reverse: bool, limit: usize)
    -> io::Result<Vec<(Bytes, Bytes)>>;
}

/// The term of one owner of a shard: the log index of the entry that installed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Epoch(pub(crate) u64);

/// A write-set on its way into the log.
pub(crate) struct Proposal {
    /// The epoch under which the owner produced the writes; under any other they are rejected.
    pub(crate) epoch: Epoch,
    /// What to write.
    pub(crate) writes: WriteSet,
    /// Hears the outcome.
    pub(crate) done: Box<dyn FnOnce(Outcome) + Send>,
}

impl std::fmt::Debug for Proposal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proposal")
            .field("epoch", &self.epoch)
            .field("ops", &self.writes.ops.len())
            .finish_non_exhaustive()
    }
}

/// What became of a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Durable and applied.
    Committed {
        /// Index of the log entry that carries it.
        index: u64,
        /// Ordinal, within that entry, of the proposal's first durable send.
        first_ordinal: u32,
    },
    /// It was never handed to the log: safe to retry.
    NotProposed,
    /// It may or may not have taken effect, now or later.
    Unknown,
}

/// Resolved writes, applied as one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct WriteSet {
    /// In the order in which they take effect.
    pub(crate) ops: Vec<Op>,
}

/// One resolved write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    /// Sets a row.
    Put {
        /// The row's key.
        key: Bytes,
        /// Its new value.
        value: Bytes,
    },
    /// Removes a row.
    Delete {
        /// The row's key.
        key: Bytes,
    },
    /// A durable send; the state machine keys it by log index and ordinal.
    Send {
        /// The message, opaque to the engine.
        envelope: Bytes,
    },
    /// Sets a row unless it exists. For the meta group, whose settings are written by whoever comes first.
    PutIfAbsent {
        /// The row's key.
        key: Bytes,
        /// The value it gets if there is none.
        value: Bytes,
    },
}
