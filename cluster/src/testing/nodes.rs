//! A cluster of several nodes for tests: on one simulated network and one paused clock.

mod engines;

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::{
    Fatal, Faults, OPENS, Probe, SimulatedGroups, Weather, clock::TestClock, network::Network,
    simulation::SimulatedDisk,
};
use crate::{
    Bounds, Cluster, ClusterConfig, Gatekeeper, Migrations, NodeId, OnFatal, OpenError, Stores, VirtualActor,
    cluster::Groups,
    consensus::{self, MemoryDisk},
    interface::{Class, Registered},
    members::FORMAT,
    peers::Neighbours,
    remote::META,
};

/// How long the groups of a node that ended are without an owner.
const FAILOVER: Duration = Duration::from_millis(1500);

/// What the nodes keep over a crash.
enum Disks {
    /// Rows that they share.
    Simulated(Arc<SimulatedDisk>),
    /// A disk of its own for each.
    Engines(Vec<MemoryDisk>),
}

/// Builder of [`TestNodes`].
pub struct TestNodesBuilder {
    seed: u64,
    nodes: usize,
    shards: u16,
    bounds: Bounds,
    gatekeepers: BTreeMap<usize, Arc<dyn Gatekeeper>>,
    faults: Faults,
    weather: Weather,
    replicas: bool,
    engines: bool,
    syncs: Option<RangeInclusive<Duration>>,
    classes: Vec<Arc<dyn Class>>,
    migrations: Vec<Migrations>,
}

impl TestNodesBuilder {
    /// Gives each node an engine, with every node a voter of every group, instead of groups that are simulated.
    #[must_use]
    pub fn engines(mut self) -> Self {
        self.engines = true;
        self
    }

    /// Changes how long the disks of the engines take to sync (100 us to 2 ms).
    #[must_use]
    pub fn syncs(mut self, syncs: RangeInclusive<Duration>) -> Self {
        self.syncs = Some(syncs);
        self
    }

    /// Changes the number of nodes (3).
    #[must_use]
    pub fn nodes(mut self, nodes: usize) -> Self {
        self.nodes = nodes;
        self
    }

    /// Changes the number of shards (8).
    #[must_use]
    pub fn shards(mut self, shards: u16) -> Self {
        self.shards = shards;
        self
    }

    /// Changes the bounds.
    #[must_use]
    pub fn bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// Changes how the network misbehaves.
    #[must_use]
    pub fn weather(mut self, weather: Weather) -> Self {
        self.weather = weather;
        self
    }

    /// Changes how the groups misbehave.
    #[must_use]
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Lets no node know by itself who owns what, as if none had a replica of what another owns.
    #[must_use]
    pub fn without_replicas(mut self) -> Self {
        self.replicas = false;
        self
    }

    /// Lists the class migrations of one application; see [`ClusterBuilder::migrations`](crate::ClusterBuilder::migrations).
    #[must_use]
    pub fn migrations(mut self, migrations: Migrations) -> Self {
        self.migrations.push(migrations);
        self
    }

    /// Lets a gatekeeper of a node say who may call which actor; the others have none.
    #[must_use]
    pub fn gatekeeper(mut self, node: usize, gatekeeper: Arc<dyn Gatekeeper>) -> Self {
        self.gatekeepers.insert(node, gatekeeper);
        self
    }

    /// Registers a class on every node, with what its actors are given.
    #[must_use]
    pub fn actor<A: VirtualActor>(mut self, env: A::Env) -> Self {
        self.classes.push(Arc::new(Registered::<A>::new(env)));
        self
    }

    /// Starts all nodes at once.
    ///
    /// # Panics
    /// If one does not open.
    pub async fn start(self) -> TestNodes {
        let ids: Vec<_> = (0..self.nodes).map(id).collect();
        let disks = if self.engines {
            let disk = |id: &NodeId| {
                let disk = MemoryDisk::new(self.seed ^ (id.get() << 32));
                if let Some(syncs) = self.syncs.clone() {
                    disk.set_sync(syncs);
                }
                disk
            };
            Disks::Engines(ids.iter().map(disk).collect())
        } else {
            let faults = self.faults.clone();
            Disks::Simulated(SimulatedDisk::shared(
                self.seed,
                self.shards,
                faults,
                &ids,
                self.replicas,
            ))
        };
        let network = Network::new(self.seed);
        network.set_weather(self.weather.clone());
        let nodes = TestNodes {
            network,
            disks,
            clocks: ids.iter().map(|_| Arc::default()).collect(),
            fatal: Fatal::default(),
            nodes: Mutex::new(ids.iter().map(|_| None).collect()),
            restarts: AtomicU64::new(0),
            settings: self,
        };
        let opened = join_all(ids.iter().map(|id| nodes.open(*id))).await;
        *nodes.nodes.lock() = opened.into_iter().map(|opened| Some(opened.expect(OPENS))).collect();
        if nodes.settings.engines {
            nodes.grow().await;
        }
        nodes
    }
}

fn id(node: usize) -> NodeId {
    NodeId::new(node as u64 + 1)
}

