//! The shape of what a node tells that it sees by itself. Moments are Unix milliseconds; durations are milliseconds.

use std::collections::{BTreeMap, BTreeSet};

use cluster::{ClusterId, LocalGroup, LocalNode, LocalView, NodeId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::millis;

/// What one node sees of itself and of the others.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct LocalBody {
    #[schema(value_type = String, format = "uuid", example = "01985f3e-7c1a-4b22-9d53-0f6a4c1e2b90")]
    pub(crate) cluster: ClusterId,
    #[schema(value_type = u64, example = 1)]
    pub(crate) node: NodeId,
    pub(crate) format: u32,
    pub(crate) certificate_ends_at_ms: Option<i64>,
    pub(crate) nodes: Vec<NodeView>,
    /// Those that it has copies of; that of the cluster itself first, whose shard is empty.
    pub(crate) groups: Vec<GroupView>,
    /// Shards that nobody leads who answers, as far as it knows.
    pub(crate) leaderless: Vec<u16>,
}

/// A node; without `silent_ms` it answers.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct NodeView {
    #[schema(value_type = u64, example = 1)]
    pub(crate) id: NodeId,
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) state: String,
    pub(crate) format: u32,
    pub(crate) requests: String,
    pub(crate) raft: String,
    pub(crate) silent_ms: Option<f64>,
    pub(crate) silent_why: Option<String>,
    /// Why its groups could not be reached lately.
    pub(crate) raft_why: Option<String>,
}

/// A group, and what this node is in it: `leader`, `follower`, `learner`, or `none` once it was taken out.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct GroupView {
    pub(crate) shard: Option<u16>,
    pub(crate) role: String,
    pub(crate) term: u64,
    #[schema(value_type = Option<u64>)]
    pub(crate) leader: Option<NodeId>,
    #[schema(value_type = Vec<u64>)]
    pub(crate) voters: BTreeSet<NodeId>,
    #[schema(value_type = Vec<u64>)]
    pub(crate) learners: BTreeSet<NodeId>,
    pub(crate) is_changing: bool,
    /// Under which this node owns it.
    pub(crate) epoch: Option<u64>,
    pub(crate) applied: Option<u64>,
    pub(crate) last: Option<u64>,
    /// Entries that each other member lacks, where this node leads.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub(crate) lag: BTreeMap<NodeId, u64>,
    /// How long ago another node was heard to lead.
    pub(crate) heard_ms: Option<f64>,
    /// How long reads need no majority yet, where this node owns it together with others.
    pub(crate) lease_ms: Option<f64>,
}

impl From<LocalView> for LocalBody {
    fn from(view: LocalView) -> Self {
        let LocalView {
            cluster,
            node,
            format,
            certificate_ends,
            nodes,
            groups,
            leaderless,
        } = view;
        Self {
            cluster,
            node,
            format,
            certificate_ends_at_ms: certificate_ends.map(cluster::Timestamp::as_millis),
            nodes: nodes.into_iter().map(NodeView::from).collect(),
            groups: groups.into_iter().map(|group| GroupView::new(node, group)).collect(),
            leaderless,
        }
    }
}

impl From<LocalNode> for NodeView {
    fn from(node: LocalNode) -> Self {
        let (silent_ms, silent_why) = match node.silence {
            Some(silent) => (Some(millis(silent.since)), Some(silent.reason)),
            None => (None, None),
        };
        Self {
            id: node.id,
            name: node.name.as_str().to_owned(),
            role: node.role.to_string(),
            state: node.state.to_string(),
            format: node.format,
            requests: node.requests.to_string(),
            raft: node.raft.to_string(),
            silent_ms,
            silent_why,
            raft_why: node.raft_trouble,
        }
    }
}

impl GroupView {
    fn new(node: NodeId, group: LocalGroup) -> Self {
        let LocalGroup {
            shard,
            term,
            leader,
            voters,
            learners,
            is_changing,
            epoch,
            applied,
            last,
            lag,
            heard,
            lease,
        } = group;
        let role = if leader == Some(node) {
            "leader"
        } else if voters.contains(&node) {
            "follower"
        } else if learners.contains(&node) {
            "learner"
        } else {
            "none"
        };
        Self {
            shard,
            role: role.to_owned(),
            term,
            leader,
            voters,
            learners,
            is_changing,
            epoch,
            applied,
            last,
            lag,
            heard_ms: heard.map(millis),
            lease_ms: lease.map(millis),
        }
    }
}
