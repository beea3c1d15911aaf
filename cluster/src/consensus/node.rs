//! The stores of a node while it opens its groups, and the order in which everything is put away again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::codec;
use super::directory::{self, DataDirectory};
use super::engine::{OpenError, Stores};
use super::group::{Group, GroupParts};
use super::log::{FjallLog, LogDisk, LogStore, MarkError, Marks, MemoryDisk, MemorySession, Pressure};
use super::machine::{Machine, MachineParts, SnapshotInfo};
use super::ownership::Ownership;
use super::retention::RetentionLimits;
use super::types::LogId;
use crate::Clock;
use crate::lease::Lease;
use crate::peers::{NodeId, Peers};
use crate::store::{Flusher, Image, Images, OnFatal, ShardState, StateDisk, StateLimits, sync_parent};

/// How long the groups of a node that stops wait for the majority that their last rounds need.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);

/// Everything under the groups.
pub(crate) struct Node {
    flusher: Flusher,
    log: Log,
    marks: Arc<Marks>,
    images: Images,
    medium: Medium,
}

enum Log {
    Disk(Arc<FjallLog>),
    Memory(Arc<MemorySession>),
}

enum Medium {
    Disk(StateDisk, DataDirectory),
    Memory(MemoryDisk),
}

impl Node {
    /// Opens the stores; on a disk this blocks for as long as logs are replayed, on a thread for it.
    pub(crate) async fn open(
        stores: Stores,
        shards: u16,
        runtime: &Handle,
        limits: StateLimits,
        on_fatal: &OnFatal,
    ) -> Result<Self, OpenError> {
        match stores {
            Stores::Disk { path, cache_bytes } => {
                let on_fatal = Arc::clone(on_fatal);
                let open = move || Self::on_disk(&path, cache_bytes, shards, limits, &on_fatal);
                tokio::task::spawn_blocking(open)
                    .await
                    .map_err(|error| OpenError::State(std::io::Error::other(error)))?
            }
            Stores::Memory(disk) => {
                same_shards(disk.shards(shards), shards)?;
                Ok(Self {
                    flusher: Flusher::task(limits, runtime, Arc::clone(on_fatal)),
                    log: Log::Memory(Arc::new(disk.open(runtime, Arc::clone(on_fatal)))),
                    marks: Arc::new(Marks::in_memory(disk.marks()).map_err(OpenError::Log)?),
                    images: disk.images(),
                    medium: Medium::Memory(disk),
                })
            }
        }
    }

    fn on_disk(
        path: &Path,
        cache_bytes: u64,
        shards: u16,
        limits: StateLimits,
        on_fatal: &OnFatal,
    ) -> Result<Self, OpenError> {
        let (directory, stored) = DataDirectory::open(path, shards)?;
        same_shards(stored, shards)?;
        let marks = Marks::on_disk(directory.marks())
            .map_err(|error| OpenError::of(&directory.marks(), error, OpenError::Log))?;
        let log = FjallLog::open(&directory.log(), Arc::clone(on_fatal))
            .map_err(|error| OpenError::of(&directory.log(), error, OpenError::Log))?;
        // fjall syncs what is in its directory, not that it exists.
        sync_parent(&directory.log()).map_err(OpenError::Log)?;
        let images = Images::Disk(directory.snapshots());
        images.drop_drafts().map_err(OpenError::State)?;
        let boot = directory::boot();
        let state = StateDisk::open(path, cache_bytes, &boot, Arc::clone(on_fatal)).map_err(OpenError::State)?;
        Ok(Self {
            flusher: Flusher::thread(limits, Arc::clone(on_fatal)).map_err(OpenError::State)?,
            log: Log::Disk(Arc::new(log)),
            marks: Arc::new(marks),
            images,
            medium: Medium::Disk(state, directory),
        })
    }

    /// Where snapshots are kept.
    pub(crate) fn images(&self) -> &Images {
        &self.images
    }

