//! The nodes of the cluster, for its operator: `/api/cluster`.

mod answer;
mod local;
mod sight;

use actix_web::{HttpResponse, web};
use cluster::{MemberState, NodeId};
use serde_json::json;

pub(crate) use self::{
    answer::{OverviewBody, SentBody},
    local::{GroupView, LocalBody, NodeView},
    sight::{Sight, notes},
};
use super::{
    answer::fresh,
    caller::Caller,
    error::Problem,
    state::Gateway,
    witness::{self, NODE_STATE_REFUSED, NODE_STATE_REQUESTED},
};

type Shared = web::Data<Gateway>;
type Answer = Result<HttpResponse, Problem>;

/// `GET /`: nodes, shards, what moves, and why. Without a leader who knows all that, what this node sees by itself.
pub(crate) async fn overview(gateway: Shared) -> Answer {
    let body = match Sight::of(&gateway.cluster).await? {
        Sight::Whole(overview) => OverviewBody::new(gateway.cluster.node_id(), overview),
        Sight::Local(view) => OverviewBody::of_one(view),
    };
    Ok(fresh(&body))
}

/// `GET /node`: what this node sees by itself. It asks nobody, so it answers where the cluster as a whole cannot.
pub(crate) async fn local(gateway: Shared) -> Answer {
    Ok(fresh(&LocalBody::from(gateway.cluster.look()?)))
}

/// `POST /nodes/{id}/drain`: everything moves away from the node, as far as others can take it.
pub(crate) async fn drain(caller: Caller, gateway: Shared, node: web::Path<String>) -> Answer {
    send(&gateway, &caller, &node, MemberState::Draining).await
}

/// `POST /nodes/{id}/up`: the node is given copies and leads again.
pub(crate) async fn up(caller: Caller, gateway: Shared, node: web::Path<String>) -> Answer {
    send(&gateway, &caller, &node, MemberState::Up).await
}

/// `POST /nodes/{id}/remove`: the node is drained, and taken out for good.
pub(crate) async fn remove(caller: Caller, gateway: Shared, node: web::Path<String>) -> Answer {
    send(&gateway, &caller, &node, MemberState::Removing).await
}

/// Sends a node on its way. It is accepted when it is written down; the overview tells how far it came.
pub(super) async fn send(gateway: &Gateway, caller: &Caller, node: &str, state: MemberState) -> Answer {
    let number = node.parse::<u64>().map_err(|_| {
        Problem::not_found(
            "cluster.node",
            format!("{node:?} is not the number of a node; `GET /api/cluster` lists them"),
        )
    })?;
    let node = NodeId::new(number);
    let about = json!({ "node": node, "state": state.to_string() });
    witness::record(gateway, caller, NODE_STATE_REQUESTED, about).await?;
    if let Err(error) = gateway.cluster.set_member_state(node, state).await {
        let about = json!({ "node": node, "state": state.to_string(), "code": error.code() });
        witness::record(gateway, caller, NODE_STATE_REFUSED, about).await?;
        return Err(error.into());
    }
    tracing::info!(%node, %state, "the operator gave a node another state");
    Ok(HttpResponse::Accepted().json(SentBody {
        id: node,
        state: state.to_string(),
    }))
}
