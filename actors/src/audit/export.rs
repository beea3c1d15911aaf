//! The chain as a file: JSON Lines that anybody can check.
//!
//! `{"anchor":{..}}` if older records were removed, then one line per record, then `{"head":{..}}`, the signed end. A record
//! has the members `tenant`, `seq`, `event_type`, `payload` (the JSON text that was hashed, as a string), `previous_hash`,
//! `hash`, `created_at`; anchor and head have `tenant`, `seq`, `hash`, `created_at`, `public_key`, `signature`.

use serde::{Deserialize, Serialize};

use super::{
    checkpoint::Checkpoint,
    hash::{ChainHash, GENESIS},
    hex::{PublicKey, Signature},
    record::AuditRecord,
    verifier::{Fault, FaultReason, Verifier},
};
use crate::ports::Signer;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordLine {
    tenant: String,
    seq: u64,
    event_type: String,
    payload: String,
    previous_hash: ChainHash,
    hash: ChainHash,
    created_at: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointLine {
    tenant: String,
    seq: u64,
    hash: ChainHash,
    created_at: i64,
    public_key: PublicKey,
    signature: Signature,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Anchor { anchor: CheckpointLine },
    Head { head: CheckpointLine },
    Record(RecordLine),
}

impl Line {
    fn text(&self) -> String {
        serde_json::to_string(self).expect("a line is of numbers and texts")
    }
}

fn checkpoint_line(tenant: &str, checkpoint: &Checkpoint) -> CheckpointLine {
    CheckpointLine {
        tenant: tenant.to_owned(),
        seq: checkpoint.seq,
        hash: checkpoint.hash,
        created_at: checkpoint.created_at,
        public_key: checkpoint.public_key,
        signature: checkpoint.signature,
    }
}

/// The first line of an export of a chain whose older records were removed, without its line feed.
#[must_use]
pub fn anchor_line(tenant: &str, checkpoint: &Checkpoint) -> String {
    let anchor = checkpoint_line(tenant, checkpoint);
    Line::Anchor { anchor }.text()
}

/// The line of a record, without its line feed.
#[must_use]
pub fn record_line(tenant: &str, record: AuditRecord) -> String {
    Line::Record(RecordLine {
        tenant: tenant.to_owned(),
        seq: record.seq,
        event_type: record.event_type,
        payload: record.payload,
        previous_hash: record.previous_hash,
        hash: record.hash,
        created_at: record.created_at,
    })
    .text()
}

/// The last line of an export, without its line feed. Records behind this one are not part of the export.
#[must_use]
pub fn head_line(tenant: &str, checkpoint: &Checkpoint) -> String {
    let head = checkpoint_line(tenant, checkpoint);
    Line::Head { head }.text()
}

/// Checks an export, line by line.
pub struct ExportVerifier<'a> {
    signer: &'a dyn Signer,
    /// The key that signs; that of the first signature if none was given.
    key: Option<PublicKey>,
    tenant: Option<String>,
    verifier: Verifier,
    first_seq: u64,
    lines: u64,
    ended: bool,
}

/// An export that is what the cluster exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Whose chain it is.
    pub tenant: String,
    /// Number of the first record, if there is one.
    pub first_seq: u64,
    /// Number of the last record.
    pub length: u64,
    /// Its hash.
    pub head_hash: ChainHash,
    /// The key of the signatures. Whether it is that of the cluster, the file cannot tell.
    pub public_key: PublicKey,
}

/// Why an export is not what the cluster exported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportFault {
    /// The chain is broken.
    #[error("{0}")]
    Chain(#[from] Fault),
    /// A line is none that an export has.
    #[error("line {line} is not a line of an export; record {first_bad_seq} should be there")]
    Line {
        /// Number of the line, from 1.
        line: u64,
        /// The record that should be there.
        first_bad_seq: u64,
    },
    /// The file does not end with its signed end, so records may be missing.
    #[error("the signed end is missing; the file is complete at most up to record {}", first_bad_seq - 1)]
    NoEnd {
        /// The first record that may be missing.
        first_bad_seq: u64,
    },
    /// A line is of another tenant.
    #[error("record {first_bad_seq} is of another tenant, {tenant}")]
    Tenant {
        /// The record.
        first_bad_seq: u64,
        /// The other tenant.
        tenant: String,
    },
    /// A signature is by another key.
    #[error("the end is signed with another key, {found}")]
    Key {
        /// From here on nobody vouches for anything.
        first_bad_seq: u64,
        /// The other key.
        found: PublicKey,
    },
}

