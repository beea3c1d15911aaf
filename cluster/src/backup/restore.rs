//! Bringing a tenant or an actor of a backup into a running cluster, by ordinary batches.
//!
//! The node that is asked reads the backup; the owners of the shards commit. The rows of an actor go into a generation of
//! storage that nobody reads yet; one last batch makes it the present one, together with alarm, directory and what else
//! belongs to the actor. Until then a mark keeps the collector away from that generation for as long as this ownership of
//! the shard lasts: after a crash the collector removes it.
//!
//! What an actor has taken of the durable messages to it stays as it is: those cursors count the logs of the cluster it now
//! lives in.
//!
//! A shard that goes to another node, or a node that does not answer, ends what was begun; all of it is begun again, as it
//! would be after a crash.

mod incoming;
mod plan;
mod reader;
mod target;

use std::{
    collections::{HashMap, HashSet},
    ops::ControlFlow,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use rand::Rng;

use self::{
    incoming::{BATCH, Incoming, size},
    plan::{actors, address, classes, covers, taken},
    reader::{Reader, Step},
    target::{Stop, Target},
};
use super::{Backup, BackupError, Contents};
use crate::{
    ActorError, Cluster, TenantId,
    address::Address,
    directory::{Presence, Record},
    hold::Held,
    host::Effects,
    id::{ActorHash, ClassUid},
    keyspace::{self, SendId},
    outbox::Envelope,
    shard::Op,
    wire,
};

/// Files that are restored at the same time.
const FILES: usize = 4;

/// How often a restore is begun that shards or nodes interrupt.
const ATTEMPTS: u32 = 6;

/// Pause before it is begun again; it doubles. An owner that was lost is replaced within seconds.
const PAUSE: Duration = Duration::from_millis(200);

/// What to do with actors that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Refuse, before anything is written.
    Refuse,
    /// Give them up for those of the backup. Of a tenant this gives up all actors, also those the backup does not have.
    Replace,
}

/// What was restored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Restored {
    /// Actors that are now as the backup has them.
    pub actors: u64,
    /// Actors that were given up because the backup does not have them.
    pub removed: u64,
    /// Durable messages that are on their way again.
    pub messages: u64,
}

impl Cluster {
    /// Restores a tenant or an actor from a backup of this node that holds it, wherever its shards are owned. Meanwhile calls
    /// to what is restored are refused as `retryable`. Each actor is restored whole or not at all. Where an owner is replaced
    /// meanwhile, it is begun again; what was interrupted for good is done again with [`Existing::Replace`].
    ///
    /// # Errors
    /// [`BackupError::Present`], [`BackupError::Missing`] if the backup does not have it, [`BackupError::UnknownClass`]:
    /// then nothing was written. [`BackupError::Node`] if a shard has no owner that answers for too long, or a batch was not
    /// committed.
    pub async fn restore(
        &self,
        backup: &Backup,
        contents: Contents,
        existing: Existing,
    ) -> Result<Restored, BackupError> {
        let (cluster, backup) = (self.clone(), backup.clone());
        let work = async move {
            let restore = Restore::plan(&cluster, backup, contents, existing).await?;
            restore.run().await
        };
        // On a task of its own: a caller that leaves stops nothing half-way.
        let done = self.node().hosts[0].runtime.spawn(work).await;
        done.unwrap_or_else(|_| Err(ActorError::internal("restore.panic", "the restoring panicked").into()))
    }
}

impl Cluster {
    /// Gives up all actors of a tenant, wherever their shards are owned, with their alarms and the durable messages to them.
    /// Meanwhile calls to them are refused as `retryable`; afterwards they are as if they had never been. Returns how many
    /// there were. What was interrupted for good is done again by asking again.
    ///
    /// # Errors
    /// [`BackupError::Node`] if a shard has no owner that answers for too long, or a batch was not committed.
    pub async fn erase(&self, tenant: &TenantId) -> Result<u64, BackupError> {
        let restore = Restore {
            cluster: self.clone(),
            contents: Contents::Tenant(tenant.clone()),
            actors: Arc::default(),
            classes: Arc::default(),
            taken: Arc::default(),
            files: Vec::new(),
            existing: Existing::Replace,
        };
        // On a task of its own: a caller that leaves stops nothing half-way.
        let done = self.node().hosts[0].runtime.spawn(restore.run()).await;
        let done = done.unwrap_or_else(|_| Err(ActorError::internal("erase.panic", "the erasing panicked").into()));
        Ok(done?.removed)
    }
}

