//! A node among others: how it comes to its number, and what connects it.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use parking_lot::Mutex;
use tokio::{runtime::Handle, sync::oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    ClusterConfig, NetworkConfig, OpenError,
    moving::Moving,
    switchboard::{About, Later, Switchboard, Topic, about_members},
};
use crate::{
    NodeAddress, Security,
    backup::CLUSTER_ID,
    cluster_id::ClusterId,
    consensus::{self, Engine, EngineConfig, Group, Stores},
    host::Host,
    keyspace,
    members::{
        Action, Control, FORMAT, Identity, Introduction, MendError, Origin, Registrar, RegistrarParts, Seeds, Settled,
        Table, join,
    },
    peers::{Neighbours, NodeId},
    raft_plane::{RaftPlane, RaftPlaneConfig, RaftPlaneLimits},
    request_plane::{RequestBounds, RequestPlane, RequestPlaneConfig, call_address},
    shard::{Op, Outcome, Proposal, Shard, WriteSet},
    store::create_directory,
};

/// Pause before a node introduces itself again that found nobody to hear it.
const ANNOUNCE: Duration = Duration::from_secs(1);

/// How long leaders may take to be handed over when a node stops.
const HAND_OVER: Duration = Duration::from_secs(5);

/// Pause until it is seen whether all were.
const HAND_OVER_AGAIN: Duration = Duration::from_millis(20);

/// What connects a node to others.
pub(crate) struct Place {
    pub(super) registrar: Arc<Registrar>,
    moving: Arc<Moving>,
    engine: Arc<Engine>,
    switchboard: Arc<Switchboard>,
    raft: Arc<RaftPlane>,
    requests: Arc<RequestPlane>,
    closing: CancellationToken,
    tasks: Mutex<Vec<tokio::task::JoinHandle<()>>>,
}

/// Whose a data directory is.
enum Whose {
    /// That of the first node of a cluster, which it does not say yet.
    Founder { token: Uuid },
    /// That of a node with a number.
    Node {
        settled: Settled,
        known: Table,
        shards: Option<u16>,
    },
}

impl Place {
    /// Opens the engine of a node among others, and the ways between them.
    pub(super) async fn open(
        config: &ClusterConfig,
        network: NetworkConfig,
        stores: Stores,
    ) -> Result<Self, OpenError> {
        let Stores::Disk { path, .. } = &stores else {
            return Err(OpenError::Stores(
                "a node among others keeps its data in a directory".to_owned(),
            ));
        };
        let path = path.clone();
        create_directory(&path).map_err(|error| unusable(&path, &error))?;
        let whose = identify(&path, &network).await?;
        let (node, is_founder, shards) = match &whose {
            Whose::Founder { .. } => (NodeId::FIRST, true, None),
            Whose::Node { settled, shards, .. } => (settled.node, false, *shards),
        };
        let later = Arc::<Later>::default();
        let on_fatal = config.on_fatal.clone();
        let engine = Engine::open(EngineConfig {
            shards: shards.unwrap_or(config.shards),
            stores,
            node,
            peers: Arc::<Later>::clone(&later),
            found: is_founder,
            raft: config.raft.clone(),
            actors: config.actors.clone(),
            clock: Arc::clone(&config.clock),
            on_fatal: Arc::new(move |reason| on_fatal.call(&reason)),
        })
        .await?;
        let engine = Arc::new(engine);
        match Self::connect(config, &network, &path, whose, Arc::clone(&engine), &later).await {
            Ok(place) => Ok(place),
            Err(error) => {
                engine.shutdown().await;
                Err(error)
            }
        }
    }

