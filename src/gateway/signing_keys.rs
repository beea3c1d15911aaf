//! The keys that sign tokens: one signs, and those before it are accepted until what they signed has ended.
//!
//! A key is a setting of the cluster, which is written once: `signing-key`, then `signing-key/1` and so on. The number of a key
//! is the `kid` of its tokens. A new key signs only after [`LEAD`], when every node has read it; so no token meets a node that
//! does not know its key. A key may also end all those before it, for when one of them has been seen by others.

use std::{sync::Arc, time::Duration};

use actors::audit::Hex;
use cluster::prelude::{ActorError, Cluster};
use jsonwebtoken::{DecodingKey, EncodingKey};
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

/// Setting that holds the first key, as its bytes.
const FIRST: &str = "signing-key";

/// Time from the making of a key until it signs.
pub(crate) const LEAD: Duration = Duration::from_secs(10);

/// Pause between two looks for a new key. Several fit into [`LEAD`].
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Most keys that a cluster makes in its life.
pub(crate) const KEYS_MAX: usize = 1000;

/// What the key of context tokens is told apart from that of session tokens by.
const CONTEXT: &[u8] = b"foundation-context-token";

/// A key as it is kept, from the second one on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    secret: Hex<32>,
    /// Unix seconds.
    signs_from: u64,
    /// Whether it ends all keys before it.
    revokes: bool,
}

/// A secret in the two forms that the JWT library takes.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) encoding: EncodingKey,
    pub(crate) decoding: DecodingKey,
}

impl Pair {
    fn new(secret: &[u8]) -> Self {
        Self {
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
        }
    }
}

struct Key {
    session: Pair,
    context: Pair,
    signs_from: u64,
    revokes: bool,
}

impl Key {
    fn new(secret: &[u8], signs_from: u64, revokes: bool) -> Self {
        let mut digest = Sha256::new();
        digest.update(CONTEXT);
        digest.update(secret);
        Self {
            session: Pair::new(secret),
            context: Pair::new(&digest.finalize()),
            signs_from,
            revokes,
        }
    }
}

/// How a key stands. Its secret is nobody's business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct SigningKey {
    /// The `kid` of its tokens.
    pub(crate) id: String,
    /// From when on it signs, Unix seconds; 0 for the first one.
    pub(crate) signs_from: u64,
    /// Until when its tokens are accepted, Unix seconds; none for the last key.
    pub(crate) accepted_until: Option<u64>,
}

/// The keys of the cluster, the oldest first. Cloning shares them.
#[derive(Clone)]
pub struct SigningKeys {
    keys: Arc<RwLock<Vec<Key>>>,
    /// Life of the token that lives longest.
    longest: Duration,
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SigningKeys")
            .field("known", &self.keys.read().len())
            .field("longest", &self.longest)
            .finish()
    }
}

impl SigningKeys {
    /// Keys that begin with one, for tokens that live no longer than `longest`.
    #[must_use]
    pub fn new(first: &[u8], longest: Duration) -> Self {
        Self {
            keys: Arc::new(RwLock::new(vec![Key::new(first, 0, false)])),
            longest,
        }
    }

    /// Reads the keys of a cluster, or makes the first one. Nodes that start together agree on it.
    ///
    /// # Errors
    ///
    /// Fails when the cluster does not answer.
    pub async fn open(cluster: &Cluster, longest: Duration) -> Result<Self, ActorError> {
        let fresh: [u8; 32] = rand::random();
        let first = cluster.settings().put_if_absent(FIRST, fresh.to_vec()).await?;
        let keys = Self::new(&first, longest);
        keys.look(cluster).await?;
        Ok(keys)
    }

