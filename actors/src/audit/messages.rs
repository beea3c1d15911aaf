//! What the audit chain of a tenant is asked.

use cluster::prelude::Message;
use serde::{Deserialize, Serialize};

use super::{checkpoint::Checkpoint, hash::ChainHash, record::AuditRecord, verifier::Verifier, verify::Verdict};

/// Most records of a page.
pub const PAGE: u32 = 200;

/// Appends an event. Actors do it with [`record`](super::record()); work without an actor asks under an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Message)]
#[message(name = "audit.append", reply = AuditRecord)]
pub struct Append {
    /// A lowercase letter, then up to 63 of `a-z`, `0-9`, `_` and `.`.
    pub event_type: String,
    /// A JSON object as text, at most [`PAYLOAD_BYTES`](super::PAYLOAD_BYTES); made by [`payload`](super::payload()).
    pub payload: String,
}

/// Reads records.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Message)]
#[message(name = "audit.list", reply = RecordPage)]
pub struct ListRecords {
    /// In which order.
    pub order: Order,
    /// Number of the record behind which the page begins, in that order.
    pub cursor: Option<u64>,
    /// Most records returned, 1 to [`PAGE`].
    pub limit: u32,
    /// Only events whose type begins with this.
    pub event_prefix: Option<String>,
}

/// In which order records are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Ascending.
    #[default]
    OldestFirst,
    /// Descending.
    NewestFirst,
}

/// A page of records. With a filter that few records pass it may be short and still have a cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordPage {
    /// The records.
    pub records: Vec<AuditRecord>,
    /// Cursor of the next page.
    pub next: Option<u64>,
}

/// Asks where the chain ends.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "audit.head", reply = ChainHead)]
pub struct GetHead;

/// Where a chain begins and ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainHead {
    /// Number of the last record: how many there ever were.
    pub length: u64,
    /// Hash of the last record.
    pub hash: ChainHash,
    /// When it was appended, Unix seconds; 0 if there is none.
    pub created_at: i64,
    /// Number of the first record that is kept. It is one more than the length if none is.
    pub first_seq: u64,
    /// What the first record that is kept follows, once older ones were removed.
    pub anchor: Option<Checkpoint>,
    /// Days for which records are kept, or for ever.
    pub retention_days: Option<u32>,
}

/// Checks a piece of the chain; [`verify`](super::verify()) asks until all of it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Message)]
#[message(name = "audit.verify", reply = Progress)]
pub struct Verify {
    /// How far it was checked; nothing to begin.
    pub verifier: Option<Verifier>,
}

/// How far the chain is checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What to go on with.
    pub verifier: Verifier,
    /// What came of it, once it is over.
    pub verdict: Option<Verdict>,
}

/// Signs the last record, or answers the checkpoint that it has.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "audit.sign-head", reply = Checkpoint)]
pub struct SignHead;

/// Reads checkpoints, the oldest first.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, Message)]
#[message(name = "audit.checkpoints", reply = CheckpointPage)]
pub struct ListCheckpoints {
    /// Number of the record behind which the page begins.
    pub after: u64,
    /// Most checkpoints returned, 1 to [`PAGE`].
    pub limit: u32,
}

/// A page of checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointPage {
    /// The checkpoints.
    pub checkpoints: Vec<Checkpoint>,
    /// Cursor of the next page.
    pub next: Option<u64>,
}

/// Says for how long records are kept. The chain records the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Message)]
#[message(name = "audit.set-retention", reply = ChainHead)]
pub struct SetRetention {
    /// Days, or for ever.
    pub days: Option<u32>,
}
