//! The seam between what the nodes of a cluster say to each other and how it travels.
//!
//! Two planes implement it, each with connections of its own: the raft plane carries what the groups say, the request
//! plane what actors and operators ask. Both may lose, delay or repeat anything; nothing above rests on them for more
//! than speed.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::{BoxFuture, ready},
};
use serde::{Deserialize, Serialize};

use crate::members::FORMAT;

/// A node of a cluster. An id is given once and never again, also after its node was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(u64);

impl NodeId {
    /// The node that creates a cluster.
    pub const FIRST: Self = Self(1);

    /// Wraps the number of a node.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Requests of one lane to one node travel in the order of the calls; lanes do not wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    /// What keeps leaders: heartbeats and votes. Small, and never behind anything large.
    Heartbeat,
    /// Log entries.
    Log,
    /// Parts of snapshots.
    Snapshot,
    /// What actors and operators ask.
    Request,
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// It never left: the other node has not seen it and never will.
    #[error("node {node} cannot be reached: {reason}")]
    NotSent {
        /// The other node.
        node: NodeId,
        /// Why.
        reason: String,
    },
    /// It may have been served.
    #[error("node {node} did not answer: {reason}")]
    NoAnswer {
        /// The other node.
        node: NodeId,
        /// Why.
        reason: String,
    },
}

/// The other nodes, as this one calls them.
pub(crate) trait Peers: Send + Sync + 'static {
    /// Sends a request, at once and without blocking, and waits at most so long for its answer. Dropping the future
    /// does not call the request back.
    fn call(
        &self,
        to: NodeId,
        lane: Lane,
        request: Bytes,
        within: Duration,
    ) -> BoxFuture<'static, Result<Bytes, CallError>>;
}

/// The way out of a node that is a cluster of its own.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct NoPeers;

impl Peers for NoPeers {
    fn call(&self, to: NodeId, _: Lane, _: Bytes, _: Duration) -> BoxFuture<'static, Result<Bytes, CallError>> {
        let error = CallError::NotSent {
            node: to,
            reason: "this node has no way to others".to_owned(),
        };
        ready(Err(error)).boxed()
    }
}

/// The place of a node among the others.
pub(crate) struct Neighbours {
    /// This node.
    pub(crate) node: NodeId,
    /// The way to the others.
    pub(crate) peers: Arc<dyn Peers>,
    /// Whether this node founds the cluster if its stores are new. Otherwise its groups rest until another node adds it.
    pub(crate) found: bool,
    /// Those that are known; others are met when they call.
    pub(crate) others: Vec<NodeId>,
    /// Lets the others call this node.
    pub(crate) attach: Box<dyn FnOnce(Arc<dyn Service>) + Send>,
    /// The newest format of requests that all of them know.
    pub(crate) format: u32,
}

impl Default for Neighbours {
    /// That of a node without others.
    fn default() -> Self {
        Self {
            node: NodeId::FIRST,
            peers: Arc::new(NoPeers),
            found: true,
            others: Vec::new(),
            attach: Box::new(drop),
            format: FORMAT,
        }
    }
}

/// This node, as the others call it.
pub(crate) trait Service: Send + Sync + 'static {
    /// Takes a request in, in the order of arrival, and answers it in time. The future runs in a task of its own.
    fn serve(&self, from: NodeId, lane: Lane, request: Bytes) -> BoxFuture<'static, Bytes>;

    /// Takes in the request of a node that is about to join and has no id yet. `None`: it is not looked at.
    fn admit(&self, request: Bytes) -> Option<BoxFuture<'static, Bytes>> {
        drop(request);
        None
    }
}
