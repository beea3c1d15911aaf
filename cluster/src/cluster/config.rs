//! What a node is given from outside.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use tokio::runtime::Handle;

use super::{NetworkConfig, OpenError};
use crate::{Bounds, Clock, Gatekeeper, SystemClock, consensus};

/// Memory that the state may use as a cache.
const CACHE_BYTES: u64 = 128 << 20;

/// Exit code of a node that cannot go on: an internal software error, by the custom of `sysexits.h`.
const EXIT: i32 = 70;

/// How long a node that starts waits for owners of all shards.
const START_WITHIN: Duration = Duration::from_secs(60);

/// What a node is given from outside.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// Runtime of the activations and of the work they pipe to themselves.
    pub actors: Handle,
    /// Runtime of the raft groups.
    pub raft: Handle,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Bounds on what may wait, grow or be written.
    pub bounds: Bounds,
    /// Shards of a new cluster: a power of two from 1 to 256, fixed when the cluster is created.
    pub shards: u16,
    /// Seed of the node's random numbers; drawn from the system when empty.
    pub seed: Option<u64>,
    /// How long the node waits, when it opens, until every shard has an owner somewhere.
    pub start_within: Duration,
    /// The node's place among others; without one it is a cluster of its own.
    pub network: Option<NetworkConfig>,
    /// Who may call which actor; without one everybody may call every actor.
    pub gatekeeper: Option<Arc<dyn Gatekeeper>>,
    /// What ends the process when the node cannot go on.
    pub on_fatal: OnFatal,
}

impl ClusterConfig {
    /// Defaults on the given runtimes: the clock of the system, default bounds, 16 shards.
    pub fn new(actors: Handle, raft: Handle) -> Self {
        Self {
            actors,
            raft,
            clock: Arc::new(SystemClock),
            bounds: Bounds::default(),
            shards: 16,
            seed: None,
            start_within: START_WITHIN,
            network: None,
            gatekeeper: None,
            on_fatal: OnFatal::default(),
        }
    }
}

/// Called, from any thread, when the node cannot go on: a disk that does not sync, a group that stopped. It must end
/// the process; the default exits with code 70.
#[derive(Clone)]
pub struct OnFatal(Arc<dyn Fn(&str) + Send + Sync>);

impl OnFatal {
    /// Wraps what is to be called with the reason.
    pub fn new(call: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(call))
    }

    pub(super) fn call(&self, reason: &str) {
        (self.0)(reason);
    }
}

impl Default for OnFatal {
    fn default() -> Self {
        Self::new(|reason| {
            tracing::error!(reason, "the node cannot go on");
            std::process::exit(EXIT);
        })
    }
}

impl fmt::Debug for OnFatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnFatal").finish_non_exhaustive()
    }
}

/// Where a node keeps its log and its state.
#[derive(Debug, Clone)]
pub struct Stores(pub(crate) consensus::Stores);

impl Stores {
    /// Below a directory, which is created.
    pub fn disk(path: impl Into<PathBuf>) -> Self {
        Self(consensus::Stores::Disk {
            path: path.into(),
            cache_bytes: CACHE_BYTES,
        })
    }

    /// Below a directory, with another bound than 128 MiB on the memory used as a cache of the state.
    pub fn disk_with_cache(path: impl Into<PathBuf>, cache_bytes: u64) -> Self {
        Self(consensus::Stores::Disk {
            path: path.into(),
            cache_bytes,
        })
    }

    /// Refuses a data directory whose format this program does not know, before anything in it is opened or created.
    ///
    /// # Errors
    /// [`OpenError::Newer`], or that its format cannot be read.
    pub fn check(&self) -> Result<(), OpenError> {
        match &self.0 {
            consensus::Stores::Disk { path, .. } => {
                consensus::format(path)?;
                Ok(())
            }
            consensus::Stores::Memory(_) => Ok(()),
        }
    }

    /// In memory: nothing outlives the cluster.
    pub fn memory() -> Self {
        Self(consensus::Stores::Memory(consensus::MemoryDisk::new(0)))
    }
}