pub(super) fn place(node: NodeId) -> usize {
    usize::try_from(node.get() - 1).unwrap_or(usize::MAX)
}

/// The number of a group, as the engine counts them.
fn group(shard: u16) -> u32 {
    u32::from(shard.wrapping_add(1))
}

/// A cluster of several nodes for tests. Nodes are counted from 0.
pub struct TestNodes {
    settings: TestNodesBuilder,
    network: Network,
    disks: Disks,
    clocks: Vec<Arc<TestClock>>,
    fatal: Fatal,
    nodes: Mutex<Vec<Option<Cluster>>>,
    restarts: AtomicU64,
}

impl TestNodes {
    /// Begins a cluster of nodes whose every random choice follows from `seed`.
    pub fn builder(seed: u64) -> TestNodesBuilder {
        TestNodesBuilder {
            seed,
            nodes: 3,
            shards: 8,
            bounds: Bounds::default(),
            gatekeepers: BTreeMap::new(),
            faults: Faults::default(),
            weather: Weather::default(),
            replicas: true,
            engines: false,
            syncs: None,
            classes: Vec::new(),
            migrations: Vec::new(),
        }
    }

    async fn open(&self, node: NodeId) -> Result<Cluster, OpenError> {
        let TestNodesBuilder { seed, bounds, .. } = &self.settings;
        let fatal = Arc::clone(&self.fatal);
        let clock = &self.clocks[place(node)];
        let config = ClusterConfig {
            clock: Arc::<TestClock>::clone(clock),
            bounds: bounds.clone(),
            gatekeeper: self.settings.gatekeepers.get(&place(node)).cloned(),
            shards: self.settings.shards,
            seed: Some(seed.wrapping_mul(1000) + self.restarts.load(Ordering::Relaxed) * 100 + node.get()),
            on_fatal: OnFatal::new(move |reason| fatal.lock().push(reason.to_owned())),
            ..ClusterConfig::new(Handle::current(), Handle::current())
        };
        let mut builder = Cluster::builder(config).classes(&self.settings.classes);
        for migrations in &self.settings.migrations {
            builder = builder.migrations(migrations.clone());
        }
        let network = self.network.clone();
        let neighbours = Neighbours {
            node,
            peers: self.network.peers(node),
            found: node == NodeId::FIRST,
            others: (0..self.settings.nodes).map(id).collect(),
            attach: Box::new(move |service| network.attach(node, service)),
            format: FORMAT,
        };
        let builder = builder.neighbours(neighbours);
        match &self.disks {
            Disks::Simulated(disk) => {
                let groups = SimulatedGroups::open(disk, node, &Handle::current(), clock);
                builder.start(Groups::Simulated(groups)).await
            }
            Disks::Engines(disks) => {
                let disk = disks[place(node)].clone();
                builder.open(Stores(consensus::Stores::Memory(disk))).await
            }
        }
    }

    fn simulated(&self) -> &Arc<SimulatedDisk> {
        match &self.disks {
            Disks::Simulated(disk) => disk,
            Disks::Engines(_) => panic!("only simulated groups do this"),
        }
    }

    /// A node as it is since its last restart. References of an earlier one are dead.
    ///
    /// # Panics
    /// If the node was ended.
    pub fn node(&self, node: usize) -> Cluster {
        self.running(node).expect("the node is there, or the test is wrong")
    }

    /// A node as it is since its last restart, unless it was ended.
    pub fn running(&self, node: usize) -> Option<Cluster> {
        self.nodes.lock()[node].clone()
    }