    async fn connect(
        config: &ClusterConfig,
        network: &NetworkConfig,
        path: &Path,
        whose: Whose,
        engine: Arc<Engine>,
        later: &Later,
    ) -> Result<Self, OpenError> {
        let (settled, known, is_founder) = match whose {
            Whose::Node { settled, known, .. } => (settled, known, false),
            Whose::Founder { token } => {
                let cluster = tokio::time::timeout(config.start_within, own_cluster_id(&*engine.meta()))
                    .await
                    .map_err(|_| OpenError::NoOwner(vec![crate::remote::META]))??;
                let settled = Settled {
                    cluster,
                    node: NodeId::FIRST,
                    name: network.name.clone(),
                    token,
                    origin: Origin::Founded,
                };
                (settled, Table::default(), true)
            }
        };
        let (cluster, node) = (settled.cluster, settled.node);
        let raft = RaftPlaneConfig {
            cluster,
            node,
            name: network.name.clone(),
            listen: network.raft.listen,
            security: network.security.clone(),
            limits: RaftPlaneLimits::default(),
        };
        let raft = on(&config.raft, RaftPlane::bind(raft)).await?;
        let raft = raft.map_err(|error| OpenError::Network(chain(&error)))?;
        let switchboard = Arc::<Switchboard>::default();
        let requests = RequestPlaneConfig {
            node,
            cluster,
            listen: network.requests.listen,
            security: network.security.clone(),
            bounds: RequestBounds::default(),
        };
        let service = Arc::<Switchboard>::clone(&switchboard);
        let requests = on(&config.actors, RequestPlane::bind(requests, service)).await?;
        let requests = requests.map_err(|error| OpenError::Network(chain(&error)))?;
        raft.serve(engine.service());
        later.open(raft.peers());
        let moving = Moving::new(&engine);
        let registrar = Registrar::new(RegistrarParts {
            node,
            cluster,
            shards: u16::try_from(engine.shards().len()).unwrap_or(u16::MAX),
            peers: About::new(Topic::Members, requests.peers()),
            meta: Some(engine.meta()),
            control: Arc::<Moving>::clone(&moving),
            clock: Arc::clone(&config.clock),
            known,
            directory: Some(path.to_owned()),
        });
        switchboard.attach_members(Arc::clone(&registrar));
        let place = Self {
            registrar,
            moving,
            engine,
            switchboard,
            raft: Arc::new(raft),
            requests: Arc::new(requests),
            closing: CancellationToken::new(),
            tasks: Mutex::default(),
        };
        place.follow(node);
        place.run(&config.actors, Arc::clone(&place.registrar).keep());
        place.run(&config.actors, Arc::clone(&place.registrar).place());
        place.run(
            &config.actors,
            peers(node, place.registrar.table(), &place.raft, &place.requests),
        );
        let introduction = introduction(network, settled.token);
        if is_founder {
            let founded = place.registrar.found(introduction).await;
            founded.map_err(|error| OpenError::Network(error.to_string()))?;
            Identity::Settled(settled)
                .write(path)
                .map_err(|error| OpenError::Stores(error.to_string()))?;
        } else {
            let on_fatal = config.on_fatal.clone();
            let registrar = Arc::clone(&place.registrar);
            place.run(&config.actors, async move {
                if let Err(refusal) = announce(&registrar, introduction).await {
                    on_fatal.call(&format!("the cluster does not take this node back: {refusal}"));
                }
            });
        }
        Ok(place)
    }

    /// Makes the nodes that are known peers before anybody is called.
    fn follow(&self, node: NodeId) {
        set_peers(node, &self.registrar.table().borrow(), &self.raft, &self.requests);
    }

    fn run(&self, runtime: &Handle, task: impl Future<Output = ()> + Send + 'static) {
        let task = runtime.spawn(self.closing.clone().run_until_cancelled_owned(task).map(drop));
        self.tasks.lock().push(task);
    }

    /// Where the actors of this node are among those of the others.
    pub(super) fn neighbours(&self) -> Neighbours {
        let switchboard = Arc::clone(&self.switchboard);
        let others = self
            .registrar
            .table()
            .borrow()
            .present()
            .map(|member| member.id)
            .collect();
        Neighbours {
            node: self.registrar.node(),
            peers: About::new(Topic::Actors, self.requests.peers()),
            found: false,
            others,
            attach: Box::new(move |service| switchboard.attach_actors(service)),
        }
    }

    pub(super) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Lets other nodes lead what this one leads: first what has begun is finished, then the other node takes over, and
    /// whoever calls meanwhile is answered by it.
    pub(super) async fn hand_over(&self) {
        self.registrar.leave();
        let handing = async {
            loop {
                self.hand_over_now().await;
                // What was decided before it was known that this node leaves may still give it a leader.
                tokio::time::sleep(HAND_OVER_AGAIN).await;
                if self.to_hand_over().next().is_none() {
                    return;
                }
            }
        };
        if tokio::time::timeout(HAND_OVER, handing).await.is_err() {
            tracing::warn!("not all leaders could be handed over in time");
        }
    }

    /// The groups that this node leads and another one could, and which.
    fn to_hand_over(&self) -> impl Iterator<Item = (&Group, NodeId)> {
        let groups = (0..).map_while(|number| self.engine.group(number));
        groups.filter_map(|group| Some((&**group, successor(group)?)))
    }