    /// Prepares one group.
    pub(crate) fn opening(&self, group: u32, shared: &Shared) -> Result<Opening, OpenError> {
        let tree = match &self.medium {
            Medium::Disk(state, _) => state.tree(group).map_err(OpenError::State)?,
            Medium::Memory(disk) => disk.tree(group),
        };
        Ok(Opening {
            group,
            disk: match &self.log {
                Log::Disk(log) => Arc::clone(log) as Arc<dyn LogDisk>,
                Log::Memory(log) => Arc::clone(log) as Arc<dyn LogDisk>,
            },
            state: self.flusher.adopt(group, tree),
            path: match &self.medium {
                Medium::Disk(_, directory) => directory.log(),
                Medium::Memory(_) => PathBuf::from("log in memory"),
            },
            images: self.images.clone(),
            marks: Arc::clone(&self.marks),
            shared: shared.clone(),
        })
    }

    /// Puts the groups and then the stores away, in the only order in which nothing is lost: rounds are answered, cores
    /// and then state machines end, the state is flushed, the log closed, the files synced, the lock given back. After a
    /// fault nothing is called durable any more.
    pub(crate) async fn close(
        self,
        groups: &[Arc<Group>],
        snapshotter: Option<JoinHandle<()>>,
        stop: &CancellationToken,
        mut running: mpsc::Receiver<()>,
        failed: &AtomicBool,
    ) {
        let within = if stop.is_cancelled() {
            Duration::ZERO
        } else {
            DRAIN_WITHIN
        };
        join_all(groups.iter().map(|group| group.drain(within))).await;
        stop.cancel();
        if let Some(snapshotter) = snapshotter
            && snapshotter.await.is_err()
        {
            tracing::error!("the snapshotter panicked");
        }
        join_all(groups.iter().map(|group| group.shutdown())).await;
        // openraft does not join its state machines: the channel ends with the last of them.
        while running.recv().await.is_some() {}
        if !failed.load(Ordering::Relaxed) {
            // From now on the marks know every entry, not only those before the last snapshot.
            let marks = Arc::clone(&self.marks);
            match tokio::task::spawn_blocking(move || marks.write()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "failed to note where the logs end"),
                Err(_) => tracing::error!("noting where the logs end panicked"),
            }
        }
        self.flusher.close().await;
        match &self.log {
            Log::Disk(log) => {
                let log = Arc::clone(log);
                if tokio::task::spawn_blocking(move || log.close()).await.is_err() {
                    tracing::error!("closing the log panicked");
                }
            }
            Log::Memory(log) => log.close().await,
        }
        if let Medium::Disk(state, directory) = self.medium {
            let failed = failed.load(Ordering::Relaxed);
            match tokio::task::spawn_blocking(move || state.close(failed)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "failed to sync the state, it is rebuilt at the next start"),
                Err(_) => tracing::error!("closing the state panicked"),
            }
            drop(directory);
        }
    }
}

fn same_shards(stored: u16, configured: u16) -> Result<(), OpenError> {
    if stored == configured {
        Ok(())
    } else {
        Err(OpenError::ShardsChanged { stored, configured })
    }
}

/// What all groups of a node share beside its stores.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) node: NodeId,
    pub(crate) peers: Arc<dyn Peers>,
    /// Whether a new group is founded, with this node as its only voter.
    pub(crate) found: bool,
    /// What a group of several members keeps of its log behind its snapshot.
    pub(crate) retention: RetentionLimits,
    pub(crate) pressure: Arc<Pressure>,
    /// One snapshot is built at a time.
    pub(crate) turn: Arc<Semaphore>,
    pub(crate) running: mpsc::Sender<()>,
    pub(crate) stop: CancellationToken,
    /// The runtime of those who hear what became of their proposals.
    pub(crate) actors: Handle,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) on_fatal: OnFatal,
}

/// A group about to start.
pub(crate) struct Opening {
    group: u32,
    disk: Arc<dyn LogDisk>,
    /// What to call the log in an error.
    path: PathBuf,
    state: Arc<ShardState>,
    images: Images,
    marks: Arc<Marks>,
    shared: Shared,
}

