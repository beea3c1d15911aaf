//! How a node is opened.

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc};

use parking_lot::Mutex;
use rand::{SeedableRng, rngs::StdRng};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::{Cluster, Inner, Settings};
use crate::{
    ActorError, Bounds, Clock, SystemClock, VirtualActor,
    host::Host,
    id::ClassUid,
    interface::{Class, Registered},
    metrics::Metrics,
    router::{Classes, Node},
    shard::Shard,
};

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
        }
    }
}

/// Where a node keeps its log and its state.
#[derive(Debug, Clone)]
pub struct Stores(Option<PathBuf>);

impl Stores {
    /// Below a directory, which is created.
    pub fn disk(path: impl Into<PathBuf>) -> Self {
        Self(Some(path.into()))
    }

    /// In memory: for tests.
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
    /// The number of shards is not a power of two from 1 to 256.
    #[error("{0} shards: a cluster has a power of two from 1 to 256")]
    Shards(usize),
    /// A class could not be registered in the meta group.
    #[error("failed to register class {class}")]
    Class {
        /// Name of the class.
        class: &'static str,
        /// What the meta group answered.
        #[source]
        source: ActorError,
    },
    /// The stored identity of a class is broken.
    #[error("the stored identity of class {0} is broken")]
    ClassUid(&'static str),
}

/// The groups of a node: what makes its writes durable.
pub(crate) enum Groups {
    /// Simulated, for tests of the hosts alone.
    #[cfg(feature = "testing")]
    Simulated(crate::testing::SimulatedGroups),
}

impl Groups {
    fn meta(&self) -> Arc<dyn Shard> {
        match self {
            #[cfg(feature = "testing")]
            Self::Simulated(groups) => groups.meta(),
        }
    }

    fn shards(&self) -> Vec<Arc<dyn Shard>> {
        match self {
            #[cfg(feature = "testing")]
            Self::Simulated(groups) => groups.shards(),
        }
    }

    #[expect(clippy::unused_async, reason = "for the engine")]
    pub(super) async fn shutdown(&self) {
        match self {
            #[cfg(feature = "testing")]
            Self::Simulated(groups) => groups.stop(),
        }
    }

    #[cfg(feature = "testing")]
    #[expect(clippy::unused_async, reason = "for the engine")]
    pub(super) async fn crash(&self) {
        match self {
            Self::Simulated(groups) => groups.stop(),
        }
    }
}

/// Builder of a [`Cluster`]: classes are registered here, each with its environment.
pub struct ClusterBuilder {
    config: ClusterConfig,
    classes: Vec<Arc<dyn Class>>,
}

impl ClusterBuilder {
    pub(super) fn new(config: ClusterConfig) -> Self {
        Self {
            config,
            classes: Vec::new(),
        }
    }

    /// Registers a class with what its actors are given.
    #[must_use]
    pub fn actor<A: VirtualActor>(mut self, env: A::Env) -> Self {
        self.classes.push(Arc::new(Registered::<A>::new(env)));
        self
    }

    pub(crate) fn classes(mut self, classes: &[Arc<dyn Class>]) -> Self {
        self.classes.extend_from_slice(classes);
        self
    }

    /// Starts the node on its groups.
    pub(crate) async fn start(self, groups: Groups) -> Result<Cluster, OpenError> {
        let Self { config, classes } = self;
        let meta = groups.meta();
        let settings = Settings::new(Arc::clone(&meta), config.bounds.ask);
        let mut by_name = BTreeMap::new();
        for class in classes {
            if let Some(earlier) = by_name.insert(class.name(), class) {
                return Err(OpenError::DuplicateClass(earlier.name()));
            }
        }
        let metrics = Metrics::new(by_name.keys().copied());
        let mut registered = Classes::default();
        for (name, class) in by_name {
            registered.insert(register(&settings, name).await?, class);
        }

        let shards = groups.shards();
        if !shards.len().is_power_of_two() || shards.len() > 256 {
            return Err(OpenError::Shards(shards.len()));
        }
        let bounds = Arc::new(config.bounds);
        let room = bounds.activations.div_ceil(shards.len());
        let random = config.seed.map_or_else(StdRng::from_os_rng, StdRng::seed_from_u64);
        let node = Arc::new_cyclic(|node| Node {
            bounds: Arc::clone(&bounds),
            clock: config.clock,
            random: Mutex::new(random),
            classes: registered,
            metrics,
            hosts: shards
                .into_iter()
                .map(|shard| Host::new(node.clone(), shard, config.actors.clone(), Arc::clone(&bounds), room))
                .collect(),
        });
        let closing = CancellationToken::new();
        let run = |host: &Arc<Host>| config.actors.spawn(Arc::clone(host).run(closing.clone()));
        let hosts = node.hosts.iter().map(run).collect();
        Ok(Cluster(Arc::new(Inner {
            node,
            meta,
            groups,
            closing,
            hosts: Mutex::new(hosts),
        })))
    }
}

/// The lasting identity of a class: taken from its first name, and kept when it is renamed.
async fn register(settings: &Settings, class: &'static str) -> Result<ClassUid, OpenError> {
    let first = ClassUid::of_first_name(class).0.to_vec();
    let uid = settings
        .put_if_absent(&format!("class/{class}"), first)
        .await
        .map_err(|source| OpenError::Class { class, source })?;
    uid.try_into().map(ClassUid).map_err(|_| OpenError::ClassUid(class))
}

impl fmt::Debug for ClusterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classes: Vec<_> = self.classes.iter().map(|class| class.name()).collect();
        f.debug_struct("ClusterBuilder")
            .field("classes", &classes)
            .finish_non_exhaustive()
    }
}
