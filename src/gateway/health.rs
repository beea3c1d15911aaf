//! What load balancers, supervisors and Prometheus ask.

use actix_web::{HttpResponse, http::StatusCode, http::header, web};
use cluster::{ClusterStatus, GroupStatus, MemberState};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    answer::fresh,
    error::Problem,
    state::{Gateway, ModelStatus},
};

/// Media type of the Prometheus text format.
pub(crate) const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A process, or a part of it, is alive.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Alive {
    #[schema(example = "ok")]
    status: &'static str,
    #[schema(example = "foundation")]
    service: &'static str,
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// Unix milliseconds.
    #[schema(example = 1_790_000_000_000_i64)]
    timestamp: i64,
}

/// Requests are taken.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ready<'a> {
    #[schema(example = "ready")]
    status: &'static str,
    model: &'a ModelStatus,
    cluster: ShardsBody,
}

/// What a node has of the cluster.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShardsBody {
    /// Number of shards.
    shards: usize,
    /// Shards that this node owns.
    owned: usize,
    /// Actors in memory.
    activations: usize,
    /// Deleted classes that still have rows, counted once for each shard that this node owns.
    erasures: usize,
    /// That of the cluster itself first.
    groups: Vec<LogBody>,
}

/// The log of a group on a node.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LogBody {
    /// None for the group of the cluster itself.
    shard: Option<u16>,
    /// Under which this node owns the group.
    epoch: Option<u64>,
    /// The last entry that was applied.
    applied: Option<u64>,
    /// The last entry.
    last: Option<u64>,
    /// About how much log there is behind the last snapshot.
    log_bytes: u64,
    /// The last entry that the snapshot contains.
    snapshot: Option<u64>,
    snapshot_bytes: u64,
}

impl From<ClusterStatus> for ShardsBody {
    fn from(status: ClusterStatus) -> Self {
        Self {
            shards: status.shards,
            owned: status.owned,
            activations: status.activations,
            erasures: status.erasures,
            groups: status.groups.into_iter().map(LogBody::from).collect(),
        }
    }
}

impl From<GroupStatus> for LogBody {
    fn from(group: GroupStatus) -> Self {
        Self {
            shard: group.shard,
            epoch: group.epoch,
            applied: group.applied,
            last: group.last,
            log_bytes: group.log_bytes,
            snapshot: group.snapshot,
            snapshot_bytes: group.snapshot_bytes,
        }
    }
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
        cluster: ShardsBody::from(gateway.cluster.status()),
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
