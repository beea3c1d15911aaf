//! A node among others: how it comes to its number, and what connects it.

mod admission;
mod kept;
mod residence;
mod whose;

use std::{path::Path, sync::Arc, time::Duration};

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(super) use self::whose::lone_node;
pub use self::{
    admission::{Admission, AdmissionError, Founding, Unanswered},
    residence::Residence,
};
use self::{
    kept::Kept,
    whose::{Known, Whose, identify},
};
use super::{
    ClusterConfig, Groups, NetworkConfig, OpenError,
    elsewhere::Elsewhere,
    switchboard::{About, Later, Switchboard, Topic},
};
use crate::{
    Role, Security,
    consensus::{Engine, EngineConfig, Stores},
    host::Host,
    members::{
        FORMAT, Identity, Introduction, LocalNode, LocalView, Member, MendError, Registrar, RegistrarParts, Silent,
        Table,
    },
    peers::{Neighbours, NodeId},
    raft_plane::RaftPlane,
    remote::Remote,
    request_plane::{RequestBounds, RequestPlane, RequestPlaneConfig},
    store::create_directory,
};

/// Pause before a node introduces itself again that found nobody to hear it.
const ANNOUNCE: Duration = Duration::from_secs(1);

/// What connects a node to others.
pub(crate) struct Place {
    pub(super) registrar: Arc<Registrar>,
    kept: Kept,
    switchboard: Arc<Switchboard>,
    requests: Arc<RequestPlane>,
    security: Security,
    closing: CancellationToken,
    tasks: Mutex<Vec<tokio::task::JoinHandle<()>>>,
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
        if network.role == Role::Gateway {
            let elsewhere = Elsewhere::open(&path, shards.unwrap_or(config.shards), &config.clock)?;
            let known = whose.place(config, &network, &*elsewhere.meta()).await?;
            let kept = Kept::Nothing(Arc::new(elsewhere));
            return Self::connect(config, &network, &path, known, kept).await;
        }
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
        let connected = async {
            let place = whose.place(config, &network, &*engine.meta()).await?;
            let kept = Kept::copies(config, &network, &place.settled, Arc::clone(&engine), &later).await?;
            Self::connect(config, &network, &path, place, kept).await
        };
        match connected.await {
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
        known: Known,
        kept: Kept,
    ) -> Result<Self, OpenError> {
        let Known {
            settled,
            table,
            is_founder,
        } = known;
        let (cluster, node) = (settled.cluster, settled.node);
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
        let groups = kept.groups();
        let registrar = Registrar::new(RegistrarParts {
            node,
            cluster,
            shards: u16::try_from(groups.shards().len()).unwrap_or(u16::MAX),
            peers: About::new(Topic::Members, requests.peers()),
            meta: kept.meta(),
            control: kept.control(),
            clock: Arc::clone(&config.clock),
            known: table,
            directory: Some(path.to_owned()),
        });
        switchboard.attach_members(Arc::clone(&registrar));
        let place = Self {
            registrar,
            kept,
            switchboard,
            requests: Arc::new(requests),
            security: network.security.clone(),
            closing: CancellationToken::new(),
            tasks: Mutex::default(),
        };
        place.follow(node);
        place.run(&config.actors, Arc::clone(&place.registrar).keep());
        place.run(&config.actors, Arc::clone(&place.registrar).place());
        let (raft, requests) = (place.kept.raft().cloned(), Arc::clone(&place.requests));
        place.run(&config.actors, peers(node, place.registrar.table(), raft, requests));
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
        let table = self.registrar.table();
        set_peers(node, &table.borrow(), self.kept.raft(), &self.requests);
    }

    /// What this node sees without asking anybody, but for its groups and the shards without a leader.
    pub(super) fn look(&self) -> LocalView {
        let table = self.registrar.table();
        let table = table.borrow();
        let this = self.registrar.node();
        let node = |member: &Member| {
            let silence = self.requests.silence(member.id);
            let trouble = self.kept.raft().and_then(|raft| raft.trouble(member.id));
            LocalNode {
                id: member.id,
                name: member.name.clone(),
                role: member.role,
                state: member.state,
                format: member.format,
                requests: member.addresses.requests.clone(),
                raft: member.addresses.raft.clone(),
                silence: silence.map(|(since, reason)| Silent { since, reason }),
                raft_trouble: trouble,
            }
        };
        LocalView {
            cluster: self.registrar.cluster(),
            node: this,
            format: FORMAT,
            certificate_ends: self.security.ends(),
            nodes: table.present().map(node).collect(),
            groups: Vec::new(),
            leaderless: Vec::new(),
        }
    }

    fn run(&self, runtime: &Handle, task: impl Future<Output = ()> + Send + 'static) {
        let task = runtime.spawn(self.closing.clone().run_until_cancelled_owned(task).map(drop));
        self.tasks.lock().push(task);
    }

    /// Where the actors of this node are among those of the others.
    pub(super) fn neighbours(&self) -> Neighbours {
        let switchboard = Arc::clone(&self.switchboard);
        let table = self.registrar.table();
        let table = table.borrow();
        Neighbours {
            node: self.registrar.node(),
            peers: About::new(Topic::Actors, self.requests.peers()),
            found: false,
            others: table.present().map(|member| member.id).collect(),
            attach: Box::new(move |service| switchboard.attach_actors(service)),
            format: table.common_format(),
        }
    }

    /// The groups of this node.
    pub(super) fn groups(&self) -> Groups {
        self.kept.groups()
    }

    /// Tells the way to other actors which nodes there are, as they come and go.
    pub(super) fn acquaint(&self, runtime: &Handle, remote: Arc<Remote>) {
        let mut table = self.registrar.table();
        table.mark_changed();
        self.run(runtime, async move {
            while table.changed().await.is_ok() {
                let table = table.borrow_and_update();
                remote.go_over(table.common_format());
                remote.know(table.present().map(|member| member.id).collect());
            }
        });
    }

    /// Lets other nodes lead what this one leads: first what has begun is finished, then the other node takes over, and
    /// whoever calls meanwhile is answered by it.
    pub(super) async fn hand_over(&self) {
        self.registrar.leave();
        self.kept.hand_over().await;
    }

    /// The hosts of the actors, which are there after the ways between the nodes.
    pub(super) fn host(&self, hosts: &[Arc<Host>]) {
        self.kept.host(hosts);
    }

    /// Ends what connects the node. Its groups end apart.
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
        if let Some(raft) = self.kept.raft() {
            raft.shutdown().await;
        }
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
async fn peers(
    node: NodeId,
    mut table: tokio::sync::watch::Receiver<Table>,
    raft: Option<Arc<RaftPlane>>,
    requests: Arc<RequestPlane>,
) {
    while table.changed().await.is_ok() {
        set_peers(node, &table.borrow_and_update(), raft.as_ref(), &requests);
    }
}

fn set_peers(node: NodeId, table: &Table, raft: Option<&Arc<RaftPlane>>, requests: &RequestPlane) {
    for member in table.iter().filter(|member| member.id != node) {
        let is_present = member.is_present();
        if let Some(raft) = raft {
            // A gateway has no groups to talk to.
            if is_present && member.role == Role::Replica {
                raft.set_peer(member.id, member.addresses.raft.as_str(), Some(&member.name));
            } else {
                raft.remove_peer(member.id);
            }
        }
        if is_present {
            let address = member.addresses.requests.as_str().to_owned();
            requests.set_peer(member.id, address, member.name.clone());
        } else {
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
