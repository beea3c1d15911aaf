//! The peers of a node: how to reach them, and who may call.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use parking_lot::Mutex;

use super::{
    RaftPlaneConfig,
    hello::{Hello, Identity},
    link::Link,
};
use crate::{
    node_name::NodeName,
    peers::{Lane, NodeId},
};

/// The lanes that have connections here.
pub(super) const LANES: [Lane; 3] = [Lane::Heartbeat, Lane::Log, Lane::Snapshot];

/// The peers of a node.
#[derive(Default)]
pub(super) struct Table(Mutex<State>);

#[derive(Default)]
struct State {
    peers: HashMap<NodeId, Peer>,
    /// They may not come back: an id is never given again. Bounded by the nodes that a cluster ever had.
    removed: HashSet<NodeId>,
    stopped: bool,
}

struct Peer {
    address: String,
    name: Option<NodeName>,
    links: [Arc<Link>; 3],
}

/// Why a node may not call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("this is cluster {here}, not {there}")]
    OtherCluster { here: String, there: String },
    #[error("this is node {here} ({name}), not node {wanted}")]
    OtherNode {
        here: NodeId,
        name: NodeName,
        wanted: NodeId,
    },
    #[error("node {0} is this one: two nodes have the same identity")]
    Itself(NodeId),
    #[error("it calls itself {name}, but shows the certificate of {certificate}")]
    Certificate { name: NodeName, certificate: NodeName },
    #[error("node {node} is {known}, not {name}")]
    Name {
        node: NodeId,
        known: NodeName,
        name: NodeName,
    },
    #[error("node {0} was removed from the cluster")]
    Removed(NodeId),
    #[error("this node has as many connections as it may have")]
    TooMany,
}

impl Table {
    /// The way to a peer, or why there is none.
    pub(super) fn link(&self, node: NodeId, lane: Lane) -> Result<Arc<Link>, &'static str> {
        let Some(lane) = LANES.iter().position(|known| *known == lane) else {
            return Err("requests of actors travel on another plane");
        };
        let state = self.0.lock();
        match state.peers.get(&node) {
            _ if state.stopped => Err("this node stops"),
            Some(peer) => Ok(Arc::clone(&peer.links[lane])),
            None if state.removed.contains(&node) => Err("it was removed from the cluster"),
            None => Err("its address is not known here"),
        }
    }

    /// Sets how a peer is reached. Returns its new links, of which each needs a task, unless nothing has changed.
    pub(super) fn set(
        &self,
        node: NodeId,
        address: &str,
        name: Option<&NodeName>,
        new_link: impl FnMut(Lane) -> Arc<Link>,
    ) -> Option<[Arc<Link>; 3]> {
        let mut state = self.0.lock();
        let same = |peer: &Peer| peer.address == address && peer.name.as_ref() == name;
        if state.stopped || state.peers.get(&node).is_some_and(same) {
            return None;
        }
        let links = LANES.map(new_link);
        let peer = Peer {
            address: address.to_owned(),
            name: name.cloned(),
            links: links.clone(),
        };
        state.removed.remove(&node);
        let before = state.peers.insert(node, peer);
        drop(state);
        if let Some(before) = before {
            before.close("its address or name has changed");
        }
        Some(links)
    }

    /// Forgets how a peer is reached, and lets it call no more.
    pub(super) fn remove(&self, node: NodeId) {
        let mut state = self.0.lock();
        state.removed.insert(node);
        let removed = state.peers.remove(&node);
        drop(state);
        if let Some(removed) = removed {
            removed.close("it was removed from the cluster");
        }
    }

    /// A peer has dialled this node, so it can probably be dialled.
    pub(super) fn heard(&self, node: NodeId) {
        let links = self.0.lock().peers.get(&node).map(|peer| peer.links.clone());
        for link in links.into_iter().flatten() {
            link.heard();
        }
    }

    /// Ends all calls, and takes no more.
    pub(super) fn stop(&self) {
        let mut state = self.0.lock();
        state.stopped = true;
        let peers = std::mem::take(&mut state.peers);
        drop(state);
        for peer in peers.into_values() {
            peer.close("this node stops");
        }
    }

    /// Decides whether a node may call.
    ///
    /// A node that is not known here may: those who add a node tell the others later, and a node that was away for long
    /// may know none of those who are there now. Its certificate and the id of the cluster must do. One that is known
    /// must have the name that goes with its id, so that no member can call as another one.
    pub(super) fn admit(
        &self,
        here: &RaftPlaneConfig,
        hello: &Hello,
        certificate: Option<&NodeName>,
    ) -> Result<(), Refusal> {
        let Identity { cluster, node, name } = &hello.from;
        if *cluster != here.cluster {
            return Err(Refusal::OtherCluster {
                here: here.cluster.to_string(),
                there: cluster.to_string(),
            });
        }
        if hello.to != here.node {
            return Err(Refusal::OtherNode {
                here: here.node,
                name: here.name.clone(),
                wanted: hello.to,
            });
        }
        if *node == here.node {
            return Err(Refusal::Itself(*node));
        }
        if let Some(certificate) = certificate
            && certificate != name
        {
            return Err(Refusal::Certificate {
                name: name.clone(),
                certificate: certificate.clone(),
            });
        }
        let state = self.0.lock();
        if state.removed.contains(node) {
            return Err(Refusal::Removed(*node));
        }
        match state.peers.get(node).and_then(|peer| peer.name.as_ref()) {
            Some(known) if known != name => Err(Refusal::Name {
                node: *node,
                known: known.clone(),
                name: name.clone(),
            }),
            Some(_) | None => Ok(()),
        }
    }
}

impl Peer {
    fn close(&self, reason: &str) {
        for link in &self.links {
            link.close(reason);
        }
    }
}
