//! What nodes ask each other about the cluster itself, as bytes.
//!
//! Variants are numbered by their order: a new one comes last. A node that cannot read a letter says so, and has done
//! nothing.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    node::{Member, MemberState},
    overview::Overview,
    placement::Action,
    table::{Introduction, TableError},
};
use crate::{cluster_id::ClusterId, peers::NodeId, storage, wire};

/// A request, and whether the node that sends it has it from another one: it is not passed on twice.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Letter {
    pub(super) request: Request,
    pub(super) passed: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Request {
    /// Takes a node in, or notes what has changed about one that starts again. For the leader of the meta group.
    Join {
        node: Introduction,
        /// The cluster it wants to be in, if it knows.
        cluster: Option<ClusterId>,
    },
    /// The nodes there are, as far as the other one knows.
    Table,
    /// How the groups of the other one are doing.
    Report,
    /// A step of a group that the other one leads.
    Take(Take),
    /// Another state for a node. For the leader of the meta group.
    Move { node: NodeId, to: MemberState },
    /// What operators see. For the leader of the meta group.
    Overview,
}

/// A step, and the state of the group it was decided in: in another one it is not taken.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Take {
    pub(super) shard: Option<u16>,
    pub(super) action: Action,
    pub(super) term: u64,
    pub(super) voters: BTreeSet<NodeId>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Answer {
    /// The node is in.
    Joined(Joined),
    /// It is not done, and will not be if asked again.
    Refused(Refusal),
    /// It was not done: this node does not lead the meta group.
    NotLeader(Option<NodeId>),
    Table(Vec<Member>),
    Report(Vec<GroupReport>),
    /// What became of a step.
    Taken(Result<(), String>),
    Moved,
    Overview(Box<Overview>),
    /// It was not done, and may be if asked again.
    Failed(String),
    /// It was not done: this node cannot read it.
    Unreadable,
    /// As `Report`, of a node that is about to stop.
    Leaving(Vec<GroupReport>),
}

/// What a node is told that was taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Joined {
    pub(crate) cluster: ClusterId,
    pub(crate) node: NodeId,
    pub(crate) shards: u16,
    pub(crate) members: Vec<Member>,
}

/// Why something is not done, now or later.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Table(TableError),
    #[error("the cluster asked for is {asked}, this is {this}")]
    OtherCluster { asked: ClusterId, this: ClusterId },
    #[error("node {node} cannot be removed: {why}")]
    Needed { node: NodeId, why: String },
}

/// How a group is doing on one node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GroupReport {
    pub(crate) shard: Option<u16>,
    /// Grows with every election.
    pub(crate) term: u64,
    pub(crate) leader: Option<NodeId>,
    /// While voters are changed, those before and after it.
    pub(crate) voters: BTreeSet<NodeId>,
    pub(crate) learners: BTreeSet<NodeId>,
    pub(crate) is_changing: bool,
    /// Under which epoch the node owns it.
    pub(crate) epoch: Option<u64>,
    pub(crate) applied: Option<u64>,
    pub(crate) last: Option<u64>,
    /// How many entries each other member lacks; only the leader knows.
    pub(crate) lag: Option<BTreeMap<NodeId, u64>>,
}

/// What a node tells of itself.
#[derive(Debug, Clone)]
pub(super) struct Report {
    pub(super) groups: Vec<GroupReport>,
    /// Whether it is about to stop.
    pub(super) is_leaving: bool,
}

impl From<Report> for Answer {
    fn from(report: Report) -> Self {
        if report.is_leaving {
            Self::Leaving(report.groups)
        } else {
            Self::Report(report.groups)
        }
    }
}

impl Letter {
    pub(super) fn new(request: Request) -> Self {
        Self { request, passed: false }
    }

    pub(super) fn encode(&self) -> Bytes {
        storage::encoded(self)
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        wire::decode(bytes).ok()
    }
}

impl Answer {
    pub(super) fn encode(&self) -> Bytes {
        storage::encoded(self)
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        wire::decode(bytes).ok()
    }
}
