//! All groups of a node, and the stores under them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::copies::Copies;
use super::group::{Group, GroupStatus};
use super::log::{MarkError, MemoryDisk};
use super::node::{Node, Shared};
use super::reception::Reception;
use super::retention::RetentionLimits;
use super::service::GroupService;
use super::snapshotter::{self, LogLimits};
use crate::Clock;
use crate::peers::{NodeId, Peers, Service};
use crate::shard::Shard;
use crate::store::{OnFatal, StateLimits};

/// Shards are numbered by the top bits of a hash.
const SHARDS_MAX: u16 = 256;

/// What an engine needs to know.
pub(crate) struct EngineConfig {
    /// Number of shards of a directory that is created; one that exists must have been created with the same.
    pub(crate) shards: u16,
    /// Where everything is kept.
    pub(crate) stores: Stores,
    /// Which node of the cluster this is.
    pub(crate) node: NodeId,
    /// The way to the others.
    pub(crate) peers: Arc<dyn Peers>,
    /// Whether this node founds the cluster, if its directory is new: each group then has it as its only voter. Otherwise
    /// a new group has no members and rests until another node adds this one.
    pub(crate) found: bool,
    /// The runtime on which the groups live.
    pub(crate) raft: Handle,
    /// The runtime of those who hear what became of their proposals.
    pub(crate) actors: Handle,
    /// What leases run by.
    pub(crate) clock: Arc<dyn Clock>,
    /// Hears, from any thread and perhaps more than once, that the node must stop.
    pub(crate) on_fatal: OnFatal,
}

/// Where a node keeps what it has.
#[derive(Debug, Clone)]
pub(crate) enum Stores {
    /// In a directory.
    Disk {
        /// The data directory; created if it does not exist.
        path: PathBuf,
        /// How much memory sled may use as a cache.
        cache_bytes: u64,
    },
    /// On a disk in memory, which survives the engine.
    Memory(MemoryDisk),
}

