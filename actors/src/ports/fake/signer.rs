//! A signer whose key is a word. Whoever knows the public key can forge, which is all right for tests.

use sha2::{Digest, Sha256};

use crate::ports::Signer;

/// Signs with hashes.
#[derive(Debug, Clone)]
pub struct FakeSigner {
    key: Option<[u8; 32]>,
}

impl FakeSigner {
    /// A signer with a key that follows from a word.
    #[must_use]
    pub fn new(word: &str) -> Self {
        let key = Some(Sha256::digest(word.as_bytes()).into());
        Self { key }
    }

    /// A signer that has no key yet.
    #[must_use]
    pub fn absent() -> Self {
        Self { key: None }
    }
}

fn signature(key: &[u8; 32], bytes: &[u8]) -> [u8; 64] {
    let half = |number: u8| {
        Sha256::new()
            .chain_update([number])
            .chain_update(key)
            .chain_update(bytes)
            .finalize()
    };
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&half(0));
    signature[32..].copy_from_slice(&half(1));
    signature
}

impl Signer for FakeSigner {
    fn public_key(&self) -> Option<[u8; 32]> {
        self.key
    }

    fn sign(&self, bytes: &[u8]) -> Option<[u8; 64]> {
        self.key.as_ref().map(|key| signature(key, bytes))
    }

    fn verify(&self, public_key: &[u8; 32], bytes: &[u8], given: &[u8; 64]) -> bool {
        signature(public_key, bytes) == *given
    }
}
