//! A node of a cluster, as the host program holds it.

use std::{path::PathBuf, sync::Arc};

use tokio::runtime::Handle;

use crate::{ActorId, ActorRef, Bounds, Clock, Result, SystemClock, TenantId, VirtualActor};

/// Settings of a node.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// Runtime of the activations and their piped work.
    pub actors: Handle,
    /// Runtime of the raft groups.
    pub raft: Handle,
    /// Wall clock.
    pub clock: Arc<dyn Clock>,
    /// Bounds.
    pub bounds: Bounds,
    /// Shards of a new cluster: a power of two, fixed when it is created.
    pub shards: u16,
    /// Seed of the node's random numbers; drawn from the system when empty.
    pub seed: Option<u64>,
}

impl ClusterConfig {
    /// Defaults on the given runtimes.
    pub fn new(actors: Handle, raft: Handle) -> Self {
        Self { actors, raft, clock: Arc::new(SystemClock), bounds: Bounds::default(), shards: 16, seed: None }
    }
}

/// Where a node keeps its log and its state.
#[derive(Debug)]
pub struct Stores(Option<PathBuf>);

impl Stores {
    /// Below a directory, which is created.
    pub fn disk(path: impl Into<PathBuf>) -> Self {
        Self(Some(path.into()))
    }
    /// In memory, for tests.
    pub fn memory() -> Self {
        Self(None)
    }
}

/// Why a node did not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Two classes of the same name were registered.
    #[error("class {0} is registered twice")]
    DuplicateClass(&'static str),
}

/// Builder of a [`Cluster`].
pub struct ClusterBuilder(ClusterConfig);

#[expect(clippy::unused_async, unused_variables, reason = "skeleton")]
impl ClusterBuilder {
    /// Registers a class.
    #[must_use]
    pub fn actor<A: VirtualActor>(self, env: A::Env) -> Self {
        unimplemented!()
    }
    /// Opens the node.
    pub async fn open(self, stores: Stores) -> Result<Cluster, OpenError> {
        unimplemented!()
    }
}

/// A node of a cluster.
#[derive(Clone)]
pub struct Cluster(Arc<()>);

/// A page of the directory.
#[derive(Debug, Clone, Default)]
pub struct DirectoryQuery {
    /// Only names that begin so.
    pub prefix: String,
    /// Name before the first of the page.
    pub after: Option<String>,
    /// Most names returned; 0 stands for the bound of a page.
    pub limit: usize,
}

/// What an operator sees of a node.
#[derive(Debug, Clone, serde::Serialize)]
pub struct ClusterStatus {
    /// Number of shards.
    pub shards: u16,
    /// Shards this node owns.
    pub owned: u16,
    /// Live activations.
    pub activations: usize,
}

#[expect(clippy::unused_async, unused_variables, reason = "skeleton")]
impl Cluster {
    /// Begins a node.
    pub fn builder(config: ClusterConfig) -> ClusterBuilder {
        ClusterBuilder(config)
    }
    /// Reference to an actor.
    pub fn get<A: VirtualActor>(&self, id: ActorId) -> ActorRef<A> {
        unimplemented!()
    }
    /// Lists actors.
    pub async fn list<A: VirtualActor>(&self, tenant: &TenantId, query: DirectoryQuery) -> Result<Vec<String>> {
        unimplemented!()
    }
    /// Cluster-wide settings.
    pub fn settings(&self) -> Settings {
        unimplemented!()
    }
    /// Refuses new messages and waits for running turns.
    pub async fn drain(&self) {
        unimplemented!()
    }
    /// Drains and closes.
    pub async fn shutdown(&self) {
        unimplemented!()
    }
    /// Whether every shard answers.
    pub fn ready(&self) -> bool {
        unimplemented!()
    }
    /// Status.
    pub fn status(&self) -> ClusterStatus {
        unimplemented!()
    }
}

/// Cluster-wide settings.
pub struct Settings(Cluster);

#[expect(clippy::unused_async, unused_variables, reason = "skeleton")]
impl Settings {
    /// Reads a setting.
    pub async fn get(&self, name: &str) -> Result<Option<Vec<u8>>> {
        unimplemented!()
    }
    /// Writes a setting unless it exists; returns the one that holds.
    pub async fn put_if_absent(&self, name: &str, value: Vec<u8>) -> Result<Vec<u8>> {
        unimplemented!()
    }
}
