//! What is known of a cluster at one moment, and what is to be done about it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};

use crate::{
    members::node::{MemberState, Role, Zone},
    peers::NodeId,
};

/// What is known of a cluster at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    /// Every node that was not removed, and those that were and still have copies.
    pub(crate) nodes: BTreeMap<NodeId, Candidate>,
    /// Every group, by the number of its shard; that of the cluster itself has none.
    pub(crate) groups: BTreeMap<Option<u16>, Placed>,
}

/// A node, as far as it matters to where groups are.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) state: MemberState,
    pub(crate) role: Role,
    pub(crate) zone: Option<Zone>,
    /// Whether it was heard of lately.
    pub(crate) alive: bool,
}

impl Candidate {
    /// Whether it may keep the copies it has.
    pub(super) fn keeps(&self) -> bool {
        self.state == MemberState::Up && self.role == Role::Replica
    }

    /// Whether it may be given copies and leaders.
    pub(super) fn takes(&self) -> bool {
        self.keeps() && self.alive
    }

    /// Whether a group may go on with fewer copies for its sake.
    pub(super) fn leaves(&self) -> bool {
        matches!(self.state, MemberState::Removing | MemberState::Removed)
    }
}

/// Where one group is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Placed {
    /// The members that vote; while a change is unfinished, those before and after it.
    pub(crate) voters: BTreeSet<NodeId>,
    /// The members that only follow.
    pub(crate) learners: BTreeSet<NodeId>,
    /// The members that have about all that the leader has, have just answered, and are not about to stop.
    pub(crate) current: BTreeSet<NodeId>,
    /// The leader, if one is known.
    pub(crate) leader: Option<NodeId>,
    /// Whether a change of voters was begun and not finished.
    pub(crate) unfinished: bool,
    /// Whether a step of this group is being taken.
    pub(crate) busy: bool,
}

/// How much may go on at once, and how many copies there shall be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Copies of a shard, if there are nodes for them.
    pub(crate) copies: usize,
    /// Voters of the group of the cluster itself, if there are nodes for them.
    pub(crate) meta_voters: usize,
    /// Shards that are copied to another node at once.
    pub(crate) moves: usize,
    /// Shards whose leader changes at once.
    pub(crate) transfers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            copies: 3,
            meta_voters: 3,
            moves: 2,
            transfers: 2,
        }
    }
}

/// What one group is asked to do. The numbers of the variants travel between nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Action {
    /// Lets a node follow.
    AddLearner(NodeId),
    /// Lets a node follow no longer.
    DropLearner(NodeId),
    /// Gives the group these voters, by one joint change.
    ChangeVoters(BTreeSet<NodeId>),
    /// Lets another voter lead.
    TransferLeader(NodeId),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddLearner(node) => write!(f, "copy to node {node}"),
            Self::DropLearner(node) => write!(f, "drop the copy on node {node}"),
            Self::ChangeVoters(voters) => write!(f, "vote on {}", listed(voters)),
            Self::TransferLeader(node) => write!(f, "lead on node {node}"),
        }
    }
}

/// One step of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// The shard; empty for the group of the cluster itself.
    pub(crate) shard: Option<u16>,
    pub(crate) action: Action,
    /// Why, in words.
    pub(crate) why: String,
}

/// Why something is not as it should be and stays so for now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Note {
    /// The node it is about, if it is about one.
    pub(crate) node: Option<NodeId>,
    pub(crate) why: String,
}

/// What is to be done now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// At most one for each group.
    pub(crate) steps: Vec<Step>,
    /// Shards that are on their way to another node.
    pub(crate) moving: usize,
    pub(crate) notes: Vec<Note>,
}

/// The name of a group in a sentence.
pub(super) fn named(shard: Option<u16>) -> String {
    shard.map_or_else(|| "the meta group".to_owned(), |shard| format!("shard {shard}"))
}

/// Nodes in a sentence.
pub(super) fn listed(nodes: &BTreeSet<NodeId>) -> String {
    let numbers = nodes.iter().map(ToString::to_string).collect::<Vec<_>>();
    match &*numbers {
        [] => "no node".to_owned(),
        [one] => format!("node {one}"),
        [first @ .., last] => format!("nodes {} and {last}", first.join(", ")),
    }
}
