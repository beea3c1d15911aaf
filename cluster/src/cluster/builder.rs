//! How a node is opened.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, atomic::AtomicUsize},
};

use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio_util::sync::CancellationToken;

use super::{
    Cluster, ClusterConfig, Groups, Inner, OpenError, Settings, Stores, history,
    place::{self, Place},
};
use crate::{
    Migrations, VirtualActor,
    backup::CLUSTER_ID,
    consensus::{self, Engine, EngineConfig},
    deadlines::Deadlines,
    host::Host,
    interface::{Class, Registered},
    metrics::Metrics,
    peers::Neighbours,
    remote::{Holds, META, Reception, Remote, vouch},
    router::{Classes, Node},
    socket::{Lanes, Ports, roll},
    vitals::Watch,
};

/// Builder of a [`Cluster`]: classes are registered here, each with its environment.
pub struct ClusterBuilder {
    config: ClusterConfig,
    classes: Vec<Arc<dyn Class>>,
    migrations: Vec<Migrations>,
    neighbours: Neighbours,
}

impl ClusterBuilder {
    pub(super) fn new(config: ClusterConfig) -> Self {
        Self {
            config,
            classes: Vec::new(),
            migrations: Vec::new(),
            neighbours: Neighbours::default(),
        }
    }

    /// Lists the class migrations of one application. A program that lists none means one migration, tagged
    /// `0001_classes`, that makes the classes it registers; as soon as they change it has to list them.
    #[must_use]
    pub fn migrations(mut self, migrations: Migrations) -> Self {
        self.migrations.push(migrations);
        self
    }

    /// Registers a class with what its actors are given.
    #[must_use]
    pub fn actor<A: VirtualActor>(mut self, env: A::Env) -> Self {
        self.classes.push(Arc::new(Registered::<A>::new(env)));
        self
    }

