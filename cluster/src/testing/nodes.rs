//! A cluster of several nodes for tests: on one simulated network and one paused clock.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::runtime::Handle;

use super::{
    Fatal, Faults, OPENS, Probe, SimulatedGroups, Weather, clock::TestClock, network::Network,
    simulation::SimulatedDisk,
};
use crate::{
    Bounds, Cluster, ClusterConfig, Migrations, NodeId, OnFatal, OpenError, VirtualActor,
    cluster::Groups,
    interface::{Class, Registered},
    peers::Neighbours,
};

/// How long the groups of a node that ended are without an owner.
const FAILOVER: Duration = Duration::from_millis(1500);

/// Builder of [`TestNodes`].
pub struct TestNodesBuilder {
    seed: u64,
    nodes: usize,
    shards: u16,
    bounds: Bounds,
    faults: Faults,
    weather: Weather,
    replicas: bool,
    classes: Vec<Arc<dyn Class>>,
    migrations: Vec<Migrations>,
}

impl TestNodesBuilder {
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
        let disk = SimulatedDisk::shared(self.seed, self.shards, self.faults.clone(), &ids, self.replicas);
        let network = Network::new(self.seed);
        network.set_weather(self.weather.clone());
        let mut nodes = TestNodes {
            network,
            disk,
            clock: Arc::default(),
            fatal: Fatal::default(),
            nodes: Vec::new(),
            restarts: 0,
            settings: self,
        };
        let opened = join_all(ids.iter().map(|id| nodes.open(*id))).await;
        nodes.nodes = opened.into_iter().map(|opened| Some(opened.expect(OPENS))).collect();
        nodes
    }
}

fn id(node: usize) -> NodeId {
    NodeId::new(node as u64 + 1)
}

/// A cluster of several nodes for tests. Nodes are counted from 0.
pub struct TestNodes {
    settings: TestNodesBuilder,
    network: Network,
    disk: Arc<SimulatedDisk>,
    clock: Arc<TestClock>,
    fatal: Fatal,
    nodes: Vec<Option<Cluster>>,
    restarts: u64,
}

impl TestNodes {
    /// Begins a cluster of nodes whose every random choice follows from `seed`.
    pub fn builder(seed: u64) -> TestNodesBuilder {
        TestNodesBuilder {
            seed,
            nodes: 3,
            shards: 8,
            bounds: Bounds::default(),
            faults: Faults::default(),
            weather: Weather::default(),
            replicas: true,
            classes: Vec::new(),
            migrations: Vec::new(),
        }
    }

    async fn open(&self, node: NodeId) -> Result<Cluster, OpenError> {
        let TestNodesBuilder { seed, bounds, .. } = &self.settings;
        let fatal = Arc::clone(&self.fatal);
        let config = ClusterConfig {
            clock: Arc::<TestClock>::clone(&self.clock),
            bounds: bounds.clone(),
            shards: self.settings.shards,
            seed: Some(seed.wrapping_mul(1000) + self.restarts * 100 + node.get()),
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
            others: (0..self.settings.nodes).map(id).collect(),
            attach: Box::new(move |service| network.attach(node, service)),
        };
        let groups = SimulatedGroups::open(&self.disk, node, &Handle::current());
        builder.neighbours(neighbours).start(Groups::Simulated(groups)).await
    }

    /// A node as it is since its last restart. References of an earlier one are dead.
    ///
    /// # Panics
    /// If the node was ended.
    pub fn node(&self, node: usize) -> Cluster {
        self.nodes[node]
            .clone()
            .expect("the node is there, or the test is wrong")
    }

    /// Lets time pass; everything that falls due meanwhile happens in order.
    pub async fn advance(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// Changes how the network misbehaves.
    pub fn set_weather(&self, weather: Weather) {
        self.network.set_weather(weather);
    }

    /// Changes how the groups misbehave.
    pub fn set_faults(&self, faults: Faults) {
        self.disk.set_faults(faults);
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
    pub fn owner(&self, shard: u16) -> usize {
        usize::try_from(self.disk.appointed(shard).get() - 1).unwrap_or(usize::MAX)
    }

    /// The shard of an actor.
    ///
    /// # Panics
    /// If the id is not one of `A`.
    pub fn shard_of<A: VirtualActor>(&self, actor: &crate::ActorId) -> u16 {
        let node = self.nodes.iter().flatten().next().expect("a node is there");
        let class = node.node().resolve::<A>(actor).expect("the id is one of the class");
        let hash = crate::id::ActorHash::of(class, actor.tenant(), actor.name());
        hash.shard(self.settings.shards)
    }

    /// Gives a shard to another node, and waits until it owns it.
    pub async fn move_shard(&self, shard: u16, to: usize) {
        self.disk.appoint(shard, id(to), None);
        self.disk.installed(shard, id(to)).await;
    }

    /// Gives the group of the cluster itself to another node, and waits until it owns it.
    pub async fn move_meta(&self, to: usize) {
        self.move_shard(u16::MAX, to).await;
    }

    /// Gives a shard to another node without the knowledge of its owner, which goes on until [`tell`](Self::tell), and
    /// waits until the other owns it.
    pub async fn supersede(&self, shard: u16, to: usize) {
        self.disk.appoint(shard, id(to), Some(id(self.owner(shard))));
        self.disk.installed(shard, id(to)).await;
    }

    /// Lets every node hear which shards it has lost.
    pub fn tell(&self) {
        self.disk.tell();
    }

    /// Ends a node as a killed process would; others own its shards after some time.
    pub async fn crash(&mut self, node: usize) {
        self.network.detach(id(node));
        if let Some(cluster) = self.nodes[node].take() {
            cluster.crash().await;
        }
        let others: Vec<_> = (0..self.nodes.len())
            .filter(|other| self.nodes[*other].is_some())
            .map(id)
            .collect();
        let disk = Arc::clone(&self.disk);
        Handle::current().spawn(async move {
            tokio::time::sleep(FAILOVER).await;
            disk.replace(id(node), &others);
        });
    }

    /// Opens a node again that was ended.
    ///
    /// # Panics
    /// If it does not open.
    pub async fn restart(&mut self, node: usize) {
        self.restarts += 1;
        self.nodes[node] = Some(self.open(id(node)).await.expect(OPENS));
    }

    /// Ends every activation of every node after the messages it has.
    pub async fn passivate_all(&self) {
        for node in self.nodes.iter().flatten() {
            node.passivate_all().await;
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
