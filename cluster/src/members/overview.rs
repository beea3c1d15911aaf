//! What operators see of a cluster.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::node::{Addresses, MemberState, Role, Zone};
use crate::{Timestamp, cluster_id::ClusterId, node_name::NodeName, peers::NodeId};

/// A cluster, as the node sees it that leads the meta group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// Which cluster it is.
    pub cluster: ClusterId,
    /// The node that leads the meta group, and tells this.
    pub leader: NodeId,
    /// The newest format that nodes write for each other: every node knows it.
    pub format: u32,
    /// The nodes there are, and those that were removed.
    pub nodes: Vec<NodeOverview>,
    /// The groups, that of the cluster itself first.
    pub groups: Vec<GroupOverview>,
    /// Steps that are being taken.
    pub moves: Vec<Move>,
    /// The last steps that were taken or failed, the latest last.
    pub history: Vec<Move>,
    /// What is not as it should be, and why it stays so for now.
    pub notes: Vec<String>,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeOverview {
    /// Its number.
    pub id: NodeId,
    /// Its name.
    pub name: NodeName,
    /// Where it is reached.
    pub addresses: Addresses,
    /// What it is there for.
    pub role: Role,
    /// Its zone, if it is in one.
    pub zone: Option<Zone>,
    /// Where it is on its way.
    pub state: MemberState,
    /// The newest form of messages that its program knows.
    pub format: u32,
    /// How long ago it was heard of; empty if it was not since the meta group has its leader.
    pub heard: Option<Duration>,
    /// Whether it was heard of lately.
    pub alive: bool,
    /// Shards it has a vote in.
    pub shards: usize,
    /// Shards it leads.
    pub leads: usize,
    /// Whether it has given everything away, and can be stopped.
    pub drained: bool,
    /// Why it is not where it should be.
    pub why: Vec<String>,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupOverview {
    /// Number of the shard; empty for the group of the cluster itself.
    pub shard: Option<u16>,
    /// The node that leads it.
    pub leader: Option<NodeId>,
    /// Epoch under which its leader owns it.
    pub epoch: Option<u64>,
    /// The nodes that vote.
    pub voters: Vec<NodeId>,
    /// The nodes that only follow.
    pub learners: Vec<NodeId>,
    /// How many entries each follower lacks.
    pub lag: BTreeMap<NodeId, u64>,
    /// Index of the last entry that its leader has applied.
    pub applied: Option<u64>,
    /// Index of the last entry in the log of its leader.
    pub last: Option<u64>,
}

/// One step of one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// Number of the shard; empty for the group of the cluster itself.
    pub shard: Option<u16>,
    /// What is done, in words.
    pub what: String,
    /// Why, in words.
    pub why: String,
    /// When it began.
    pub began: Timestamp,
    /// What became of it; empty while it is being taken.
    pub outcome: Option<MoveOutcome>,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MoveOutcome {
    /// It was taken, in that time.
    Done(Duration),
    /// It was not, or nobody knows.
    Failed(String),
}