impl Opening {
    /// Checks what the group left behind and starts it.
    pub(crate) async fn start(self) -> Result<Arc<Group>, OpenError> {
        let Self {
            group,
            disk,
            path,
            state,
            images,
            marks,
            shared,
        } = self;
        let progress = marks.track(group);
        let lease = Arc::new(Lease::new(shared.clock));
        let open = {
            let (progress, pressure) = (Arc::clone(&progress), Arc::clone(&shared.pressure));
            let (node, lease) = (shared.node.get(), Arc::clone(&lease));
            move || LogStore::open(group, disk, pressure, progress, node, lease)
        };
        let log = match images {
            Images::Disk(_) => tokio::task::spawn_blocking(open)
                .await
                .map_err(std::io::Error::other)
                .flatten(),
            Images::Memory(_) => open(),
        };
        let log = log.map_err(|error| OpenError::of(&path, error, OpenError::Log))?;
        let end = log.last().map_or(0, |last| last.index + 1);
        marks.check(group, end)?;

        let failed = |source| OpenError::Group { group, source };
        let ownership = Arc::new(Ownership::new());
        let snapshot = Arc::<SnapshotInfo>::default();
        let current = images.current(group).map_err(failed)?;
        if let Some(image) = &current {
            let head = image.head().map_err(std::io::Error::from);
            head.and_then(|head| Ok(codec::read_head(head)?))
                .map_err(|error| OpenError::of(&image.path(), error, failed))?;
        }
        let parts = MachineParts {
            group,
            state: Arc::clone(&state),
            images,
            marks,
            progress,
            ownership: Arc::clone(&ownership),
            snapshot: Arc::clone(&snapshot),
            turn: shared.turn,
            running: shared.running,
        };
        let mut machine = Machine::open(parts.clone()).map_err(failed)?;
        // The state and the snapshot remember entries too. A snapshot alone may be ahead of the log: one that was received
        // and not yet followed by a purge. But not of a log that never voted.
        let is_ahead = |applied: Option<LogId>, imaged: Option<LogId>| {
            applied.filter(|applied| applied.index >= end && imaged.is_none_or(|imaged| imaged < *applied))
        };
        let imaged = snapshot.applied();
        // A majority without this node suffices to commit an entry, which is then applied here although it is not durable
        // here. After a crash the log may lack it, and gets it from the others again.
        if is_ahead(machine.applied(), imaged).is_some() && machine.has_several_voters() {
            tracing::info!(group, "the state is ahead of the log, it is rebuilt");
            state.clear().map_err(failed)?;
            machine = Machine::open(parts).map_err(failed)?;
        }
        let applied = machine.applied();
        if let Some(applied) = is_ahead(applied, imaged) {
            return Err(MarkError::Short {
                group,
                expected: applied.index,
            }
            .into());
        }
        if let Some(imaged) = imaged.filter(|_| log.is_new()) {
            return Err(MarkError::Short {
                group,
                expected: imaged.index,
            }
            .into());
        }
        // openraft would take an empty state for the state at the purge point.
        if let Some(purged) = log.purged()
            && applied.max(imaged).is_none_or(|reached| reached.index < purged.index)
        {
            return Err(OpenError::Gap {
                group,
                first: purged.index + 1,
            });
        }
        // It is about to become the state. A damaged one is named here; what openraft makes of it says less.
        if let Some(image) = current.filter(|_| imaged > applied) {
            let path = image.path();
            let verified = match image {
                Image::File(_) => tokio::task::spawn_blocking(move || image.verify())
                    .await
                    .map_err(std::io::Error::other)
                    .map_err(failed)?,
                Image::Memory(_) => image.verify(),
            };
            verified.map_err(|error| OpenError::of(&path, error.into(), failed))?;
        }
        Group::start(GroupParts {
            group,
            node: shared.node,
            peers: shared.peers,
            found: shared.found,
            retention: shared.retention,
            log,
            state,
            ownership,
            lease,
            snapshot,
            machine,
            stop: shared.stop,
            actors: shared.actors,
            on_fatal: shared.on_fatal,
        })
        .await
        .map_err(failed)
    }
}
