//! A cluster of several nodes for tests: on one simulated network and one paused clock.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::runtime::Handle;

use super::{
    Fatal, Faults, OPENS, Probe, SimulatedGroups, Weather, clock::TestClock, network::Network,
    simulation::SimulatedDisk,
};
use crate::{
    Bounds, Cluster, ClusterConfig, Migrations, NodeId, OnFatal, OpenError, Stores, VirtualActor,
    cluster::Groups,
    consensus::{self, MemoryDisk},
    interface::{Class, Registered},
    peers::Neighbours,
    remote::META,
    shard::Shard,
};

/// How long the groups of a node that ended are without an owner.
const FAILOVER: Duration = Duration::from_millis(1500);

/// Pause between looks at what takes its time.
const LOOK: Duration = Duration::from_millis(20);

/// How long a group of an engine may take for a step.
const PATIENCE: Duration = Duration::from_secs(60);

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
    faults: Faults,
    weather: Weather,
    replicas: bool,
    engines: bool,
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
        let disks = if self.engines {
            let disk = |id: &NodeId| MemoryDisk::new(self.seed ^ (id.get() << 32));
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
        let mut nodes = TestNodes {
            network,
            disks,
            clock: Arc::default(),
            fatal: Fatal::default(),
            nodes: Vec::new(),
            restarts: 0,
            settings: self,
        };
        let opened = join_all(ids.iter().map(|id| nodes.open(*id))).await;
        nodes.nodes = opened.into_iter().map(|opened| Some(opened.expect(OPENS))).collect();
        if nodes.settings.engines {
            nodes.grow().await;
        }
        nodes
    }
}

fn id(node: usize) -> NodeId {
    NodeId::new(node as u64 + 1)
}

fn place(node: NodeId) -> usize {
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
            engines: false,
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
            found: node == NodeId::FIRST,
            others: (0..self.settings.nodes).map(id).collect(),
            attach: Box::new(move |service| network.attach(node, service)),
        };
        let builder = builder.neighbours(neighbours);
        match &self.disks {
            Disks::Simulated(disk) => {
                let groups = SimulatedGroups::open(disk, node, &Handle::current(), &self.clock);
                builder.start(Groups::Simulated(groups)).await
            }
            Disks::Engines(disks) => {
                let disk = disks[place(node)].clone();
                builder.open(Stores(consensus::Stores::Memory(disk))).await
            }
        }
    }

    /// Makes every node a voter of every group, and lets them lead the groups in turn.
    async fn grow(&self) {
        let voters: BTreeSet<_> = (0..self.nodes.len()).map(id).collect();
        for group in 0..=u32::from(self.settings.shards) {
            self.patiently(|| async {
                let Some(leader) = self.leader(group) else { return false };
                let cluster = self.node(leader);
                let group = cluster.groups().engine().and_then(|engine| engine.group(group));
                let group = group.expect("every node has every group");
                let standing = group.standing();
                if standing.voters == voters {
                    return true;
                }
                let missing = voters.iter().filter(|voter| !standing.voters.contains(voter));
                for voter in missing.filter(|voter| !standing.learners.contains(voter)) {
                    // What fails now is tried again.
                    let _ = group.add_learner(*voter).await;
                }
                let _ = group.change_voters(&voters).await;
                false
            })
            .await;
        }
        for group in 0..=self.settings.shards {
            let to = usize::from(group) % self.nodes.len();
            self.transfer(u32::from(group), to).await;
        }
    }

    /// The node that owns a group of the engines.
    fn leader(&self, group: u32) -> Option<usize> {
        let owns = |cluster: &Cluster| {
            let group = cluster.groups().engine()?.group(group)?;
            group.ownership().borrow().map(|epoch| epoch.0)
        };
        let owners = self.nodes.iter().enumerate();
        let owners = owners.filter_map(|(node, cluster)| Some((owns(cluster.as_ref()?)?, node)));
        // One that was replaced may not know it yet.
        owners.max().map(|(_, node)| node)
    }

    /// Has a node lead a group of the engines.
    async fn transfer(&self, group: u32, to: usize) {
        self.patiently(|| async {
            let Some(leader) = self.leader(group) else { return false };
            if leader == to {
                return true;
            }
            let cluster = self.node(leader);
            let group = cluster.groups().engine().and_then(|engine| engine.group(group));
            let group = group.expect("every node has every group");
            // What fails now is tried again.
            let _ = group.transfer_leader(id(to)).await;
            false
        })
        .await;
    }

    /// Does something again and again until it is done.
    async fn patiently<F: Future<Output = bool>>(&self, step: impl Fn() -> F) {
        let done = async {
            while !step().await {
                tokio::time::sleep(LOOK).await;
            }
        };
        let done = tokio::time::timeout(PATIENCE, done).await;
        assert!(
            done.is_ok(),
            "seed {}: a group does not take a step: {:?}",
            self.settings.seed,
            self.fatal()
        );
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
        let node = self.nodes.iter().flatten().next().expect("a node is there");
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

    /// Cuts a node off from all others, in both directions.
    pub fn isolate(&self, node: usize) {
        for other in (0..self.nodes.len()).filter(|other| *other != node) {
            self.cut(node, other);
            self.cut(other, node);
        }
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
