//! The shapes of what `/api/cluster` answers. Moments are Unix milliseconds; durations are milliseconds.

use std::{collections::BTreeMap, time::Duration};

use cluster::{
    ClusterId, GroupOverview, LocalGroup, LocalNode, LocalView, Move, MoveOutcome, NodeAddress, NodeId, NodeName,
    NodeOverview, Overview, Zone,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::sight;

pub(super) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// The cluster as the leader of its own group sees it or, without a leader, the node that was asked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OverviewBody {
    #[schema(value_type = String, format = "uuid", example = "01985f3e-7c1a-4b22-9d53-0f6a4c1e2b90")]
    cluster: ClusterId,
    /// The node that was asked.
    #[schema(value_type = u64, example = 1)]
    asked: NodeId,
    /// Who leads the group of the cluster itself; empty where the node that was asked tells what it sees by itself.
    #[schema(value_type = Option<u64>)]
    leader: Option<NodeId>,
    format: u32,
    nodes: Vec<NodeBody>,
    /// That of the cluster itself first, whose shard is empty.
    groups: Vec<GroupBody>,
    moves: Vec<MoveBody>,
    history: Vec<MoveBody>,
    notes: Vec<String>,
}

impl OverviewBody {
    pub(super) fn new(asked: NodeId, overview: Overview) -> Self {
        let Overview {
            cluster,
            leader,
            format,
            nodes,
            groups,
            moves,
            history,
            notes,
        } = overview;
        Self {
            cluster,
            asked,
            leader: Some(leader),
            format,
            nodes: nodes.into_iter().map(NodeBody::from).collect(),
            groups: groups.into_iter().map(GroupBody::from).collect(),
            moves: moves.into_iter().map(MoveBody::from).collect(),
            history: history.into_iter().map(MoveBody::from).collect(),
            notes,
        }
    }

    /// What one node sees by itself: of copies, leaders and lags only its own groups.
    pub(super) fn of_one(view: LocalView) -> Self {
        Self {
            cluster: view.cluster,
            asked: view.node,
            leader: None,
            format: view.format,
            notes: sight::notes(&view),
            nodes: view.nodes.iter().map(|node| NodeBody::of_one(node, &view)).collect(),
            groups: view.groups.into_iter().map(GroupBody::from).collect(),
            moves: Vec::new(),
            history: Vec::new(),
        }
    }
}

/// A node.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NodeBody {
    #[schema(value_type = u64, example = 1)]
    id: NodeId,
    #[schema(value_type = String, example = "one")]
    name: NodeName,
    state: String,
    alive: bool,
    heard_ms: Option<f64>,
    leads: usize,
    votes: usize,
    drained: bool,
    #[schema(value_type = Option<String>)]
    zone: Option<Zone>,
    role: String,
    #[schema(value_type = String)]
    raft: NodeAddress,
    #[schema(value_type = String)]
    requests: NodeAddress,
    #[schema(value_type = Option<String>)]
    http: Option<NodeAddress>,
    format: u32,
    why: Vec<String>,
}

impl From<NodeOverview> for NodeBody {
    fn from(node: NodeOverview) -> Self {
        Self {
            id: node.id,
            name: node.name,
            state: node.state.to_string(),
            alive: node.alive,
            heard_ms: node.heard.map(millis),
            leads: node.leads,
            votes: node.shards,
            drained: node.drained,
            zone: node.zone,
            role: node.role.to_string(),
            raft: node.addresses.raft,
            requests: node.addresses.requests,
            http: node.addresses.http,
            format: node.format,
            why: node.why,
        }
    }
}

impl NodeBody {
    fn of_one(node: &LocalNode, view: &LocalView) -> Self {
        let shards = || view.groups.iter().filter(|group| group.shard.is_some());
        let silence = node.silence.as_ref().map(|silent| silent.reason.clone());
        Self {
            id: node.id,
            name: node.name.clone(),
            state: node.state.to_string(),
            alive: node.silence.is_none(),
            heard_ms: node.silence.as_ref().map(|silent| millis(silent.since)),
            leads: shards().filter(|group| group.leader == Some(node.id)).count(),
            votes: shards().filter(|group| group.voters.contains(&node.id)).count(),
            drained: false,
            zone: None,
            role: node.role.to_string(),
            raft: node.raft.clone(),
            requests: node.requests.clone(),
            http: None,
            format: node.format,
            why: silence.into_iter().chain(node.raft_trouble.clone()).collect(),
        }
    }
}

impl From<LocalGroup> for GroupBody {
    fn from(group: LocalGroup) -> Self {
        Self {
            shard: group.shard,
            leader: group.leader,
            epoch: group.epoch,
            voters: group.voters.into_iter().collect(),
            learners: group.learners.into_iter().collect(),
            lag: group.lag,
            applied: group.applied,
            last: group.last,
        }
    }
}

/// A group of nodes that keeps copies of a shard.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GroupBody {
    shard: Option<u16>,
    #[schema(value_type = Option<u64>)]
    leader: Option<NodeId>,
    epoch: Option<u64>,
    #[schema(value_type = Vec<u64>)]
    voters: Vec<NodeId>,
    #[schema(value_type = Vec<u64>)]
    learners: Vec<NodeId>,
    /// Entries that each other member lacks.
    #[schema(value_type = BTreeMap<String, u64>)]
    lag: BTreeMap<NodeId, u64>,
    applied: Option<u64>,
    last: Option<u64>,
}

impl From<GroupOverview> for GroupBody {
    fn from(group: GroupOverview) -> Self {
        let GroupOverview {
            shard,
            leader,
            epoch,
            voters,
            learners,
            lag,
            applied,
            last,
        } = group;
        Self {
            shard,
            leader,
            epoch,
            voters,
            learners,
            lag,
            applied,
            last,
        }
    }
}

/// A step; without an outcome it is being taken.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MoveBody {
    shard: Option<u16>,
    what: String,
    why: String,
    began_at_ms: i64,
    took_ms: Option<f64>,
    error: Option<String>,
}

impl From<Move> for MoveBody {
    fn from(step: Move) -> Self {
        let (took_ms, error) = match step.outcome {
            None => (None, None),
            Some(MoveOutcome::Done(took)) => (Some(millis(took)), None),
            Some(MoveOutcome::Failed(error)) => (None, Some(error)),
        };
        Self {
            shard: step.shard,
            what: step.what,
            why: step.why,
            began_at_ms: step.began.as_millis(),
            took_ms,
            error,
        }
    }
}

/// A node was sent on its way.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SentBody {
    #[schema(value_type = u64, example = 1)]
    pub(super) id: NodeId,
    #[schema(example = "draining")]
    pub(super) state: String,
}