    /// Reads what other nodes have made, for ever.
    pub async fn follow(self, cluster: Cluster) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if let Err(error) = self.look(&cluster).await {
                tracing::debug!(%error, "failed to look for a new signing key");
            }
        }
    }

    /// Reads keys that are not known yet.
    async fn look(&self, cluster: &Cluster) -> Result<(), ActorError> {
        loop {
            let number = self.keys.read().len();
            let Some(row) = cluster.settings().get(&setting(number)).await? else {
                return Ok(());
            };
            self.learn(number, &row)?;
        }
    }

    fn learn(&self, number: usize, row: &[u8]) -> Result<(), ActorError> {
        let record: Record = serde_json::from_slice(row).map_err(|error| {
            ActorError::internal("auth.signing-key", format!("signing key {number} is damaged: {error}"))
        })?;
        let mut keys = self.keys.write();
        // Two that look at the same time read the same row.
        if keys.len() == number {
            keys.push(Key::new(&record.secret.0, record.signs_from, record.revokes));
        }
        Ok(())
    }

    /// Makes a key that signs after [`LEAD`]. One that was made meanwhile counts as this one.
    ///
    /// # Errors
    ///
    /// Fails when the last key does not sign yet, when [`KEYS_MAX`] were made, or when the cluster does not answer.
    pub(crate) async fn rotate(&self, cluster: &Cluster, revokes: bool) -> Result<SigningKey, ActorError> {
        self.look(cluster).await?;
        let now = jsonwebtoken::get_current_timestamp();
        let (number, last) = {
            let keys = self.keys.read();
            (keys.len(), keys.last().map_or(0, |key| key.signs_from))
        };
        if last > now {
            return Err(ActorError::conflict(
                "signing-key.pending",
                "the last key was made a moment ago and does not sign yet",
            ));
        }
        if number >= KEYS_MAX {
            return Err(ActorError::conflict(
                "signing-key.too-many",
                format!("a cluster makes at most {KEYS_MAX} signing keys"),
            ));
        }
        let record = Record {
            secret: Hex(rand::random()),
            signs_from: now + LEAD.as_secs(),
            revokes,
        };
        let row = serde_json::to_vec(&record).expect("a record has string keys only");
        let row = cluster.settings().put_if_absent(&setting(number), row).await?;
        self.learn(number, &row)?;
        Ok(self.list().swap_remove(number))
    }

    /// How each key stands, the oldest first.
    pub(crate) fn list(&self) -> Vec<SigningKey> {
        let keys = self.keys.read();
        let stand = |(number, key): (usize, &Key)| SigningKey {
            id: number.to_string(),
            signs_from: key.signs_from,
            accepted_until: self.accepted_until(&keys, number),
        };
        keys.iter().enumerate().map(stand).collect()
    }

    fn accepted_until(&self, keys: &[Key], number: usize) -> Option<u64> {
        let later = keys.get(number + 1..)?;
        let replaced = later.first()?.signs_from.saturating_add(self.longest.as_secs());
        let revoked = later.iter().find(|key| key.revokes).map(|key| key.signs_from);
        Some(revoked.map_or(replaced, |revoked| revoked.min(replaced)))
    }

    /// The key that signs session tokens at a time, and its id.
    pub(crate) fn signing(&self, now: u64) -> (String, Pair) {
        let keys = self.keys.read();
        let (number, key) = current(&keys, now);
        (number.to_string(), key.session.clone())
    }

    /// The key with an id, if its session tokens are accepted at a time. One that does not sign yet is: clocks differ.
    pub(super) fn accepted(&self, id: &str, now: u64) -> Option<Pair> {
        let keys = self.keys.read();
        let number: usize = id.parse().ok()?;
        let key = keys.get(number)?;
        let is_accepted = self.accepted_until(&keys, number).is_none_or(|until| now < until);
        is_accepted.then(|| key.session.clone())
    }

    /// The key that signs context tokens at a time.
    pub(super) fn context_signing(&self, now: u64) -> Pair {
        current(&self.keys.read(), now).1.context.clone()
    }

    /// The keys with which a context token may be signed that is younger than `life`, the likeliest first.
    pub(super) fn context_accepted(&self, now: u64, life: Duration) -> Vec<Pair> {
        let keys = self.keys.read();
        let was = current(&keys, now.saturating_sub(life.as_secs())).0;
        let current = current(&keys, now).0;
        // Clocks differ: a node that is ahead signs with the next one already.
        let others = (was..keys.len()).rev().filter(|number| *number != current);
        let numbers = std::iter::once(current).chain(others);
        numbers.map(|number| keys[number].context.clone()).collect()
    }
}

/// The last key that signs.
fn current(keys: &[Key], now: u64) -> (usize, &Key) {
    let found = keys.iter().enumerate().rev().find(|(_, key)| key.signs_from <= now);
    found.unwrap_or((0, &keys[0]))
}

fn setting(number: usize) -> String {
    format!("{FIRST}/{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(1000);

    /// Keys of which the later ones sign from these times.
    fn keys(later: &[(u64, bool)]) -> SigningKeys {
        let keys = SigningKeys::new(&[0; 32], LONGEST);
        for (place, (signs_from, revokes)) in later.iter().enumerate() {
            let secret = [u8::try_from(place).unwrap() + 1; 32];
            keys.keys.write().push(Key::new(&secret, *signs_from, *revokes));
        }
        keys
    }

    fn accepted(keys: &SigningKeys, now: u64) -> Vec<usize> {
        let numbers = 0..keys.list().len() + 1;
        numbers
            .filter(|number| keys.accepted(&number.to_string(), now).is_some())
            .collect()
    }

    #[test]
    fn a_key_signs_from_its_time_on() {
        let keys = keys(&[(100, false), (200, false)]);
        let signing = |now| keys.signing(now).0;
        assert_eq!(
            [0, 99, 100, 199, 200, 9999].map(signing),
            ["0", "0", "1", "1", "2", "2"]
        );
    }

    #[test]
    fn a_key_is_accepted_until_the_longest_token_it_signed_has_ended() {
        let keys = keys(&[(100, false), (200, false)]);
        assert_eq!(accepted(&keys, 50), [0, 1, 2]);
        assert_eq!(accepted(&keys, 1099), [0, 1, 2]);
        assert_eq!(accepted(&keys, 1100), [1, 2]);
        assert_eq!(accepted(&keys, 1200), [2]);
        assert_eq!(accepted(&keys, u64::MAX), [2]);
        let until: Vec<_> = keys.list().iter().map(|key| key.accepted_until).collect();
        assert_eq!(until, [Some(1100), Some(1200), None]);
    }

    #[test]
    fn a_key_that_revokes_ends_all_before_it_when_it_signs() {
        let keys = keys(&[(100, false), (200, true), (300, false)]);
        assert_eq!(accepted(&keys, 199), [0, 1, 2, 3]);
        assert_eq!(accepted(&keys, 200), [2, 3]);
        assert_eq!(accepted(&keys, 1300), [3]);
    }

    #[test]
    fn ids_that_are_no_number_of_a_key_are_refused() {
        let keys = keys(&[]);
        for id in ["", "1", "-0", "00x", "../0", "99999999999999999999999999"] {
            assert!(keys.accepted(id, 0).is_none(), "{id}");
        }
    }

    #[test]
    fn context_tokens_of_the_last_moments_are_accepted_and_older_keys_are_not() {
        let keys = keys(&[(1000, false), (2000, false)]);
        let life = Duration::from_secs(60);
        assert_eq!(
            keys.context_accepted(1500, life).len(),
            2,
            "the present one and the next"
        );
        assert_eq!(
            keys.context_accepted(2030, life).len(),
            2,
            "the present one and the last"
        );
        assert_eq!(keys.context_accepted(2061, life).len(), 1);
    }
}
