//! A record of the chain.

use serde::{Deserialize, Serialize};

use super::hash::{ChainHash, link};

/// One record: who did what, and the hashes that hold the chain together. It does not name its tenant; where it is stored does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// 1 for the first record of the tenant, without gaps.
    pub seq: u64,
    /// What happened, as `run_created`.
    pub event_type: String,
    /// A JSON object as compact text; `actor` and `request_id` come first.
    pub payload: String,
    /// Hash of the record before it.
    pub previous_hash: ChainHash,
    /// Hash of this record.
    pub hash: ChainHash,
    /// Unix seconds; never less than those of the record before it.
    pub created_at: i64,
}

impl AuditRecord {
    /// The record that follows one with this number and hash.
    #[must_use]
    pub fn following(seq: u64, previous_hash: ChainHash, event_type: String, payload: String, created_at: i64) -> Self {
        let hash = link(&previous_hash, &event_type, &payload, created_at);
        Self {
            seq: seq + 1,
            event_type,
            payload,
            previous_hash,
            hash,
            created_at,
        }
    }
}
