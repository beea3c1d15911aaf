//! The cluster as one node sees it by itself, where no leader tells of the whole.

use cluster::{LocalGroup, LocalNode, LocalView};

use super::{millis, state};
use crate::{
    gateway::nodes,
    planes::ui::{ClusterView, NodeView, ShardCell},
};

/// Of copies, leaders and lags it tells only those of groups that the node has a copy of.
pub(super) fn view(local: &LocalView) -> ClusterView {
    let mut shards: Vec<&LocalGroup> = local.groups.iter().filter(|group| group.shard.is_some()).collect();
    shards.sort_by_key(|group| group.shard);
    let asked = local.nodes.iter().find(|node| node.id == local.node);
    ClusterView {
        asked: asked.map_or_else(|| local.node.to_string(), |node| node.name.as_str().to_owned()),
        nodes: local.nodes.iter().map(|node| node_view(node, &shards)).collect(),
        shards: shards.len(),
        leaderless: local.leaderless.len(),
        moves: Vec::new(),
        history: Vec::new(),
        notes: nodes::notes(local),
        is_local: true,
    }
}

fn node_view(node: &LocalNode, shards: &[&LocalGroup]) -> NodeView {
    let lags = shards.iter().filter_map(|group| group.lag.get(&node.id));
    let why = node.silence.iter().map(|silent| silent.reason.clone());
    NodeView {
        id: node.id.get(),
        name: node.name.as_str().to_owned(),
        state: state(node.state),
        alive: node.silence.is_none(),
        heard_ms: node.silence.as_ref().map(|silent| millis(silent.since)),
        leads: shards.iter().filter(|group| group.leader == Some(node.id)).count(),
        votes: shards.iter().filter(|group| group.voters.contains(&node.id)).count(),
        lag: lags.copied().max().unwrap_or_default(),
        drained: false,
        zone: None,
        role: node.role.to_string(),
        addresses: vec![("Raft", node.raft.to_string()), ("Requests", node.requests.to_string())],
        format: node.format,
        why: why.chain(node.raft_trouble.clone()).collect(),
        cells: shards.iter().map(|group| cell(node, group)).collect(),
    }
}

fn cell(node: &LocalNode, group: &LocalGroup) -> ShardCell {
    let votes = group.voters.contains(&node.id);
    match group.leader {
        _ if !votes && !group.learners.contains(&node.id) => ShardCell::None,
        _ if node.silence.is_some() => ShardCell::Unreachable,
        _ if !votes => ShardCell::Copied,
        Some(leader) if leader == node.id => ShardCell::Leads,
        Some(_) => ShardCell::Follows,
        None => ShardCell::Voting,
    }
}
