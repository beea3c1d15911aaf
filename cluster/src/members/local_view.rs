//! What one node sees of itself and of the others, without asking anybody: all there is to go by where the group of the
//! cluster itself has no leader.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::node::{MemberState, NodeAddress, Role};
use crate::{Timestamp, cluster_id::ClusterId, node_name::NodeName, peers::NodeId};

/// What one node sees, without asking anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalView {
    /// Which cluster it belongs to.
    pub cluster: ClusterId,
    /// Its number.
    pub node: NodeId,
    /// The newest form of messages that its program knows.
    pub format: u32,
    /// When its certificate ends; empty without one.
    pub certificate_ends: Option<Timestamp>,
    /// Every node that is not removed, itself included, as far as it has heard.
    pub nodes: Vec<LocalNode>,
    /// The groups that it has copies of, that of the cluster itself first.
    pub groups: Vec<LocalGroup>,
    /// Shards that nobody leads, as far as it knows.
    pub leaderless: Vec<u16>,
}

/// A node, as another one sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalNode {
    /// Its number.
    pub id: NodeId,
    /// Its name.
    pub name: NodeName,
    /// What it is there for.
    pub role: Role,
    /// Where it is on its way.
    pub state: MemberState,
    /// The newest form of messages that its program knows.
    pub format: u32,
    /// Where it is reached for requests.
    pub requests: NodeAddress,
    /// Where its groups are reached.
    pub raft: NodeAddress,
    /// Why it does not answer requests, if it does not.
    pub silence: Option<Silent>,
    /// Why its groups could not be reached lately, if they could not.
    pub raft_trouble: Option<String>,
}

/// A node that does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Silent {
    /// For how long; since it is known at least, if it never answered.
    pub since: Duration,
    /// What became of the last attempt to reach it.
    pub reason: String,
}

/// A group, as one of its members sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalGroup {
    /// Number of the shard; empty for the group of the cluster itself.
    pub shard: Option<u16>,
    /// Grows with every election.
    pub term: u64,
    /// Who leads it.
    pub leader: Option<NodeId>,
    /// The nodes that vote; while they are changed, those before and after it.
    pub voters: BTreeSet<NodeId>,
    /// The nodes that only follow.
    pub learners: BTreeSet<NodeId>,
    /// Whether voters are being changed.
    pub is_changing: bool,
    /// Epoch under which this node owns it.
    pub epoch: Option<u64>,
    /// Index of the last entry that is applied here.
    pub applied: Option<u64>,
    /// Index of the last entry in the log here.
    pub last: Option<u64>,
    /// How many entries each other member lacks, if this node leads.
    pub lag: BTreeMap<NodeId, u64>,
    /// How long ago a leader was heard that is another node; empty if none was since this one started.
    pub heard: Option<Duration>,
    /// How long reads of this node, which owns it, need no majority; nothing if the lease has run out, empty if no other
    /// node votes or this one owns nothing.
    pub lease: Option<Duration>,
}
