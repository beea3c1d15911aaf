//! Checks a chain, record by record.

use serde::{Deserialize, Serialize};

use super::{
    checkpoint::Checkpoint,
    hash::{ChainHash, GENESIS, link},
    record::AuditRecord,
};

/// Checks records that it is fed in order. It remembers one number and one hash, however long the chain is, and can be
/// laid aside and taken up again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verifier {
    /// Number of the last record.
    seq: u64,
    /// Its hash.
    hash: ChainHash,
    /// Number of the last record that somebody vouched for.
    vouched: u64,
}

/// The first thing that is wrong with a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("record {first_bad_seq} {reason}")]
pub struct Fault {
    /// The first number from which on the chain cannot be trusted.
    pub first_bad_seq: u64,
    /// What is wrong there.
    pub reason: FaultReason,
}

/// What is wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum FaultReason {
    /// There is no record with this number, and there must have been one.
    #[error("is missing")]
    Missing,
    /// What is stored there is not a record.
    #[error("cannot be read")]
    Unreadable,
    /// Another record stands in its place.
    #[error("has the number {found}")]
    Misplaced {
        /// The number that the record there has.
        found: u64,
    },
    /// It names another hash than that of the record before it.
    #[error("does not follow the record before it")]
    Unlinked,
    /// Its content is not what was hashed.
    #[error("is not what was hashed")]
    Altered,
    /// It stands behind the end of the chain.
    #[error("stands behind the end of the chain")]
    Surplus,
    /// From here on the records are consistent, and are not those that the end of the chain or a checkpoint tells of.
    #[error("or one behind it is not what is vouched for at record {at}")]
    Unvouched {
        /// Number of the record that the end of the chain or the checkpoint tells of.
        at: u64,
    },
    /// The checkpoint here is not signed with the key of the cluster for this tenant.
    #[error("has a checkpoint that is not signed with the key of the cluster for this tenant")]
    Unsigned,
}

impl Default for Verifier {
    fn default() -> Self {
        Self {
            seq: 0,
            hash: GENESIS,
            vouched: 0,
        }
    }
}

impl Verifier {
    /// For a chain that begins behind a checkpoint, whose signature is checked by the caller.
    #[must_use]
    pub fn behind(checkpoint: &Checkpoint) -> Self {
        Self {
            seq: checkpoint.seq,
            hash: checkpoint.hash,
            vouched: checkpoint.seq,
        }
    }

    /// Number of the last record, 0 before the first.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Hash of the last record.
    #[must_use]
    pub fn hash(&self) -> ChainHash {
        self.hash
    }

    /// Checks the record that comes next.
    ///
    /// # Errors
    /// What is wrong with it. Nothing is remembered of a record that is wrong.
    pub fn check(&mut self, record: &AuditRecord) -> Result<(), Fault> {
        let next = self.seq + 1;
        if record.seq != next {
            let found = record.seq;
            return Err(self.fault(FaultReason::Misplaced { found }));
        }
        if record.previous_hash != self.hash {
            return Err(self.fault(FaultReason::Unlinked));
        }
        if link(&self.hash, &record.event_type, &record.payload, record.created_at) != record.hash {
            return Err(self.fault(FaultReason::Altered));
        }
        (self.seq, self.hash) = (next, record.hash);
        Ok(())
    }

    /// Checks the record that is stored under a number; `None` stands for one that cannot be read.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_at(&mut self, place: u64, record: Option<&AuditRecord>) -> Result<(), Fault> {
        if place > self.seq + 1 {
            return Err(self.fault(FaultReason::Missing));
        }
        match record {
            Some(record) if place == self.seq + 1 => self.check(record),
            Some(_) => Err(self.fault(FaultReason::Misplaced { found: place })),
            None => Err(self.fault(FaultReason::Unreadable)),
        }
    }

    /// Compares the last record with what somebody vouches for.
    ///
    /// # Errors
    /// If that is another hash: then something behind the last thing that was vouched for is not what it was.
    pub fn vouch(&mut self, hash: ChainHash) -> Result<(), Fault> {
        if hash != self.hash {
            return Err(Fault {
                first_bad_seq: self.vouched + 1,
                reason: FaultReason::Unvouched { at: self.seq },
            });
        }
        self.vouched = self.seq;
        Ok(())
    }

    /// Compares what was checked with the end of the chain.
    ///
    /// # Errors
    /// If records are missing, there are too many, or the last one is another.
    pub fn end(&mut self, seq: u64, hash: ChainHash) -> Result<(), Fault> {
        if self.seq < seq {
            return Err(self.fault(FaultReason::Missing));
        }
        if self.seq > seq {
            return Err(Fault {
                first_bad_seq: seq + 1,
                reason: FaultReason::Surplus,
            });
        }
        self.vouch(hash)
    }

    /// Something is wrong with the record that comes next.
    pub(super) fn fault(&self, reason: FaultReason) -> Fault {
        Fault {
            first_bad_seq: self.seq + 1,
            reason,
        }
    }
}
