//! The port `Signer`: Ed25519 by aws-lc.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use actors::ports::Signer;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

/// The key with which the cluster signs. Cloning shares it.
///
/// Actors are given it before the node is open, and the key is in the settings of the cluster, which are read after that: until
/// then nothing is signed. Signatures of others are verified without a key.
#[derive(Clone, Default)]
pub struct ClusterKey(Arc<OnceLock<Ed25519KeyPair>>);

/// The bytes are no Ed25519 key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key of the cluster is not one of 32 bytes")]
pub struct InvalidKey;

impl ClusterKey {
    /// Sets the key; one that is set stays.
    ///
    /// # Errors
    /// If it is not one of 32 bytes.
    pub fn set(&self, seed: &[u8]) -> Result<(), InvalidKey> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| InvalidKey)?;
        self.0.get_or_init(|| pair);
        Ok(())
    }
}

impl Signer for ClusterKey {
    fn public_key(&self) -> Option<[u8; 32]> {
        self.0.get()?.public_key().as_ref().try_into().ok()
    }

    fn sign(&self, bytes: &[u8]) -> Option<[u8; 64]> {
        self.0.get()?.try_sign(bytes).ok()?.as_ref().try_into().ok()
    }

    fn verify(&self, public_key: &[u8; 32], bytes: &[u8], signature: &[u8; 64]) -> bool {
        UnparsedPublicKey::new(&ED25519, public_key)
            .verify(bytes, signature)
            .is_ok()
    }
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterKey")
            .field("is_set", &self.0.get().is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use actors::{audit::Hex, ports::fake::FakeSigner};

    use super::*;

    /// What every signer does; `other` has another key.
    fn keeps_the_contract(signer: &dyn Signer, other: &dyn Signer) {
        let key = signer.public_key().unwrap();
        assert_ne!(other.public_key().unwrap(), key);
        for bytes in [&b""[..], b"a statement", &[0; 10_000]] {
            let signature = signer.sign(bytes).unwrap();
            assert_eq!(signer.sign(bytes), Some(signature), "it is the same each time");
            for verifier in [signer, other] {
                assert!(verifier.verify(&key, bytes, &signature));
                assert!(!verifier.verify(&other.public_key().unwrap(), bytes, &signature));
                assert!(!verifier.verify(&key, b"another", &signature));
                for bit in 0..512 {
                    let mut forged = signature;
                    forged[bit / 8] ^= 1 << (bit % 8);
                    assert!(!verifier.verify(&key, bytes, &forged), "bit {bit}");
                }
            }
        }
    }

    fn key(seed: [u8; 32]) -> ClusterKey {
        let key = ClusterKey::default();
        key.set(&seed).unwrap();
        key
    }

    #[test]
    fn both_signers_keep_the_contract() {
        keeps_the_contract(&FakeSigner::new("one"), &FakeSigner::new("two"));
        keeps_the_contract(&key([1; 32]), &key([2; 32]));
    }

    #[test]
    fn without_a_key_nothing_is_signed_and_others_are_verified() {
        let (absent, present) = (ClusterKey::default(), key([1; 32]));
        assert_eq!((absent.public_key(), absent.sign(b"a")), (None, None));
        let signature = present.sign(b"a").unwrap();
        assert!(absent.verify(&present.public_key().unwrap(), b"a", &signature));
    }

    #[test]
    fn a_key_is_32_bytes_and_stays() {
        let key = ClusterKey::default();
        assert_eq!(key.set(&[1; 31]), Err(InvalidKey));
        key.set(&[1; 32]).unwrap();
        let public = key.public_key();
        key.set(&[2; 32]).unwrap();
        assert_eq!(key.public_key(), public);
        assert_eq!(format!("{key:?}"), "ClusterKey { is_set: true }");
    }

    /// Test 1 of RFC 8032, section 7.1.
    #[test]
    fn it_is_ed25519() {
        let seed = Hex::<32>::parse("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        let public = Hex::<32>::parse("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").unwrap();
        let signature = Hex::<64>::parse(concat!(
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155",
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ));
        let key = key(seed.0);
        assert_eq!(key.public_key(), Some(public.0));
        assert_eq!(key.sign(b"").map(Hex), signature);
    }
}
