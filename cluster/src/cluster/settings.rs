//! Settings of the cluster as a whole, kept in the meta group.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::{
    ActorError, ErrorKind, Result, keyspace,
    mailbox::Fault,
    remote::{META, Meta, Owner, Remote},
    shard::{Epoch, Leader, Op, Outcome, Proposal, Shard, WriteSet},
};

/// Pause before an attempt of this node's own that failed is repeated.
const PAUSE: Duration = Duration::from_millis(20);

/// Longest name of a setting, in bytes.
const NAME_LIMIT: usize = 512;

/// Longest value of a setting, in bytes.
const VALUE_LIMIT: usize = 64 * 1024;

/// Settings of the cluster as a whole: names that are given a value once.
#[derive(Clone)]
pub struct Settings {
    meta: Arc<dyn Shard>,
    remote: Arc<Remote>,
    deadline: Duration,
}

impl Settings {
    pub(crate) fn new(meta: Arc<dyn Shard>, remote: Arc<Remote>, deadline: Duration) -> Self {
        Self { meta, remote, deadline }
    }

    /// Reads a setting.
    ///
    /// # Errors
    /// `retryable` while the meta group has no owner, `settings.read` if it cannot be read.
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
        self.ask(Meta::Get { key: key.to_vec() }).await
    }

    /// Writes a row of the meta group unless there is one, and returns the one that holds.
    pub(super) async fn put_row_if_absent(&self, key: Bytes, value: Bytes) -> Result<Vec<u8>> {
        let put = Meta::PutIfAbsent {
            key: key.to_vec(),
            value: value.to_vec(),
        };
        let row = self.ask(put).await?;
        row.ok_or_else(|| ActorError::internal("settings.read", "a row that was just committed is missing"))
    }

    /// Has the owner of the meta group do something. All of it may be repeated, so what may have been done is done again.
    async fn ask(&self, request: Meta) -> Result<Option<Vec<u8>>> {
        let mut doubt = false;
        let answered = tokio::time::timeout(self.deadline, async {
            let mut search = self.remote.search(META, self.meta.ownership());
            loop {
                match search.owner().await {
                    Owner::Here(_) => match self.serve(request.clone()).await {
                        Some(Err(error)) if error.kind() == ErrorKind::Unknown => doubt = true,
                        Some(outcome) => return outcome,
                        None => {}
                    },
                    Owner::There(leader) => match self.remote.ask_meta(leader, &request, self.deadline).await {
                        Ok(Err(error)) if error.kind() == ErrorKind::Unknown => doubt = true,
                        Ok(outcome) => return outcome,
                        Err(hint) => {
                            search.refused(leader, hint);
                            continue;
                        }
                    },
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        match answered.await {
            Ok(outcome) => outcome,
            Err(_) if doubt => Err(Fault::Unknown.into()),
            Err(_) => Err(Fault::Unavailable.into()),
        }
    }

    /// Does something as the owner of the meta group; `None` if this node is not, and nothing was done.
    pub(crate) async fn serve(&self, request: Meta) -> Option<Result<Option<Vec<u8>>>> {
        let epoch = (*self.meta.ownership().borrow())?;
        match request {
            Meta::Get { key } => {
                let row = self.read(&key);
                // Another owner may have written meanwhile.
                (*self.meta.ownership().borrow() == Some(epoch)).then_some(row)
            }
            Meta::PutIfAbsent { key, value } => {
                match self.read(&key) {
                    Ok(None) => {}
                    known => return Some(known),
                }
                match self.propose(epoch, key.clone().into(), value.into()).await {
                    Outcome::Committed { .. } => Some(self.read(&key)),
                    Outcome::NotProposed => None,
                    Outcome::Unknown => {
                        self.meta.relinquish(epoch);
                        Some(Err(Fault::Unknown.into()))
                    }
                }
            }
        }
    }

    /// The owner of the meta group, as far as is known.
    pub(crate) fn leader(&self) -> Option<Leader> {
        self.remote.leaders.of(META)
    }

    async fn propose(&self, epoch: Epoch, key: Bytes, value: Bytes) -> Outcome {
        let (sender, receiver) = oneshot::channel();
        let op = Op::PutIfAbsent { key, value };
        self.meta.propose(Proposal {
            epoch,
            writes: WriteSet { ops: vec![op] },
            done: Box::new(|outcome| {
                // The caller may have given up.
                let _ = sender.send(outcome);
            }),
        });
        receiver.await.unwrap_or(Outcome::Unknown)
    }

    fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let value = self.meta.get(key).map_err(|error| {
            tracing::error!(%error, "failed to read a setting");
            ActorError::internal("settings.read", "failed to read a setting")
        })?;
        Ok(value.map(|value| value.to_vec()))
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").finish_non_exhaustive()
    }
}
