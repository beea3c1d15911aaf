//! The key of the cluster, with which it vouches for what leaves it.

/// Signs with the Ed25519 key of the cluster. It is quick: actors call it in their turns.
pub trait Signer: Send + Sync + 'static {
    /// The public half of the key; `None` while the node that starts has not read it yet.
    fn public_key(&self) -> Option<[u8; 32]>;

    /// Signs; `None` while the key is not known yet.
    fn sign(&self, bytes: &[u8]) -> Option<[u8; 64]>;

    /// Says whether the holder of a key has signed these bytes. It needs no key of its own.
    fn verify(&self, public_key: &[u8; 32], bytes: &[u8], signature: &[u8; 64]) -> bool;
}