/// What is to be done. To erase a tenant is to restore it from nothing.
struct Restore {
    cluster: Cluster,
    contents: Contents,
    /// By their place in the backup.
    actors: Arc<HashMap<ActorHash, Arc<Address>>>,
    /// The present identities of the classes of the backup.
    classes: Arc<HashMap<ClassUid, ClassUid>>,
    /// Messages that their receivers had taken already when the backup was made.
    taken: Arc<HashSet<(u16, SendId)>>,
    files: Vec<(u16, PathBuf)>,
    existing: Existing,
}

impl Restore {
    /// Finds out what the backup has.
    async fn plan(
        cluster: &Cluster,
        backup: Backup,
        contents: Contents,
        existing: Existing,
    ) -> Result<Self, BackupError> {
        if !covers(&backup.manifest().contents, &contents) {
            return Err(backup.other());
        }
        let path = backup.path().to_owned();
        let files = backup.manifest().files.iter();
        let files = files
            .filter_map(|file| Some((file.shard?, path.join(&file.name))))
            .collect::<Vec<_>>();
        let classes = classes(backup.manifest(), &cluster.node().classes);
        let node = Arc::clone(cluster.node());
        let (read, wanted, uids) = (files.clone(), contents.clone(), classes.clone());
        let work = move || actors(backup.manifest(), &read, &wanted, &uids, &node.classes);
        let actors = tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| BackupError::io(&path)(std::io::Error::other(error)))??;
        let read = files.clone();
        let taken = match contents.clone() {
            Contents::Tenant(tenant) => tokio::task::spawn_blocking(move || taken(&read, &tenant))
                .await
                .map_err(std::io::Error::other)
                .flatten()
                .map_err(|error| BackupError::read(&path, error))?,
            Contents::Node | Contents::Actor(_) => HashSet::new(),
        };
        if actors.is_empty() {
            return Err(BackupError::Missing(contents));
        }
        Ok(Self {
            cluster: cluster.clone(),
            contents,
            actors: Arc::new(actors),
            classes: Arc::new(classes),
            taken: Arc::new(taken),
            files,
            existing,
        })
    }

    async fn run(self) -> Result<Restored, BackupError> {
        let node = Arc::clone(self.cluster.node());
        let _alone = self.cluster.restoring().await;
        let mut last = None;
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                tokio::time::sleep(PAUSE * 2_u32.pow(attempt)).await;
            }
            let target = Target::new(&node, node.random.lock().random());
            let held = match (&self.contents, self.actors.values().next()) {
                (Contents::Tenant(tenant), _) => Held::Tenant(tenant.clone()),
                (Contents::Actor(_), Some(address)) => Held::Actor(address.hash),
                (Contents::Node, _) | (_, None) => return Err(BackupError::Missing(self.contents)),
            };
            let tried = async {
                // Before anybody is kept waiting, and again when nobody can make one any more.
                self.refuse(&target, attempt).await?;
                target.holding(held, self.attempt(&target, attempt)).await
            };
            match tried.await {
                Ok(restored) => {
                    let Restored { actors, removed, .. } = restored;
                    tracing::info!(contents = %self.contents, actors, removed, "actors were restored or given up");
                    return Ok(restored);
                }
                Err(Stop::Failed(error)) => return Err(error),
                Err(Stop::Again(error)) => {
                    tracing::debug!(%error, "a restore is begun again");
                    last = Some(error);
                }
            }
        }
        let error = last.unwrap_or_else(|| ActorError::internal("restore.attempts", "it was not tried"));
        Err(error.into())
    }

    async fn attempt(&self, target: &Target, attempt: u32) -> Result<Restored, Stop> {
        target.check().await?;
        let present = self.refuse(target, attempt).await?;
        let mut restored = Restored::default();
        if let Contents::Tenant(tenant) = &self.contents {
            for shard in target.node().shards() {
                forget_messages(target, shard, tenant).await?;
            }
            let kept = self.hashes();
            for address in present.iter().filter(|address| !kept.contains(&address.hash)) {
                Incoming::begin(target, Arc::clone(address)).await?.remove().await?;
                restored.removed += 1;
            }
        }
        let file = |(shard, path): &(u16, PathBuf)| self.file(target, *shard, path.clone()).boxed();
        let files = self.files.iter().map(file).collect::<Vec<_>>();
        let parts = stream::iter(files).buffer_unordered(FILES);
        let parts = parts.try_collect::<Vec<_>>().await?;
        for part in parts {
            restored.actors += part.actors;
            restored.messages += part.messages;
        }
        // Nobody has seen the middle of it.
        target.check().await?;
        Ok(restored)
    }

    fn hashes(&self) -> HashSet<ActorHash> {
        self.actors.values().map(|address| address.hash).collect()
    }

    /// The actors that are there, unless that is refused.
    async fn refuse(&self, target: &Target, attempt: u32) -> Result<Vec<Arc<Address>>, Stop> {
        let present = self.present(target).await?;
        // An earlier attempt may have restored some.
        let own = if attempt > 0 { self.hashes() } else { HashSet::new() };
        let mut foreign = present.iter().filter(|address| !own.contains(&address.hash));
        match (self.existing, foreign.next()) {
            (Existing::Refuse, Some(address)) => Err(BackupError::Present(address.id.clone()).into()),
            (Existing::Refuse, None) | (Existing::Replace, _) => Ok(present),
        }
    }

    /// The actors that stand where those of the backup will, or, of a tenant, any.
    async fn present(&self, target: &Target) -> Result<Vec<Arc<Address>>, Stop> {
        let node = target.node();
        let mut present = Vec::new();
        match &self.contents {
            Contents::Tenant(tenant) => {
                for shard in node.shards() {
                    let listed = target.listed(shard, tenant).await?;
                    present.extend(listed.iter().filter_map(|(key, _)| address(key, &node.classes)));
                }
            }
            Contents::Node | Contents::Actor(_) => {
                for address in self.actors.values() {
                    let record = keyspace::one(&keyspace::record(address.hash));
                    let (_, rows) = target.read(node.shard(address.hash), [record]).await?;
                    let record = rows.first().map(|(_, row)| wire::decode::<Record>(row)).transpose();
                    let record =
                        record.map_err(|_| ActorError::internal("storage.read", "failed to read the state"))?;
                    if record.is_some_and(|record| record.presence == Presence::Listed) {
                        present.push(Arc::clone(address));
                    }
                }
            }
        }
        Ok(present)
    }

    /// Restores what is wanted of one file.
    async fn file(&self, target: &Target, shard: u16, path: PathBuf) -> Result<Restored, Stop> {
        let mut reader = Reader {
            path: path.clone(),
            shard,
            taken: Arc::clone(&self.taken),
            actors: Arc::clone(&self.actors),
            classes: Arc::clone(&self.classes),
            tenant: match &self.contents {
                Contents::Tenant(tenant) => Some(tenant.clone()),
                Contents::Node | Contents::Actor(_) => None,
            },
            rows: None,
            current: None,
            ended: false,
        };
        let mut restored = Restored::default();
        let mut incoming: Option<Incoming<'_>> = None;
        let shards = target.node().hosts.len();
        let source = u16::try_from(usize::from(shard) % shards).unwrap_or_default();
        let send = async |messages: Vec<Op>| {
            if messages.is_empty() {
                return Ok(());
            }
            target.write(source, None, messages, Effects::default()).await.map(drop)
        };
        let mut messages = Vec::new();
        while !reader.is_at_end() {
            let read = tokio::task::spawn_blocking(move || {
                let steps = reader.read()?;
                Ok((reader, steps))
            });
            let read = read.await.map_err(std::io::Error::other).flatten();
            let (back, steps) = read.map_err(|error| BackupError::read(&path, error))?;
            reader = back;
            for step in steps {
                match step {
                    Step::Begin(address) => {
                        restored.actors += 1;
                        incoming = Some(Incoming::begin(target, address).await?);
                    }
                    Step::Row(key, value) => match &mut incoming {
                        Some(incoming) => incoming.row(&key, value).await?,
                        None => debug_assert!(false, "a row comes after its actor"),
                    },
                    Step::End => match incoming.take() {
                        Some(incoming) => incoming.end().await?,
                        None => debug_assert!(false, "an actor ends after it began"),
                    },
                    Step::Message(envelope) => {
                        restored.messages += 1;
                        messages.push(Op::Send { envelope });
                        if size(&messages) >= BATCH {
                            send(std::mem::take(&mut messages)).await?;
                        }
                    }
                }
            }
        }
        send(messages).await?;
        Ok(restored)
    }
}

/// Removes the durable messages to a tenant that are on their way: they belong to what is given up.
async fn forget_messages(target: &Target, shard: u16, tenant: &TenantId) -> Result<(), Stop> {
    let mut keys = Vec::new();
    let range = [keyspace::outbox_after(None)];
    target
        .each(shard, range, |rows| {
            let theirs = rows.into_iter().filter(|(_, envelope)| {
                Envelope::decode(envelope).is_some_and(|envelope| envelope.target.tenant() == tenant)
            });
            keys.extend(theirs.map(|(key, _)| Op::Delete { key }));
            ControlFlow::Continue(())
        })
        .await?;
    if keys.is_empty() {
        return Ok(());
    }
    target.write(shard, None, keys, Effects::default()).await.map(drop)
}
