//! A cluster for tests: one node on a paused clock, whose every random choice follows from a seed.
//!
//! It runs on the runtime of the test, which must be a current-thread one with paused time
//! (`#[tokio::test(start_paused = true)]`): then time passes only when nothing else can happen.

mod audit;
mod clock;
#[allow(dead_code, reason = "clusters of several nodes are built on it next")]
mod network;
mod nodes;
mod probe;
mod simulation;

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use parking_lot::Mutex;
use serde::{Serialize, de::DeserializeOwned};
use tokio::runtime::Handle;

#[cfg(test)]
pub(crate) use self::network::Network;
use self::simulation::SimulatedDisk;
pub use self::{
    audit::Leftovers,
    network::Weather,
    nodes::{TestNodes, TestNodesBuilder},
    probe::{Probe, epoch_of, probe_of},
    simulation::Faults,
};
pub(crate) use self::{clock::TestClock, simulation::SimulatedGroups};
use crate::{
    ActorError, Bounds, Cluster, ClusterConfig, Gatekeeper, Migrations, OnFatal, OpenError, Stores, VirtualActor,
    cluster::Groups,
    consensus::{self, MemoryDisk},
    interface::{Class, Registered},
    peers::NodeId,
    storage, wire,
};

/// Why a cluster for tests does not fail to open.
const OPENS: &str = "a cluster in memory opens, or the test is wrong";

/// Why a node could not go on.
type Fatal = Arc<Mutex<Vec<String>>>;

/// The bytes under which a value is stored, for golden files.
///
/// # Errors
/// `storage.encode` if serde refuses.
pub fn stored_bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, ActorError> {
    let bytes = wire::encode(value);
    bytes
        .map(Vec::from)
        .map_err(|error| ActorError::internal("storage.encode", error.to_string()))
}

/// The value that was stored as these bytes.
///
/// # Errors
/// `storage.decode` if they are not those of a `T`.
pub fn stored_value<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ActorError> {
    wire::decode(bytes).map_err(|error| storage::undecodable("a golden file", &error))
}

/// What a test cluster keeps over a crash.
enum Disk {
    Engine(MemoryDisk),
    Simulated(Arc<SimulatedDisk>),
}

/// Builder of a [`TestCluster`].
pub struct TestClusterBuilder {
    seed: u64,
    bounds: Bounds,
    shards: u16,
    gatekeeper: Option<Arc<dyn Gatekeeper>>,
    faults: Option<Faults>,
    syncs: Option<RangeInclusive<Duration>>,
    classes: Vec<Arc<dyn Class>>,
    migrations: Vec<Migrations>,
}

impl TestClusterBuilder {
    /// Lists the class migrations of one application; see [`ClusterBuilder::migrations`](crate::ClusterBuilder::migrations).
    #[must_use]
    pub fn migrations(mut self, migrations: Migrations) -> Self {
        self.migrations.push(migrations);
        self
    }

    /// Registers a class with what its actors are given, also after a restart.
    #[must_use]
    pub fn actor<A: VirtualActor>(mut self, env: A::Env) -> Self {
        self.classes.push(Arc::new(Registered::<A>::new(env)));
        self
    }

    /// Changes the bounds.
    #[must_use]
    pub fn bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// Changes the number of shards (4).
    #[must_use]
    pub fn shards(mut self, shards: u16) -> Self {
        self.shards = shards;
        self
    }

    /// Lets a gatekeeper say who may call which actor.
    #[must_use]
    pub fn gatekeeper(mut self, gatekeeper: Arc<dyn Gatekeeper>) -> Self {
        self.gatekeeper = Some(gatekeeper);
        self
    }

    /// Changes how long the disk of the engine takes to sync (100 us to 2 ms).
    #[must_use]
    pub fn syncs(mut self, syncs: RangeInclusive<Duration>) -> Self {
        self.syncs = Some(syncs);
        self
    }

    /// Replaces the engine by a simulation with slow, lost and doubtful commits.
    #[must_use]
    pub fn simulated(mut self, faults: Faults) -> Self {
        self.faults = Some(faults);
        self
    }

    /// Starts the cluster.
    ///
    /// # Panics
    /// If it does not open.
    pub async fn start(self) -> TestCluster {
        let disk = match &self.faults {
            Some(faults) => Disk::Simulated(SimulatedDisk::new(self.seed, self.shards, faults.clone())),
            None => {
                let disk = MemoryDisk::new(self.seed);
                if let Some(syncs) = self.syncs.clone() {
                    disk.set_sync(syncs);
                }
                Disk::Engine(disk)
            }
        };
        let fatal = Fatal::default();
        let clock = Arc::new(TestClock::default());
        let cluster = open(&self, &disk, &clock, &fatal, 0).await.expect(OPENS);
        TestCluster {
            settings: self,
            disk,
            clock,
            fatal,
            cluster,
            restarts: 0,
        }
    }
}

