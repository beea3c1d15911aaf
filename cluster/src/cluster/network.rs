//! The place of a node among others, as it is configured.

use std::net::SocketAddr;

use crate::{NodeAddress, NodeName, Role, Security, Zone, members::Addresses};

/// How a node takes part in a cluster of several.
#[derive(Debug, Clone)]
pub struct NetworkConfig {
    /// What operators call the node; its certificate carries it.
    pub name: NodeName,
    /// What the node is there for.
    pub role: Role,
    /// The zone it is in: copies of a shard are spread over zones.
    pub zone: Option<Zone>,
    /// Where the groups of other nodes reach this one.
    pub raft: Endpoint,
    /// Where requests of other nodes reach this one.
    pub requests: Endpoint,
    /// Where clients reach this node, for operators to see.
    pub http: Option<NodeAddress>,
    /// Nodes that are asked to take this one in, if its directory is new: their addresses for requests. Without any it
    /// founds a cluster.
    pub seeds: Vec<NodeAddress>,
    /// What protects the connections between nodes.
    pub security: Security,
}

/// Where a node listens, and how others reach it there.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The address that other nodes dial.
    pub advertise: NodeAddress,
}

impl NetworkConfig {
    pub(super) fn addresses(&self) -> Addresses {
        Addresses {
            raft: self.raft.advertise.clone(),
            requests: self.requests.advertise.clone(),
            http: self.http.clone(),
        }
    }
}