    async fn hand_over_now(&self) {
        let handing = self.to_hand_over().map(|(group, next)| async move {
            let shard = group
                .number()
                .checked_sub(1)
                .and_then(|shard| u16::try_from(shard).ok());
            if let Err(error) = self.moving.take(shard, Action::TransferLeader(next)).await {
                tracing::warn!(error, group = group.number(), "leadership could not be handed over");
            }
        });
        join_all(handing).await;
    }

    /// The hosts of the actors, which are there after the ways between the nodes.
    pub(super) fn host(&self, hosts: &[Arc<Host>]) {
        self.moving.host(hosts);
    }

    /// Ends what connects the node. The engine ends apart.
    pub(super) async fn close(&self) {
        self.closing.cancel();
        let tasks = std::mem::take(&mut *self.tasks.lock());
        for task in tasks {
            if task.await.is_err() {
                tracing::error!("a task of the network panicked");
            }
        }
        self.switchboard.detach();
        self.requests.shutdown().await;
        self.raft.shutdown().await;
    }
}

/// The voter that is closest to leading a group that this node leads.
fn successor(group: &Group) -> Option<NodeId> {
    let voters = group.standing().voters;
    let others = group.lag()?.into_iter();
    let others = others.filter(|(node, _)| voters.contains(node) && !group.is_silent(*node));
    let (next, _) = others.min_by_key(|(_, lag)| *lag)?;
    Some(next)
}

/// Finds out which node a directory is, and asks for a number if it has none.
async fn identify(path: &Path, network: &NetworkConfig) -> Result<Whose, OpenError> {
    let unread = |error: crate::members::IdentityError| OpenError::Stores(error.to_string());
    let shards = consensus::format(path)?;
    let token = match Identity::read(path).map_err(unread)? {
        Some(Identity::Settled(mut settled)) => {
            let known = Table::load(path).map_err(|error| unusable(path, &error))?;
            if settled.name != network.name {
                settled.name = network.name.clone();
                Identity::Settled(settled.clone()).write(path).map_err(unread)?;
            }
            return Ok(Whose::Node { settled, known, shards });
        }
        Some(Identity::Joining { token, .. }) => Some(token),
        None if shards.is_some() && !network.seeds.is_empty() => {
            return Err(OpenError::Network(format!(
                "{} holds the data of a cluster of its own: start it without seeds, and let the others join it; or begin \
                 with an empty directory",
                path.display()
            )));
        }
        None => None,
    };
    if network.seeds.is_empty() {
        if token.is_some() {
            return Err(OpenError::Network(format!(
                "{} has begun to join a cluster, so it needs seeds; remove the directory to found a cluster instead",
                path.display()
            )));
        }
        return Ok(Whose::Founder { token: Uuid::new_v4() });
    }
    let token = token.unwrap_or_else(Uuid::new_v4);
    let name = network.name.clone();
    Identity::Joining {
        name: name.clone(),
        token,
    }
    .write(path)
    .map_err(unread)?;
    let ways = Ways(network.security.clone());
    tracing::info!(seeds = network.seeds.len(), "asking to join");
    let joined = join(&ways, &network.seeds, introduction(network, token), None)
        .await
        .map_err(|refusal| OpenError::Network(format!("the cluster does not take this node in: {refusal}")))?;
    let settled = Settled {
        cluster: joined.cluster,
        node: joined.node,
        name,
        token,
        origin: Origin::Joined,
    };
    let known = Table::of(joined.members);
    known.save(path).map_err(|error| unusable(path, &error))?;
    Identity::Settled(settled.clone()).write(path).map_err(unread)?;
    tracing::info!(node = %settled.node, cluster = %settled.cluster, "joined");
    Ok(Whose::Node {
        settled,
        known,
        shards: Some(joined.shards),
    })
}

/// Refuses the directory of a node among others to one that is alone.
pub(super) fn refuse_member(path: &Path) -> Result<(), OpenError> {
    match Identity::read(path) {
        Ok(None) => Ok(()),
        Ok(Some(identity)) => {
            let known = Table::load(path).map_err(|error| unusable(path, &error))?;
            if known.present().count() == 1 {
                return Ok(());
            }
            Err(OpenError::Network(format!(
                "{} belongs to node {} of a cluster of several: it needs its place among them, which the configuration \
                 does not give",
                path.display(),
                identity.name()
            )))
        }
        Err(error) => Err(OpenError::Stores(error.to_string())),
    }
}

