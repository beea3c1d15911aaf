//! What load balancers, supervisors and Prometheus ask.

use actix_web::{HttpResponse, http::StatusCode, http::header, web};
use cluster::MemberState;
use jiff::Timestamp;
use serde::Serialize;

use super::{
    answer::fresh,
    error::Problem,
    state::{Gateway, ModelStatus},
};

/// Media type of the Prometheus text format.
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Debug, Serialize)]
struct Alive {
    status: &'static str,
    service: &'static str,
    version: &'static str,
    timestamp: i64,
}

#[derive(Debug, Serialize)]
struct Ready<'a> {
    status: &'static str,
    model: &'a ModelStatus,
    cluster: cluster::ClusterStatus,
}

fn alive(service: &'static str) -> HttpResponse {
    fresh(&Alive {
        status: "ok",
        service,
        version: env!("CARGO_PKG_VERSION"),
        timestamp: Timestamp::now().as_millisecond(),
    })
}

/// `GET /health`: the process is alive.
pub(crate) async fn health() -> HttpResponse {
    alive("foundation")
}

/// `GET /api/planning/health`: the planning API is alive.
pub(crate) async fn planning() -> HttpResponse {
    alive("planning")
}

/// `GET /ready`: requests are taken here. A missing model does not stop requests; it is told.
pub(crate) async fn ready(gateway: web::Data<Gateway>) -> Result<HttpResponse, Problem> {
    if gateway.readiness.is_draining() {
        return Err(Problem::unavailable("draining", "the server is stopping"));
    }
    if let Some(state) = leaving(&gateway) {
        return Err(Problem::unavailable("draining", format!("this node is {state}")));
    }
    if !gateway.cluster.ready() {
        return Err(Problem::unavailable(
            "not-ready",
            "not every shard has an owner that answers",
        ));
    }
    if !gateway.readiness.has_stores() {
        return Err(Problem::unavailable("not-ready", "the object store cannot be reached"));
    }
    let ready = Ready {
        status: "ready",
        model: &gateway.model,
        cluster: gateway.cluster.status(),
    };
    Ok(fresh(&ready))
}

/// The state of this node where it gives away what it has.
pub(super) fn leaving(gateway: &Gateway) -> Option<MemberState> {
    let node = gateway.cluster.node_id();
    let state = gateway
        .cluster
        .members()
        .into_iter()
        .find(|member| member.id == node)?
        .state;
    match state {
        MemberState::Draining | MemberState::Removing | MemberState::Removed => Some(state),
        MemberState::Joining | MemberState::Up => None,
    }
}

/// `GET /metrics`: Prometheus text.
pub(crate) async fn metrics(gateway: web::Data<Gateway>) -> HttpResponse {
    gateway.cluster.sample_metrics();
    HttpResponse::build(StatusCode::OK)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type(PROMETHEUS_TEXT)
        .body(gateway.telemetry.render())
}
