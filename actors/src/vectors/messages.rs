//! What runs tell the index of a tenant, and what is asked of it.

use cluster::prelude::Message;
use serde::{Deserialize, Serialize};

/// The text of an artifact, as the index keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexedText {
    /// Run of the artifact.
    pub run_id: String,
    /// Phase of the artifact.
    pub phase: String,
    /// Attempt (number of pivots before it).
    pub attempt: u32,
    /// Version of the artifact.
    pub version: u32,
    /// At most 8,000 characters.
    pub text: String,
}

/// Adds the text of an accepted artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Message)]
#[message(name = "vectors.put")]
pub struct Put {
    /// The text.
    pub text: IndexedText,
}

/// Removes the texts of one attempt of a run, or of all its attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Message)]
#[message(name = "vectors.forget")]
pub struct Forget {
    /// The run.
    pub run_id: String,
    /// The attempt, or all of them.
    pub attempt: Option<u32>,
}

/// A run sends its texts again, because a rebuild has asked for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Message)]
#[message(name = "vectors.answered")]
pub struct Answered {
    /// Number of the rebuild.
    pub rebuild: u64,
    /// All texts of the run that the index should have.
    pub texts: Vec<IndexedText>,
}

/// Empties the tenant's part of the index and fills it again from the artifacts of all runs. One that is at work begins anew.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "vectors.rebuild", reply = IndexStatus)]
pub struct Rebuild;

/// Rebuilds where the index was made with another embedding model, or never.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "vectors.check", reply = IndexStatus)]
pub struct CheckIndex;

/// Asks how the index stands.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "vectors.status", reply = IndexStatus)]
pub struct GetIndexStatus;

/// How the index of a tenant stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexStatus {
    /// Changes that are stored here and not yet in the index.
    pub pending: u64,
    /// Why the last write failed, until one succeeds.
    pub failure: Option<String>,
    /// A rebuild that is at work.
    pub rebuild: Option<RebuildProgress>,
}

impl IndexStatus {
    /// Says whether the index has everything it should have.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.pending == 0 && self.rebuild.is_none()
    }
}

/// How far a rebuild is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RebuildProgress {
    /// Runs that were asked for their texts.
    pub asked: u64,
    /// Runs that have sent them.
    pub answered: u64,
    /// Whether all runs were asked.
    pub is_asked: bool,
}

/// A batch of changes was written, or not.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "vectors.written")]
pub(super) struct Written {
    pub(super) upto: u64,
    pub(super) outcome: Outcome,
}

/// How a write ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Outcome {
    Done,
    Superseded { writer: u64 },
    Failed { reason: String },
}

/// The index was looked at.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "vectors.looked")]
pub(super) struct Looked {
    /// The writer that it names, if it could be read.
    pub(super) writer: Option<u64>,
}

/// The next runs are to be asked for their texts.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "vectors.rebuild-further")]
pub(super) struct RebuildFurther {
    /// Number of the rebuild.
    pub(super) rebuild: u64,
}