fn introduction(network: &NetworkConfig, token: Uuid) -> Introduction {
    Introduction {
        name: network.name.clone(),
        addresses: network.addresses(),
        role: network.role,
        zone: network.zone.clone(),
        format: FORMAT,
        token,
    }
}

/// The way of a node without a number to its seeds.
struct Ways(Security);

impl Seeds for Ways {
    fn ask(&self, seed: &NodeAddress, request: Bytes, within: Duration) -> BoxFuture<'static, Result<Bytes, String>> {
        let (security, seed) = (self.0.clone(), seed.clone());
        async move {
            let request = about_members(&request);
            let answer = call_address(&security, &RequestBounds::default(), seed.as_str(), request, within).await;
            answer.map_err(|error| error.to_string())
        }
        .boxed()
    }
}

/// The id of the cluster that this node owns alone.
async fn own_cluster_id(meta: &dyn Shard) -> Result<ClusterId, OpenError> {
    let unread = |reason: String| OpenError::Stores(format!("failed to read the id of the cluster: {reason}"));
    let key = keyspace::setting(CLUSTER_ID);
    loop {
        let mut ownership = meta.ownership();
        let owned = ownership.wait_for(Option::is_some).await;
        let epoch = owned.ok().and_then(|epoch| *epoch);
        let epoch = epoch.ok_or_else(|| unread("the node is stopping".to_owned()))?;
        if let Some(id) = meta.get(&key).map_err(|error| unread(error.to_string()))? {
            let id = std::str::from_utf8(&id).ok().and_then(|id| Uuid::parse_str(id).ok());
            return id.map(ClusterId::new).ok_or_else(|| unread("it is no UUID".to_owned()));
        }
        let (tell, told) = oneshot::channel();
        let op = Op::PutIfAbsent {
            key: key.clone(),
            value: Uuid::new_v4().to_string().into(),
        };
        meta.propose(Proposal {
            epoch,
            writes: WriteSet { ops: vec![op] },
            done: Box::new(|outcome| {
                // Nobody listens any more if the node is stopping.
                let _ = tell.send(outcome);
            }),
        });
        if !matches!(told.await, Ok(Outcome::Committed { .. })) {
            meta.relinquish(epoch);
        }
    }
}

/// Introduces a node that starts again, until somebody hears it.
async fn announce(registrar: &Registrar, introduction: Introduction) -> Result<(), MendError> {
    loop {
        match registrar.announce(introduction.clone()).await {
            Ok(_) => return Ok(()),
            Err(refusal @ MendError::Refused(_)) => return Err(refusal),
            Err(error @ (MendError::NoLeader | MendError::Failed(_))) => {
                tracing::debug!(%error, "the cluster did not hear of this node yet");
                tokio::time::sleep(ANNOUNCE).await;
            }
        }
    }
}

/// Keeps the planes up to date with the table of nodes.
fn peers(
    node: NodeId,
    mut table: tokio::sync::watch::Receiver<Table>,
    raft: &Arc<RaftPlane>,
    requests: &Arc<RequestPlane>,
) -> impl Future<Output = ()> + Send + 'static {
    let (raft, requests) = (Arc::clone(raft), Arc::clone(requests));
    async move {
        while table.changed().await.is_ok() {
            set_peers(node, &table.borrow_and_update(), &raft, &requests);
        }
    }
}

fn set_peers(node: NodeId, table: &Table, raft: &RaftPlane, requests: &RequestPlane) {
    for member in table.iter().filter(|member| member.id != node) {
        if member.is_present() {
            raft.set_peer(member.id, member.addresses.raft.as_str(), Some(&member.name));
            let address = member.addresses.requests.as_str().to_owned();
            requests.set_peer(member.id, address, member.name.clone());
        } else {
            raft.remove_peer(member.id);
            requests.remove_peer(member.id);
        }
    }
}

/// Runs what must begin on a certain runtime.
async fn on<T: Send + 'static>(
    runtime: &Handle,
    task: impl Future<Output = T> + Send + 'static,
) -> Result<T, OpenError> {
    let done = runtime.spawn(task).await;
    done.map_err(|error| OpenError::Network(format!("a task of the network ended early: {error}")))
}

fn unusable(path: &Path, error: &std::io::Error) -> OpenError {
    OpenError::Stores(format!("failed to use data directory {}: {error}", path.display()))
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
