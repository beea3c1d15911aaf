//! Idempotency keys: a call that is repeated under its key is handled once, and answered alike each time.

mod outcomes;

use std::{any::Any, fmt};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub(crate) use self::outcomes::{Outcomes, Recall};
use crate::{
    ActorError, Message, Result,
    interface::{Codec, Value},
};

/// Longest key, in bytes.
const KEY_LIMIT: usize = 255;

/// Names one request of a client to one actor: 1 to 255 bytes, chosen by the client, the same for each repetition.
///
/// Whoever calls an actor shares its keys, so a key that users choose should be prefixed with the user.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Checks and wraps a key.
    ///
    /// # Errors
    /// `idempotency.key` if it is empty or too long.
    pub fn new(text: &str) -> Result<Self> {
        if text.is_empty() || text.len() > KEY_LIMIT {
            return Err(ActorError::invalid(
                "idempotency.key",
                format!("an idempotency key has 1 to {KEY_LIMIT} bytes"),
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for IdempotencyKey {
    type Error = ActorError;

    fn try_from(text: String) -> Result<Self> {
        Self::new(&text)
    }
}

impl From<IdempotencyKey> for String {
    fn from(key: IdempotencyKey) -> Self {
        key.0
    }
}

/// What a call under an idempotency key carries: the key, what it was used for, and how its reply is stored.
pub(crate) struct Keyed {
    key: IdempotencyKey,
    digest: [u8; 32],
    codec: &'static Codec,
}

impl Keyed {
    pub(crate) fn new<M: Message>(key: &IdempotencyKey, message: &M) -> Result<Box<Self>> {
        let codec = Codec::of::<M>();
        let payload = codec.encode_message(message)?;
        Ok(Self::arrived(key.clone(), M::NAME, &payload, codec))
    }

    /// That of a call from another node.
    pub(crate) fn arrived(key: IdempotencyKey, message: &str, payload: &[u8], codec: &'static Codec) -> Box<Self> {
        Box::new(Self {
            key,
            digest: digest(message, payload),
            codec,
        })
    }

    pub(crate) fn key(&self) -> &IdempotencyKey {
        &self.key
    }

    fn encode(&self, reply: &(dyn Any + Send)) -> Result<Bytes> {
        self.codec.encode_reply(reply).map_err(|error| {
            ActorError::internal(
                "idempotency.encode",
                format!("the call was handled once; its reply could not be stored: {error}"),
            )
        })
    }

    fn decode(&self, bytes: &[u8]) -> Result<Value> {
        self.codec.decode_reply(bytes).map_err(|error| {
            ActorError::internal(
                "idempotency.decode",
                format!("the call was handled once; failed to read its stored reply: {error}"),
            )
        })
    }
}

/// Tells messages apart. The name is delimited by its length, so nothing of it can pass for content.
fn digest(message: &str, payload: &[u8]) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update((message.len() as u64).to_be_bytes());
    digest.update(message.as_bytes());
    digest.update(payload);
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_checked() {
        for good in ["a", "user/7f2c", &"x".repeat(255)] {
            assert_eq!(IdempotencyKey::new(good).unwrap().as_str(), good);
        }
        for bad in ["", &"x".repeat(256)] {
            assert_eq!(IdempotencyKey::new(bad).unwrap_err().code(), "idempotency.key");
        }
    }

    #[test]
    fn names_and_contents_cannot_be_shifted_into_each_other() {
        assert_ne!(digest("a", b"bc"), digest("ab", b"c"));
        assert_eq!(digest("a", b"bc"), digest("a", b"bc"));
    }
}
