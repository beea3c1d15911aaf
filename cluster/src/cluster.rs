//! A node of a cluster, as the host program holds it.

mod builder;
mod config;
mod elsewhere;
mod groups;
mod history;
mod inspection;
mod listing;
mod moving;
mod network;
mod nodes;
mod open_error;
mod place;
mod settings;
mod switchboard;

use std::{fmt, sync::Arc};

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use self::{
    builder::ClusterBuilder,
    config::{ClusterConfig, OnFatal, Stores},
    listing::{Count, DatedListing, Listing, TenantQuery},
    network::{Endpoint, NetworkConfig},
    open_error::OpenError,
    place::{Admission, AdmissionError, Founding, Residence, Unanswered},
    settings::Settings,
};
use self::{listing::classes, place::Place};
use crate::{
    ActorId, ActorRef, AppliedMigration, ClassStatus, DeadLetters, DirectoryQuery, NodeId, Result, TenantId,
    VirtualActor, erasure, router::Node, shard::Shard,
};
pub(crate) use groups::Groups;

/// How long a node that ends waits until other nodes have what its actors sent to their clients.
const FLUSHED_WITHIN: std::time::Duration = std::time::Duration::from_secs(2);

/// A node of a cluster: the way to its actors.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

pub(crate) struct Inner {
    node: Arc<Node>,
    meta: Arc<dyn Shard>,
    groups: Groups,
    /// What connects it to other nodes, if it has any.
    place: Option<Place>,
    closing: CancellationToken,
    hosts: Mutex<Vec<JoinHandle<()>>>,
    /// One restoring at a time.
    restoring: tokio::sync::Mutex<()>,
}

/// What an operator sees of a node.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ClusterStatus {
    /// Number of shards.
    pub shards: usize,
    /// Shards this node owns.
    pub owned: usize,
    /// Live activations.
    pub activations: usize,
    /// Deleted classes that still have rows, counted once for each shard that this node owns.
    pub erasures: usize,
    /// The groups one by one, that of the cluster itself first.
    pub groups: Vec<GroupStatus>,
}

/// What an operator sees of one group.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct GroupStatus {
    /// Number of the shard; empty for the group of the cluster itself.
    pub shard: Option<u16>,
    /// Epoch under which this node owns the group; empty if it does not.
    pub epoch: Option<u64>,
    /// Index of the last applied entry.
    pub applied: Option<u64>,
    /// Index of the last entry of the log.
    pub last: Option<u64>,
    /// About how much log there is behind the last snapshot, in bytes.
    pub log_bytes: u64,
    /// Index of the last entry that the snapshot contains.
    pub snapshot: Option<u64>,
    /// Size of the snapshot, in bytes.
    pub snapshot_bytes: u64,
}

impl Cluster {
    /// Begins a node.
    pub fn builder(config: ClusterConfig) -> ClusterBuilder {
        ClusterBuilder::new(config)
    }

    /// Reference to an actor. It contacts nobody; an id that cannot be used is refused at the first call.
    pub fn get<A: VirtualActor>(&self, id: ActorId) -> ActorRef<A> {
        ActorRef::new(Arc::clone(&self.0.node), id)
    }

    /// Names of a tenant's actors of class `A` that have written, in order.
    ///
    /// # Errors
    /// `too-large` if the limit exceeds the bound of a page, `class.unregistered`, `retryable` while a shard has no
    /// owner.
    pub async fn list<A: VirtualActor>(&self, tenant: &TenantId, query: DirectoryQuery) -> Result<Vec<String>> {
        self.listing().names(A::CLASS, tenant, query).await
    }

    /// What an operator reads of the directory, by the names of classes.
    pub fn listing(&self) -> Listing {
        Listing::new(Arc::clone(&self.0.node))
    }

    /// The classes there are, by name, and those that were deleted.
    ///
    /// # Errors
    /// `directory.read` if the state cannot be read, `retryable` while a shard has no owner.
    pub async fn classes(&self) -> Result<Vec<ClassStatus>> {
        classes(&self.0.node).await
    }

    /// The class migrations that were applied, in order.
    ///
    /// # Errors
    /// As [`Settings::get`].
    pub async fn migrations(&self) -> Result<Vec<AppliedMigration>> {
        history::applied(&self.settings()).await
    }

    /// Durable sends that were given up.
    pub fn dead_letters(&self) -> DeadLetters {
        DeadLetters::new(Arc::clone(&self.0.node))
    }