    /// Lets time pass; everything that falls due meanwhile happens in order.
    pub async fn advance(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Sets the wall clock of a node by so many milliseconds. Time goes on for all nodes as before.
    pub fn set_clock(&self, node: usize, millis: i64) {
        self.clocks[node].set_by(millis);
    }

    /// Changes how the network misbehaves.
    pub fn set_weather(&self, weather: Weather) {
        self.network.set_weather(weather);
    }

    /// Changes how the groups misbehave, which must be simulated.
    ///
    /// # Panics
    /// If they are not.
    pub fn set_faults(&self, faults: Faults) {
        self.simulated().set_faults(faults);
    }

    /// Lets nothing through from one node to another.
    pub fn cut(&self, from: usize, to: usize) {
        self.network.cut(id(from), id(to));
    }

    /// Lets everything through again.
    pub fn heal(&self) {
        self.network.heal();
    }

    /// The node that owns a shard, or soon will.
    ///
    /// # Panics
    /// If none does, which happens only with engines.
    pub fn owner(&self, shard: u16) -> usize {
        match &self.disks {
            Disks::Simulated(disk) => place(disk.appointed(shard)),
            Disks::Engines(_) => self.leader(group(shard)).expect("a node owns the shard"),
        }
    }

    /// The shard of an actor.
    ///
    /// # Panics
    /// If the id is not one of `A`.
    pub fn shard_of<A: VirtualActor>(&self, actor: &crate::ActorId) -> u16 {
        let node = self.present().next().expect("a node is there");
        let class = node.node().resolve::<A>(actor).expect("the id is one of the class");
        let hash = crate::id::ActorHash::of(class, actor.tenant(), actor.name());
        hash.shard(self.settings.shards)
    }

    /// Gives a shard to another node, and waits until it owns it.
    pub async fn move_shard(&self, shard: u16, to: usize) {
        match &self.disks {
            Disks::Simulated(disk) => {
                disk.appoint(shard, id(to), None);
                disk.installed(shard, id(to)).await;
            }
            Disks::Engines(_) => self.transfer(group(shard), to).await,
        }
    }

    /// Gives the group of the cluster itself to another node, and waits until it owns it.
    pub async fn move_meta(&self, to: usize) {
        self.move_shard(META, to).await;
    }

    /// Gives a shard to another node without the knowledge of its owner, which goes on until [`tell`](Self::tell), and
    /// waits until the other owns it. Only for simulated groups.
    ///
    /// # Panics
    /// If the groups are not simulated.
    pub async fn supersede(&self, shard: u16, to: usize) {
        let disk = self.simulated();
        disk.appoint(shard, id(to), Some(id(self.owner(shard))));
        disk.installed(shard, id(to)).await;
    }

    /// Lets every node hear which shards it has lost by [`supersede`](Self::supersede).
    ///
    /// # Panics
    /// If the groups are not simulated.
    pub fn tell(&self) {
        self.simulated().tell();
    }

    /// Lets a node believe that this is the newest format of requests that all know.
    pub fn go_over(&self, node: usize, format: u32) {
        self.node(node).node().remote.go_over(format);
    }

    /// Cuts a node off from all others, in both directions.
    pub fn isolate(&self, node: usize) {
        for other in (0..self.settings.nodes).filter(|other| *other != node) {
            self.cut(node, other);
            self.cut(other, node);
        }
    }

    /// Ends a node as a killed process would; others own its shards after some time.
    pub async fn crash(&self, node: usize) {
        self.network.detach(id(node));
        let ended = self.nodes.lock()[node].take();
        if let Some(cluster) = ended {
            cluster.crash().await;
        }
        let others: Vec<_> = (0..self.settings.nodes)
            .filter(|other| self.running(*other).is_some())
            .map(id)
            .collect();
        if let Disks::Simulated(disk) = &self.disks {
            let disk = Arc::clone(disk);
            Handle::current().spawn(async move {
                tokio::time::sleep(FAILOVER).await;
                disk.replace(id(node), &others);
            });
        }
    }

    /// Opens a node again that was ended.
    ///
    /// # Panics
    /// If it does not open.
    pub async fn restart(&self, node: usize) {
        self.try_restart(node).await.expect(OPENS);
    }

    /// Opens a node again that was ended.
    ///
    /// # Errors
    /// If it does not open, as one that the others do not reach.
    pub async fn try_restart(&self, node: usize) -> Result<(), OpenError> {
        self.restarts.fetch_add(1, Ordering::Relaxed);
        let opened = self.open(id(node)).await?;
        self.nodes.lock()[node] = Some(opened);
        Ok(())
    }

    /// The nodes that are running.
    fn present(&self) -> impl Iterator<Item = Cluster> {
        let nodes = self.nodes.lock().clone();
        nodes.into_iter().flatten()
    }

    /// Ends every activation of every node after the messages it has.
    pub async fn passivate_all(&self) {
        for node in self.present() {
            node.passivate_all().await;
        }
    }

    /// Takes the ownership of a shard away from its owner, which may soon have it again, under a new epoch.
    pub fn depose(&self, shard: u16) {
        for node in self.present() {
            if let Some(host) = node.node().hosts.get(usize::from(shard))
                && let Some(epoch) = host.epoch()
            {
                host.shard.relinquish(epoch);
            }
        }
    }

    /// Begins to give a shard to another node, which comes to nothing if that one is not there, or the owner cannot.
    pub async fn try_move_shard(&self, shard: u16, to: usize) {
        match &self.disks {
            Disks::Simulated(disk) if self.running(to).is_some() => disk.appoint(shard, id(to), None),
            Disks::Simulated(_) => {}
            Disks::Engines(_) => self.try_transfer(group(shard), to).await,
        }
    }

    /// Begins to give a shard to another node that is running, as [`supersede`](Self::supersede) does.
    ///
    /// # Panics
    /// If the groups are not simulated.
    pub fn begin_to_supersede(&self, shard: u16, to: usize) {
        let (disk, owner) = (self.simulated(), self.owner(shard));
        if owner != to && self.running(to).is_some() {
            disk.appoint(shard, id(to), Some(id(owner)));
        }
    }

    /// A look behind the actors that a node owns.
    pub fn probe(&self, node: usize) -> Probe {
        Probe::new(&self.node(node))
    }

    /// Why nodes could not go on, each time one could not.
    pub fn fatal(&self) -> Vec<String> {
        self.fatal.lock().clone()
    }
}

impl std::fmt::Debug for TestNodesBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestNodesBuilder")
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for TestNodes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestNodes")
            .field("seed", &self.settings.seed)
            .finish_non_exhaustive()
    }
}
