//! The check of a whole live chain.

use cluster::prelude::{ActorRef, Result};
use serde::{Deserialize, Serialize};

use super::{
    chain::AuditLog,
    hash::ChainHash,
    messages::{Progress, Verify},
    verifier::Fault,
};

/// What came of the check of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Number of the last record by the end of the chain, which is stored beside it.
    pub length: u64,
    /// Hash of the last record by the end of the chain.
    pub head_hash: ChainHash,
    /// Number of the first record that is kept.
    pub first_seq: u64,
    /// The first thing that is wrong.
    pub fault: Option<Fault>,
}

impl Verdict {
    /// Says whether the chain is what it was.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.fault.is_none()
    }
}

/// Checks the chain of a tenant from its first record, or from the checkpoint behind which it begins, to its end. The actor does it in
/// pieces: events are appended meanwhile, and are part of it.
///
/// # Errors
/// If the actor does not answer, or the key of the cluster is not known yet.
pub async fn verify(audit: &ActorRef<AuditLog>) -> Result<Verdict> {
    let mut verifier = None;
    loop {
        let progress: Progress = audit.ask(Verify { verifier }).await?;
        match progress.verdict {
            Some(verdict) => return Ok(verdict),
            None => verifier = Some(progress.verifier),
        }
    }
}