    /// Settings of the cluster as a whole.
    pub fn settings(&self) -> Settings {
        let node = &self.0.node;
        Settings::new(Arc::clone(&self.0.meta), Arc::clone(&node.remote), node.bounds.ask)
    }

    /// Refuses new messages, and waits until those that arrived are handled and durable.
    pub async fn drain(&self) {
        futures_util::future::join_all(self.0.node.hosts.iter().map(|host| host.drain())).await;
        // What actors have sent to the clients of other nodes; those that do not take it are not waited for.
        let departed = futures_util::future::join_all(self.0.node.hosts.iter().map(|host| host.depart(host.epoch())));
        if tokio::time::timeout(FLUSHED_WITHIN, departed).await.is_err() {
            tracing::debug!("a node ends before other nodes have all that was sent to their clients");
        }
    }

    /// Drains and closes the node. Later calls are answered with `retryable`.
    pub async fn shutdown(&self) {
        if let Some(place) = &self.0.place {
            place.hand_over().await;
        }
        self.drain().await;
        self.stop().await;
        self.0.groups.shutdown().await;
        if let Some(place) = &self.0.place {
            place.close().await;
        }
    }

    /// Ends all activations and services at once.
    async fn stop(&self) {
        self.0.closing.cancel();
        let hosts = std::mem::take(&mut *self.0.hosts.lock());
        for host in hosts {
            if let Err(error) = host.await {
                tracing::error!(%error, "a host ended abnormally");
            }
        }
    }

    /// Takes a snapshot of every shard, behind which its log is purged.
    pub async fn take_snapshots(&self) {
        self.0.groups.take_snapshots().await;
    }

    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.0.node
    }

    /// Waits until nobody else restores anything.
    pub(crate) async fn restoring(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.restoring.lock().await
    }

    fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn groups(&self) -> &Groups {
        &self.0.groups
    }

    /// Whether every shard answers, here or on another node.
    ///
    /// An owner on another node counts for five leases (4.5 seconds) after it was last asked whether it is one and made sure
    /// of it. For no longer does a node that is cut off say that it is ready, and for one lease more where it still reaches
    /// an owner that has no majority any more.
    pub fn ready(&self) -> bool {
        self.0.node.unvouched().is_empty() && !self.0.node.hosts.iter().any(|host| host.is_draining())
    }

    /// Shards that nobody owns, as far as is known.
    fn unowned(&self) -> Vec<u16> {
        self.not_owned_by(|_| true)
    }

    /// Shards that neither this node owns nor one of which that is said, as far as is known.
    fn not_owned_by(&self, is_one: impl Fn(NodeId) -> bool) -> Vec<u16> {
        let node = &self.0.node;
        let is_led = |shard| {
            let leader = node.remote.leaders.of(shard);
            leader.is_some_and(|leader| leader.node != node.remote.node && is_one(leader.node))
        };
        let unowned = node.hosts.iter().filter(|host| host.epoch().is_none());
        let unowned = unowned.map(|host| host.shard.number());
        unowned.filter(|shard| !is_led(*shard)).collect()
    }

    /// What an operator sees of the node.
    pub fn status(&self) -> ClusterStatus {
        let hosts = &self.0.node.hosts;
        ClusterStatus {
            shards: hosts.len(),
            owned: hosts.iter().filter(|host| host.epoch().is_some()).count(),
            activations: hosts.iter().map(|host| host.activations()).sum(),
            erasures: erasure::pending(&self.0.node),
            groups: self.0.groups.status(),
        }
    }
}

#[cfg(feature = "testing")]
impl Cluster {
    pub(crate) async fn passivate_all(&self) {
        for host in &self.0.node.hosts {
            host.passivate_all().await;
        }
    }

    /// Ends the node as a killed process would.
    pub(crate) async fn crash(&self) {
        self.stop().await;
        self.0.groups.crash().await;
    }

    pub(crate) fn dead_letter_count(&self) -> usize {
        self.count(&crate::keyspace::dead_after(None))
    }

    pub(crate) fn rows(&self) -> usize {
        self.count(&(std::ops::Bound::Unbounded, std::ops::Bound::Unbounded))
    }

    /// Entries of the logs of all groups.
    pub(crate) fn commits(&self) -> u64 {
        self.0.groups.commits()
    }

    fn count(&self, range: &crate::keyspace::KeyRange) -> usize {
        let hosts = self.0.node.hosts.iter();
        hosts
            .map(|host| {
                host.shard
                    .scan(range.clone(), false, usize::MAX)
                    .map_or(0, |rows| rows.len())
            })
            .sum()
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("status", &self.status()).finish()
    }
}
