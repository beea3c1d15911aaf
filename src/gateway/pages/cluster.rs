//! The page of the cluster, for its operator.

mod local;

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use cluster::{GroupOverview, MemberState, Move, MoveOutcome, NodeId, NodeOverview, Overview};

use super::shell::{Said, page, see_other, shell_anyway};
use crate::{
    gateway::{
        body,
        caller::Caller,
        error::Problem,
        nodes::{self, Sight},
        state::Gateway,
    },
    planes::ui::{self, ClusterView, NodeState, NodeView, Section, ShardCell, StepOutcome, StepView},
};

type Shared = web::Data<Gateway>;
type Answer = Result<HttpResponse, Problem>;

/// Longest name in the form that removes a node.
const NAME_MAX: usize = 64;

/// `GET /cluster`.
pub(crate) async fn cluster(request: HttpRequest, caller: Caller, gateway: Shared) -> Answer {
    let view = match Sight::of(&gateway.cluster).await? {
        Sight::Whole(overview) => view(gateway.cluster.node_id(), overview),
        Sight::Local(local) => local::view(&local),
    };
    // Somebody who looks why nothing answers must see this page.
    let shell = shell_anyway(&request, &gateway, &caller, Section::Cluster).await;
    Ok(page(&request, StatusCode::OK, ui::cluster_page(&shell, &view)))
}

/// `POST /cluster/nodes/{id}/{act}`: drain, up, remove.
pub(crate) async fn send_node(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: Shared,
    path: web::Path<(String, String)>,
) -> Answer {
    let (node, act) = path.into_inner();
    let mut fields = body::form(&request, payload, gateway.server.body_limit_bytes).await?;
    let name = fields.optional_text("name", NAME_MAX);
    fields.finish()?;
    let (state, said) = match act.as_str() {
        "drain" => (MemberState::Draining, Said::Drained),
        "up" => (MemberState::Up, Said::TakenBack),
        "remove" => {
            is_meant(&gateway, &node, name.as_deref()).await?;
            (MemberState::Removing, Said::Removed)
        }
        _ => return Err(Problem::not_found("not-found", "there is nothing at this address")),
    };
    nodes::send(&gateway, &caller, &node, state).await?;
    Ok(see_other("/cluster", Some(said)))
}

/// What cannot be undone needs the name of the node.
async fn is_meant(gateway: &Gateway, node: &str, typed: Option<&str>) -> Result<(), Problem> {
    let overview = gateway.cluster.overview().await?;
    let known = overview.nodes.iter().find(|known| known.id.to_string() == node);
    let is_same = known.is_some_and(|known| typed == Some(known.name.as_str()));
    is_same.then_some(()).ok_or_else(|| {
        Problem::unprocessable(
            "cluster.name",
            "the name that was typed is not that of the node, so nothing was done",
        )
    })
}

fn view(asked: NodeId, overview: Overview) -> ClusterView {
    let mut shards: Vec<GroupOverview> = overview.groups;
    shards.retain(|group| group.shard.is_some());
    shards.sort_by_key(|group| group.shard);
    let name = |node: &NodeOverview| node.name.as_str().to_owned();
    ClusterView {
        asked: overview
            .nodes
            .iter()
            .find(|node| node.id == asked)
            .map_or_else(|| asked.to_string(), name),
        shards: shards.len(),
        leaderless: shards.iter().filter(|group| group.leader.is_none()).count(),
        nodes: overview.nodes.iter().map(|node| node_view(node, &shards)).collect(),
        moves: overview.moves.into_iter().map(step).collect(),
        history: overview.history.into_iter().rev().map(step).collect(),
        notes: overview.notes,
        is_local: false,
    }
}

fn node_view(node: &NodeOverview, shards: &[GroupOverview]) -> NodeView {
    let lags = shards.iter().filter_map(|group| group.lag.get(&node.id));
    let mut addresses = vec![
        ("Raft", node.addresses.raft.to_string()),
        ("Requests", node.addresses.requests.to_string()),
    ];
    addresses.extend(node.addresses.http.iter().map(|address| ("HTTP", address.to_string())));
    NodeView {
        id: node.id.get(),
        name: node.name.as_str().to_owned(),
        state: state(node.state),
        alive: node.alive,
        heard_ms: node.heard.map(millis),
        leads: node.leads,
        votes: node.shards,
        lag: lags.copied().max().unwrap_or_default(),
        drained: node.drained,
        zone: node.zone.as_ref().map(ToString::to_string),
        role: node.role.to_string(),
        addresses,
        format: node.format,
        why: node.why.clone(),
        cells: shards.iter().map(|group| cell(node, group)).collect(),
    }
}

fn state(state: MemberState) -> NodeState {
    match state {
        MemberState::Joining => NodeState::Joining,
        MemberState::Up => NodeState::Up,
        MemberState::Draining => NodeState::Draining,
        MemberState::Removing => NodeState::Removing,
        MemberState::Removed => NodeState::Removed,
    }
}

fn cell(node: &NodeOverview, group: &GroupOverview) -> ShardCell {
    let votes = group.voters.contains(&node.id);
    let learns = group.learners.contains(&node.id);
    match group.leader {
        _ if !votes && !learns => ShardCell::None,
        _ if !node.alive => ShardCell::Unreachable,
        _ if learns => ShardCell::Copied,
        Some(leader) if leader == node.id => ShardCell::Leads,
        Some(_) => ShardCell::Follows,
        None => ShardCell::Voting,
    }
}

fn step(step: Move) -> StepView {
    StepView {
        shard: step.shard,
        what: step.what,
        why: step.why,
        began: step.began.as_secs(),
        outcome: step.outcome.map(|outcome| match outcome {
            MoveOutcome::Done(took) => StepOutcome::Done(millis(took)),
            MoveOutcome::Failed(reason) => StepOutcome::Failed(reason),
        }),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
