//! Settings of the cluster as a whole, kept in the meta group.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::{
    ActorError, Result, keyspace,
    mailbox::Fault,
    shard::{Epoch, Op, Outcome, Proposal, Shard, WriteSet},
};

/// Longest name of a setting, in bytes.
const NAME_LIMIT: usize = 512;

/// Longest value of a setting, in bytes.
const VALUE_LIMIT: usize = 64 * 1024;

/// Settings of the cluster as a whole: names that are given a value once.
#[derive(Clone)]
pub struct Settings {
    meta: Arc<dyn Shard>,
    deadline: Duration,
}

impl Settings {
    pub(crate) fn new(meta: Arc<dyn Shard>, deadline: Duration) -> Self {
        Self { meta, deadline }
    }

    /// Reads a setting.
    ///
    /// # Errors
    /// `retryable` while the meta group has no owner here, `settings.read` if it cannot be read.
    pub async fn get(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.get_row(&keyspace::setting(name)).await
    }

    /// Gives a setting its value unless it has one, and returns the one that holds.
    ///
    /// # Errors
    /// `too-large` if name or value exceeds its bound; otherwise as [`get`](Self::get), and `unknown`.
    pub async fn put_if_absent(&self, name: &str, value: Vec<u8>) -> Result<Vec<u8>> {
        if name.len() > NAME_LIMIT || value.len() > VALUE_LIMIT {
            return Err(ActorError::too_large(
                "too-large",
                format!("a setting has at most {NAME_LIMIT} bytes of name and {VALUE_LIMIT} of value"),
            ));
        }
        self.put_row_if_absent(keyspace::setting(name), Bytes::from(value))
            .await
    }

    /// Reads a row of the meta group.
    pub(super) async fn get_row(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.owned().await?;
        self.read(key)
    }

    /// Writes a row of the meta group unless there is one, and returns the one that holds.
    pub(super) async fn put_row_if_absent(&self, key: Bytes, value: Bytes) -> Result<Vec<u8>> {
        let epoch = self.owned().await?;
        if let Some(winner) = self.read(&key)? {
            return Ok(winner);
        }
        let (sender, receiver) = oneshot::channel();
        let op = Op::PutIfAbsent {
            key: key.clone(),
            value,
        };
        self.meta.propose(Proposal {
            epoch,
            writes: WriteSet { ops: vec![op] },
            done: Box::new(|outcome| {
                // The caller may have given up.
                let _ = sender.send(outcome);
            }),
        });
        match receiver.await.unwrap_or(Outcome::Unknown) {
            Outcome::Committed { .. } => self
                .read(&key)?
                .ok_or_else(|| ActorError::internal("settings.read", "a row that was just committed is missing")),
            Outcome::NotProposed => Err(Fault::Unavailable.into()),
            Outcome::Unknown => {
                self.meta.relinquish(epoch);
                Err(Fault::Unknown.into())
            }
        }
    }

    fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let value = self.meta.get(key).map_err(|error| {
            tracing::error!(%error, "failed to read a setting");
            ActorError::internal("settings.read", "failed to read a setting")
        })?;
        Ok(value.map(|value| value.to_vec()))
    }

    async fn owned(&self) -> Result<Epoch> {
        let mut ownership = self.meta.ownership();
        let owned = ownership.wait_for(Option::is_some);
        let owned = tokio::time::timeout(self.deadline, owned)
            .await
            .map_err(|_| Fault::Unavailable)?;
        owned
            .ok()
            .and_then(|epoch| *epoch)
            .ok_or_else(|| Fault::Unavailable.into())
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").finish_non_exhaustive()
    }
}