/// Bounds that only tests change.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    pub(crate) state: StateLimits,
    pub(crate) log: LogLimits,
    pub(crate) retention: RetentionLimits,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("data directory {} is in use by another process", path.display())]
    Locked { path: PathBuf },
    #[error("data directory {} has format version {version}, this program knows {known}", path.display())]
    Newer { path: PathBuf, version: u32, known: u32 },
    #[error("failed to read data directory {}: {reason}", path.display())]
    Format { path: PathBuf, reason: &'static str },
    #[error("failed to use data directory {}: {source}", path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("the cluster was created with {stored} shards, which cannot be changed to {configured}")]
    ShardsChanged { stored: u16, configured: u16 },
    #[error("number of shards {0} is not a power of two up to {SHARDS_MAX}")]
    Shards(u16),
    #[error("failed to open the log: {0}")]
    Log(#[source] io::Error),
    #[error("failed to open the state: {0}")]
    State(#[source] io::Error),
    #[error("refused to start, restore a backup or rejoin under a new id: {0}")]
    Marks(#[from] MarkError),
    #[error(
        "refused to start, restore a backup or rejoin under a new id: group {group} has neither state nor snapshot for its log before entry {first}"
    )]
    Gap { group: u32, first: u64 },
    #[error("{} is damaged, restore a backup or rejoin under a new id: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("failed to start group {group}: {source}")]
    Group { group: u32, source: io::Error },
}

impl OpenError {
    /// Names what failed: a file whose contents are wrong is damaged, and only a copy helps.
    pub(crate) fn of(path: &Path, error: io::Error, other: impl FnOnce(io::Error) -> Self) -> Self {
        if error.kind() == io::ErrorKind::InvalidData {
            Self::Damaged {
                path: path.to_owned(),
                reason: error.to_string(),
            }
        } else {
            other(error)
        }
    }
}

/// The engine of a node that runs.
pub(crate) struct Engine {
    meta: Arc<Group>,
    shards: Vec<Arc<Group>>,
    service: Arc<GroupService>,
    #[cfg(any(test, feature = "testing"))]
    disk: Option<MemoryDisk>,
    stop: CancellationToken,
    parts: Mutex<Option<Parts>>,
}

/// What has to be put away in the end.
struct Parts {
    node: Node,
    snapshotter: JoinHandle<()>,
    running: mpsc::Receiver<()>,
    failed: Arc<AtomicBool>,
}

impl Engine {
    /// Opens, or creates, all groups of a node on the runtime for them.
    pub(crate) async fn open(config: EngineConfig) -> Result<Self, OpenError> {
        Self::open_within(config, Limits::default()).await
    }

    /// Opens with other bounds.
    pub(crate) async fn open_within(config: EngineConfig, limits: Limits) -> Result<Self, OpenError> {
        let runtime = config.raft.clone();
        let opened = runtime.spawn(Self::start(config, limits)).await;
        opened.map_err(|error| OpenError::Group {
            group: 0,
            source: io::Error::other(error),
        })?
    }

    async fn start(config: EngineConfig, limits: Limits) -> Result<Self, OpenError> {
        let EngineConfig {
            shards,
            stores,
            node: id,
            peers,
            found,
            raft,
            actors,
            clock,
            on_fatal,
        } = config;
        if !shards.is_power_of_two() || shards > SHARDS_MAX {
            return Err(OpenError::Shards(shards));
        }
        #[cfg(any(test, feature = "testing"))]
        let disk = match &stores {
            Stores::Disk { .. } => None,
            Stores::Memory(disk) => Some(disk.clone()),
        };
        let failed = Arc::<AtomicBool>::default();
        let on_fatal = match &stores {
            Stores::Disk { path, .. } => noting(path.clone(), Arc::clone(&failed), on_fatal),
            Stores::Memory(_) => on_fatal,
        };
        let node = Node::open(stores, shards, &raft, limits.state, &on_fatal).await?;
        let (running, ended) = mpsc::channel(1);
        let shared = Shared {
            node: id,
            peers,
            found,
            retention: limits.retention.share(u64::from(shards) + 1),
            pressure: Arc::default(),
            turn: Arc::new(Semaphore::new(1)),
            running,
            stop: CancellationToken::new(),
            actors,
            clock,
            on_fatal,
        };
        let started = start_groups(&node, shards, &shared).await;
        let Shared {
            pressure,
            stop,
            running,
            on_fatal,
            ..
        } = shared;
        drop(running);
        match started {
            Ok(groups) => {
                let snapshotter = snapshotter::run(groups.clone(), pressure, limits.log, stop.child_token());
                let service = GroupService {
                    node: id,
                    groups: groups.clone(),
                    reception: Reception::new(node.images().clone(), raft, stop.clone(), Arc::clone(&on_fatal)),
                    stop: stop.clone(),
                    on_fatal,
                };
                let mut groups = groups.into_iter();
                let meta = groups.next().expect("group 0 was started, or there would be an error");
                let parts = Parts {
                    node,
                    snapshotter: tokio::spawn(snapshotter),
                    running: ended,
                    failed,
                };
                Ok(Self {
                    meta,
                    shards: groups.collect(),
                    service: Arc::new(service),
                    #[cfg(any(test, feature = "testing"))]
                    disk,
                    stop,
                    parts: Mutex::new(Some(parts)),
                })
            }
            Err((groups, error)) => {
                node.close(&groups, None, &stop, ended, &AtomicBool::new(true)).await;
                Err(error)
            }
        }
    }

    /// The shards, in order of their numbers.
    pub(crate) fn shards(&self) -> Vec<Arc<dyn Shard>> {
        self.shards
            .iter()
            .map(|group| Arc::clone(group) as Arc<dyn Shard>)
            .collect()
    }

    /// The group that holds what concerns the whole cluster.
    pub(crate) fn meta(&self) -> Arc<dyn Shard> {
        Arc::clone(&self.meta) as Arc<dyn Shard>
    }

    /// A group by its number: 0 is the meta group, shard n is n + 1.
    pub(crate) fn group(&self, number: u32) -> Option<&Arc<Group>> {
        match number.checked_sub(1) {
            None => Some(&self.meta),
            Some(shard) => self.shards.get(usize::try_from(shard).ok()?),
        }
    }

    /// What answers the groups of the other nodes, on the lanes for heartbeats, log and snapshots.
    pub(crate) fn service(&self) -> Arc<dyn Service> {
        Arc::<GroupService>::clone(&self.service)
    }

    #[cfg(test)]
    /// Waits until this node owns every group.
    pub(crate) async fn ready(&self) {
        join_all(self.groups().map(|group| group.owned())).await;
    }

    /// How each group is doing, the meta group first.
    pub(crate) fn status(&self) -> Vec<GroupStatus> {
        self.groups().map(|group| group.status()).collect()
    }

    /// Takes a snapshot of every group: the log is purged behind it, and the files are a backup.
    pub(crate) async fn take_snapshots(&self) {
        join_all(self.groups().map(|group| group.take_snapshot())).await;
    }

    /// The groups, for those who copy them.
    pub(crate) fn copies(&self) -> Arc<Copies> {
        Arc::new(Copies::new(self.groups().cloned().collect()))
    }

    /// Stops in order: nothing that was taken is left unanswered, and the state need not be rebuilt. Activations must
    /// have been put away before. A second call does nothing.
    pub(crate) async fn shutdown(&self) {
        let parts = self.parts.lock().take();
        if let Some(parts) = parts {
            let Parts {
                node,
                snapshotter,
                running,
                failed,
            } = parts;
            let groups = self.groups().cloned().collect::<Vec<_>>();
            node.close(&groups, Some(snapshotter), &self.stop, running, &failed)
                .await;
        }
    }

    #[cfg(any(test, feature = "testing"))]
    /// Ends as a killed process does; only on a disk in memory, whose doubts about unsynced data it settles.
    pub(crate) async fn crash(&self) {
        // Nobody shall hear that the disk stopped answering.
        self.stop.cancel();
        if let Some(disk) = &self.disk {
            disk.crash();
        }
        self.shutdown().await;
    }

    fn groups(&self) -> impl Iterator<Item = &Arc<Group>> {
        std::iter::once(&self.meta).chain(&self.shards)
    }

    /// Whether a snapshot is being received.
    #[cfg(test)]
    pub(crate) async fn is_receiving(&self) -> bool {
        self.service.reception.is_receiving().await
    }

    #[cfg(test)]
    pub(crate) fn meta_group(&self) -> &Arc<Group> {
        &self.meta
    }

    #[cfg(test)]
    pub(crate) fn shard_groups(&self) -> &[Arc<Group>] {
        &self.shards
    }
}

/// Remembers that there was a fault, and adds to its reason which directory it is about: a machine may have several.
fn noting(path: PathBuf, failed: Arc<AtomicBool>, on_fatal: OnFatal) -> OnFatal {
    Arc::new(move |reason| {
        failed.store(true, Ordering::Relaxed);
        on_fatal(format!("{reason} (data directory {})", path.display()));
    })
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("shards", &self.shards.len())
            .finish_non_exhaustive()
    }
}

type Groups = Vec<Arc<Group>>;

/// Starts all groups at once: each spends its time reading its own log. If one fails, the others are given back too.
async fn start_groups(node: &Node, shards: u16, shared: &Shared) -> Result<Groups, (Groups, OpenError)> {
    let openings = (0..=u32::from(shards))
        .map(|group| node.opening(group, shared))
        .collect::<Result<Vec<_>, _>>();
    let openings = openings.map_err(|error| (Vec::new(), error))?;
    let starting = openings
        .into_iter()
        .map(|opening| tokio::spawn(opening.start()))
        .collect::<Vec<_>>();
    let (mut groups, mut failed) = (Vec::new(), None);
    for (group, started) in (0..).zip(join_all(starting).await) {
        match started
            .map_err(|error| OpenError::Group {
                group,
                source: io::Error::other(error),
            })
            .flatten()
        {
            Ok(started) => groups.push(started),
            Err(error) => {
                failed.get_or_insert(error);
            }
        }
    }
    match failed {
        None => Ok(groups),
        Some(error) => Err((groups, error)),
    }
}