async fn open(
    settings: &TestClusterBuilder,
    disk: &Disk,
    clock: &Arc<TestClock>,
    fatal: &Fatal,
    restart: u64,
) -> Result<Cluster, OpenError> {
    let config = ClusterConfig {
        actors: Handle::current(),
        raft: Handle::current(),
        clock: Arc::<TestClock>::clone(clock),
        bounds: settings.bounds.clone(),
        shards: settings.shards,
        seed: Some(settings.seed.wrapping_add(restart)),
        network: None,
        gatekeeper: settings.gatekeeper.clone(),
        start_within: Duration::from_secs(60),
        on_fatal: OnFatal::new({
            let fatal = Arc::clone(fatal);
            move |reason| fatal.lock().push(reason.to_owned())
        }),
    };
    let mut builder = Cluster::builder(config).classes(&settings.classes);
    for migrations in &settings.migrations {
        builder = builder.migrations(migrations.clone());
    }
    match disk {
        Disk::Engine(disk) => builder.open(Stores(consensus::Stores::Memory(disk.clone()))).await,
        Disk::Simulated(disk) => {
            builder
                .start(Groups::Simulated(SimulatedGroups::open(
                    disk,
                    NodeId::FIRST,
                    &Handle::current(),
                    clock,
                )))
                .await
        }
    }
}

/// A cluster for tests.
pub struct TestCluster {
    settings: TestClusterBuilder,
    disk: Disk,
    clock: Arc<TestClock>,
    fatal: Fatal,
    cluster: Cluster,
    restarts: u64,
}

impl TestCluster {
    /// Begins a cluster whose every random choice follows from `seed`.
    pub fn builder(seed: u64) -> TestClusterBuilder {
        TestClusterBuilder {
            seed,
            bounds: Bounds::default(),
            shards: 4,
            gatekeeper: None,
            faults: None,
            syncs: None,
            classes: Vec::new(),
            migrations: Vec::new(),
        }
    }

    /// The node as it is since the last restart. References of an earlier one are dead.
    pub fn cluster(&self) -> Cluster {
        self.cluster.clone()
    }

    /// Lets time pass; everything that falls due meanwhile happens in order.
    pub async fn advance(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Ends the node as a killed process would and opens it again: what was durable is kept, the rest is gone.
    ///
    /// # Panics
    /// If it does not open again.
    pub async fn crash_and_restart(&mut self) {
        self.reopen(Duration::ZERO).await.expect(OPENS);
    }

    /// As [`crash_and_restart`](Self::crash_and_restart), with some time between the end and the beginning.
    ///
    /// # Panics
    /// If it does not open again.
    pub async fn crash_and_restart_after(&mut self, pause: Duration) {
        self.reopen(pause).await.expect(OPENS);
    }

    /// Crashes and opens again as another program: with the classes and migrations of `program`, the rest as before.
    ///
    /// # Errors
    /// If the program does not fit what is stored. Then there is no node until the next restart.
    pub async fn crash_and_restart_as(&mut self, program: TestClusterBuilder) -> Result<(), OpenError> {
        self.settings.classes = program.classes;
        self.settings.migrations = program.migrations;
        self.reopen(Duration::ZERO).await
    }

    async fn reopen(&mut self, pause: Duration) -> Result<(), OpenError> {
        self.cluster.crash().await;
        tokio::time::sleep(pause).await;
        self.restarts += 1;
        self.cluster = open(&self.settings, &self.disk, &self.clock, &self.fatal, self.restarts).await?;
        Ok(())
    }

    /// Ends every activation after the messages it has.
    pub async fn passivate_all(&self) {
        self.cluster.passivate_all().await;
    }

    /// A look behind the actors of the node as it is since the last restart.
    pub fn probe(&self) -> Probe {
        Probe::new(&self.cluster)
    }

    /// Takes the ownership of a shard away; the node soon has it again, under a new epoch.
    pub fn depose(&self, shard: u16) {
        if let Some(host) = self.cluster.node().hosts.get(usize::from(shard))
            && let Some(epoch) = host.epoch()
        {
            host.shard.relinquish(epoch);
        }
    }

    /// Changes how the simulation misbehaves.
    pub fn set_faults(&self, faults: Faults) {
        if let Disk::Simulated(disk) = &self.disk {
            disk.set_faults(faults);
        }
    }

    /// Makes every sync of the engine's disk fail until the next crash.
    pub fn fail_syncs(&self) {
        if let Disk::Engine(disk) = &self.disk {
            disk.fail_syncs();
        }
    }

    /// Loses the materialised state of the engine, which it rebuilds at the next start.
    pub fn lose_state(&self) {
        if let Disk::Engine(disk) = &self.disk {
            disk.lose_state();
        }
    }

    /// Lets the engine take a snapshot of every shard, and purge its log behind it.
    pub async fn take_snapshots(&self) {
        self.cluster.take_snapshots().await;
    }

    /// Why the node could not go on, each time it could not.
    pub fn fatal(&self) -> Vec<String> {
        self.fatal.lock().clone()
    }

    /// Durable sends that were given up.
    pub fn dead_letters(&self) -> usize {
        self.cluster.dead_letter_count()
    }

    /// Rows of all shards, those of the runtime included.
    pub fn rows(&self) -> usize {
        self.cluster.rows()
    }

    /// Batches that are durable: how far the logs of all groups have grown.
    pub fn commits(&self) -> u64 {
        self.cluster.commits()
    }
}

impl std::fmt::Debug for TestClusterBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestClusterBuilder")
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for TestCluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestCluster")
            .field("seed", &self.settings.seed)
            .finish_non_exhaustive()
    }
}