impl ExportFault {
    /// The first number from which on the export cannot be trusted.
    #[must_use]
    pub fn first_bad_seq(&self) -> u64 {
        match self {
            Self::Chain(fault) => fault.first_bad_seq,
            Self::Line { first_bad_seq, .. }
            | Self::NoEnd { first_bad_seq }
            | Self::Tenant { first_bad_seq, .. }
            | Self::Key { first_bad_seq, .. } => *first_bad_seq,
        }
    }
}

impl<'a> ExportVerifier<'a> {
    /// For the export of a cluster with this key. Without a key the file is only checked against itself: whoever has
    /// written all of it anew has signed it with a key of their own.
    #[must_use]
    pub fn new(signer: &'a dyn Signer, key: Option<PublicKey>) -> Self {
        Self {
            signer,
            key,
            tenant: None,
            verifier: Verifier::default(),
            first_seq: 1,
            lines: 0,
            ended: false,
        }
    }

    /// Checks the next line, without its line feed.
    ///
    /// # Errors
    /// What is wrong with it. There is nothing to be gained from going on.
    pub fn line(&mut self, text: &str) -> Result<(), ExportFault> {
        self.lines += 1;
        let foreign = ExportFault::Line {
            line: self.lines,
            first_bad_seq: self.verifier.seq() + 1,
        };
        let line = match serde_json::from_str::<Line>(text) {
            // There is one way to write a line, so every bit of the file counts.
            Ok(line) if !self.ended && line.text() == text => line,
            Ok(_) | Err(_) => return Err(foreign),
        };
        match line {
            Line::Anchor { anchor } if self.lines == 1 => {
                let checkpoint = self.signed(anchor)?;
                self.verifier = Verifier::behind(&checkpoint);
                self.first_seq = checkpoint.seq + 1;
                if checkpoint.seq == 0 && checkpoint.hash != GENESIS {
                    return Err(self.verifier.fault(FaultReason::Unlinked).into());
                }
            }
            Line::Anchor { .. } => return Err(foreign),
            Line::Record(line) => {
                self.of(line.tenant)?;
                self.verifier.check(&AuditRecord {
                    seq: line.seq,
                    event_type: line.event_type,
                    payload: line.payload,
                    previous_hash: line.previous_hash,
                    hash: line.hash,
                    created_at: line.created_at,
                })?;
            }
            Line::Head { head } => {
                let checkpoint = self.signed(head)?;
                self.verifier.end(checkpoint.seq, checkpoint.hash)?;
                self.ended = true;
            }
        }
        Ok(())
    }

    /// Says what the export is, after its last line.
    ///
    /// # Errors
    /// If the signed end has not come.
    pub fn finish(self) -> Result<Exported, ExportFault> {
        match (self.tenant, self.key) {
            (Some(tenant), Some(public_key)) if self.ended => Ok(Exported {
                tenant,
                first_seq: self.first_seq,
                length: self.verifier.seq(),
                head_hash: self.verifier.hash(),
                public_key,
            }),
            _ => Err(ExportFault::NoEnd {
                first_bad_seq: self.verifier.seq() + 1,
            }),
        }
    }

    /// All lines are of one tenant.
    fn of(&mut self, tenant: String) -> Result<(), ExportFault> {
        match &self.tenant {
            Some(known) if *known == tenant => Ok(()),
            Some(_) => Err(ExportFault::Tenant {
                first_bad_seq: self.verifier.seq() + 1,
                tenant,
            }),
            None => {
                self.tenant = Some(tenant);
                Ok(())
            }
        }
    }

    /// Checks tenant, key and signature of a checkpoint.
    fn signed(&mut self, line: CheckpointLine) -> Result<Checkpoint, ExportFault> {
        let first_bad_seq = self.first_seq;
        let checkpoint = Checkpoint {
            seq: line.seq,
            hash: line.hash,
            created_at: line.created_at,
            public_key: line.public_key,
            signature: line.signature,
        };
        let found = line.public_key;
        if *self.key.get_or_insert(found) != found {
            return Err(ExportFault::Key { first_bad_seq, found });
        }
        if !checkpoint.is_signed(self.signer, &line.tenant) {
            let reason = FaultReason::Unsigned;
            return Err(Fault { first_bad_seq, reason }.into());
        }
        self.of(line.tenant)?;
        Ok(checkpoint)
    }
}

impl std::fmt::Debug for ExportVerifier<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExportVerifier")
            .field("tenant", &self.tenant)
            .field("verifier", &self.verifier)
            .finish_non_exhaustive()
    }
}