    /// Names of the classes registered so far.
    pub fn class_names(&self) -> impl Iterator<Item = &'static str> {
        self.classes.iter().map(|class| class.name())
    }

    /// Opens the node: creates what is missing, recovers what is there, and waits until every shard is owned, here or by
    /// another node.
    ///
    /// # Errors
    /// If the stores cannot be used; if a shard has no owner within [`ClusterConfig::start_within`]; if two classes, or two
    /// messages of a class, share a name; or if the classes, the migrations and what is stored do not fit together. Then
    /// nothing is changed.
    pub async fn open(mut self, stores: Stores) -> Result<Cluster, OpenError> {
        if let Some(network) = self.config.network.clone() {
            // In a place of its own: the future of opening is large, and whoever opens holds it.
            let place = Box::pin(Place::open(&self.config, network, stores.0)).await?;
            let (neighbours, groups) = (place.neighbours(), place.groups());
            return Box::pin(Self { neighbours, ..self }.start_in(groups, Some(place))).await;
        }
        if let consensus::Stores::Disk { path, .. } = &stores.0 {
            self.neighbours.node = place::lone_node(path)?;
        }
        let on_fatal = self.config.on_fatal.clone();
        let engine = Engine::open(EngineConfig {
            shards: self.config.shards,
            stores: stores.0,
            node: self.neighbours.node,
            peers: Arc::clone(&self.neighbours.peers),
            found: self.neighbours.found,
            raft: self.config.raft.clone(),
            actors: self.config.actors.clone(),
            clock: Arc::clone(&self.config.clock),
            on_fatal: Arc::new(move |reason| on_fatal.call(&reason)),
        })
        .await?;
        Box::pin(self.start(Groups::Engine(Arc::new(engine)))).await
    }

    #[cfg(feature = "testing")]
    pub(crate) fn classes(mut self, classes: &[Arc<dyn Class>]) -> Self {
        self.classes.extend_from_slice(classes);
        self
    }

    /// Gives the node a place among others.
    #[cfg(feature = "testing")]
    pub(crate) fn neighbours(mut self, neighbours: Neighbours) -> Self {
        self.neighbours = neighbours;
        self
    }

    /// Starts the node on its groups.
    pub(crate) async fn start(self, groups: Groups) -> Result<Cluster, OpenError> {
        self.start_in(groups, None).await
    }

    async fn start_in(self, groups: Groups, place: Option<Place>) -> Result<Cluster, OpenError> {
        let Self {
            config,
            classes,
            migrations,
            neighbours,
        } = self;
        let Neighbours {
            node,
            peers,
            found: _,
            others,
            attach,
            format,
        } = neighbours;
        let (meta, shards) = (groups.meta(), groups.shards());
        let random = config.seed.map_or_else(StdRng::from_os_rng, StdRng::seed_from_u64);
        let mut fork = random.clone();
        let id = uuid::Builder::from_random_bytes(fork.random()).into_uuid();
        let remote = Remote::new(node, peers, others, Arc::clone(&meta), &shards, format, fork);
        let settings = Settings::new(Arc::clone(&meta), Arc::clone(&remote), config.start_within);
        // Others may wait for what only the meta group of this node knows.
        let reception = Reception::new(Arc::clone(&remote), settings.clone(), groups.service());
        attach(Arc::<Reception>::clone(&reception));
        let closing = CancellationToken::new();
        let gossip = Arc::clone(&remote).gossip();
        config.actors.spawn(closing.clone().run_until_cancelled_owned(gossip));
        if let Some(place) = &place {
            place.acquaint(&config.actors, Arc::clone(&remote));
        }

        let settled = async {
            let mut search = remote.search(META, meta.ownership());
            let led = tokio::time::timeout(config.start_within, search.owner()).await;
            led.map_err(|_| OpenError::NoOwner(vec![META]))?;
            let registered = settle(&settings, &config, classes, migrations).await?;
            let named = settings.put_if_absent(CLUSTER_ID, id.to_string().into_bytes()).await;
            named.map_err(OpenError::ClusterId)?;
            Ok(registered)
        };
        let registered = match settled.await {
            Ok(registered) => registered,
            Err(error) => {
                closing.cancel();
                groups.shutdown().await;
                if let Some(place) = place {
                    place.close().await;
                }
                return Err(error);
            }
        };
        let metrics = Metrics::new(registered.names().into_iter());

        let bounds = Arc::new(config.bounds);
        let room = bounds.activations.div_ceil(shards.len());
        let backlog = Arc::<AtomicUsize>::default();
        let node = Arc::new_cyclic(|node| Node {
            bounds: Arc::clone(&bounds),
            clock: config.clock,
            random: Mutex::new(random),
            classes: registered,
            metrics,
            deadlines: Deadlines::start(&config.actors),
            watch: Watch::new(bounds.slow_turn, bounds.slow_turns),
            remote: Arc::clone(&remote),
            gatekeeper: config.gatekeeper,
            copies: groups.copies(),
            holds: Holds::default(),
            ports: Ports::new(remote.instance()),
            lanes: Lanes::default(),
            hosts: shards
                .into_iter()
                .map(|shard| {
                    let (bounds, backlog) = (Arc::clone(&bounds), Arc::clone(&backlog));
                    Host::new(node.clone(), shard, config.actors.clone(), bounds, room, backlog)
                })
                .collect(),
        });
        reception.open(&node);
        if let Some(place) = &place {
            place.host(&node.hosts);
        }
        let vouching = vouch(Arc::downgrade(&node));
        config.actors.spawn(closing.clone().run_until_cancelled_owned(vouching));
        let roll = roll::run(Arc::downgrade(&node));
        config.actors.spawn(closing.clone().run_until_cancelled_owned(roll));
        let run = |host: &Arc<Host>| config.actors.spawn(Arc::clone(host).run(closing.clone()));
        let hosts = node.hosts.iter().map(run).collect();
        let led = async |host: &Arc<Host>| {
            let mut search = remote.search(host.shard.number(), host.owned());
            search.owner().await;
        };
        let led = futures_util::future::join_all(node.hosts.iter().map(led));
        let led = tokio::time::timeout(config.start_within, led).await.is_ok();
        let cluster = Cluster(Arc::new(Inner {
            node,
            meta,
            groups,
            place,
            closing,
            hosts: Mutex::new(hosts),
            restoring: tokio::sync::Mutex::default(),
        }));
        if !led {
            let unowned = cluster.unowned();
            cluster.shutdown().await;
            return Err(OpenError::NoOwner(unowned));
        }
        Ok(cluster)
    }
}

/// Brings the migrations up to date, and gives each class its lasting identity.
async fn settle(
    settings: &Settings,
    config: &ClusterConfig,
    classes: Vec<Arc<dyn Class>>,
    mut migrations: Vec<Migrations>,
) -> Result<Classes, OpenError> {
    let mut by_name = BTreeMap::new();
    for class in classes {
        if let Some(message) = class.duplicate() {
            return Err(OpenError::DuplicateMessage {
                class: class.name(),
                message,
            });
        }
        if let Some(earlier) = by_name.insert(class.name(), class) {
            return Err(OpenError::DuplicateClass(earlier.name()));
        }
    }
    let names: Vec<_> = by_name.keys().copied().collect();
    if migrations.is_empty() {
        migrations.push(Migrations::implied(names.iter().copied()));
    }
    let registry = history::settle(settings, &migrations, &names, &*config.clock).await?;
    Ok(Classes::new(registry, by_name.into_values()))
}

impl fmt::Debug for ClusterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let classes: Vec<_> = self.classes.iter().map(|class| class.name()).collect();
        f.debug_struct("ClusterBuilder")
            .field("classes", &classes)
            .finish_non_exhaustive()
    }
}
