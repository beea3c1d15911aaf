//! What the cluster signs about a chain.

use serde::{Deserialize, Serialize};

use super::{
    hash::ChainHash,
    hex::{Hex, PublicKey, Signature},
};
use crate::ports::Signer;

/// A signed statement: at this moment the record with this number of the tenant's chain had this hash.
///
/// It does not hold its tenant, but the signature is over the tenant as well: for another one it is not valid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Number of the record; 0 stands for a chain without records.
    pub seq: u64,
    /// Hash of the record.
    pub hash: ChainHash,
    /// When it was signed, Unix seconds.
    pub created_at: i64,
    /// The key that verifies it.
    pub public_key: PublicKey,
    /// Ed25519 signature of [`text`](Self::text).
    pub signature: Signature,
}

impl Checkpoint {
    /// Signs; `None` while the key of the cluster is not known yet.
    pub fn sign(signer: &dyn Signer, tenant: &str, seq: u64, hash: ChainHash, created_at: i64) -> Option<Self> {
        let public_key = Hex(signer.public_key()?);
        let signature = Hex(signer.sign(text(tenant, seq, &hash, created_at).as_bytes())?);
        Some(Self {
            seq,
            hash,
            created_at,
            public_key,
            signature,
        })
    }

    /// The text that is signed.
    #[must_use]
    pub fn text(&self, tenant: &str) -> String {
        text(tenant, self.seq, &self.hash, self.created_at)
    }

    /// Says whether the holder of the key has signed this of the tenant.
    pub fn is_signed(&self, signer: &dyn Signer, tenant: &str) -> bool {
        signer.verify(&self.public_key.0, self.text(tenant).as_bytes(), &self.signature.0)
    }
}

/// A tenant has no colon, so no two statements share a text.
fn text(tenant: &str, seq: u64, hash: &ChainHash, created_at: i64) -> String {
    format!("foundation-audit-checkpoint:1:{tenant}:{seq}:{hash}:{created_at}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{audit::GENESIS, ports::fake::FakeSigner};

    #[test]
    fn the_signed_text_is_canonical_and_every_part_of_it_counts() {
        let signer = FakeSigner::new("key");
        let checkpoint = Checkpoint::sign(&signer, "acme", 7, GENESIS, 12).unwrap();
        let zeros = "0".repeat(64);
        assert_eq!(
            checkpoint.text("acme"),
            format!("foundation-audit-checkpoint:1:acme:7:{zeros}:12")
        );
        assert!(checkpoint.is_signed(&signer, "acme"));
        assert!(!checkpoint.is_signed(&signer, "other"));
        let mut hash = checkpoint.hash;
        hash.0[5] ^= 4;
        let changed = [
            Checkpoint {
                seq: 8,
                ..checkpoint.clone()
            },
            Checkpoint {
                hash,
                ..checkpoint.clone()
            },
            Checkpoint {
                created_at: 13,
                ..checkpoint.clone()
            },
        ];
        for changed in changed {
            assert!(!changed.is_signed(&signer, "acme"), "{changed:?}");
        }
    }
}
