//! The admin API of the vector index: how each tenant's part stands, and making it anew.

use actix_web::{HttpRequest, HttpResponse, web};
use actors::vectors::{GetIndexStatus, IndexStatus, NAME, Rebuild, VectorIndex};
use cluster::{
    TenantQuery,
    prelude::{ActorId, ActorRef, TenantId},
};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{
    answer::fresh,
    body::{self, Fields},
    caller::Caller,
    cursor::{self, Page, PageQuery},
    error::Problem,
    state::Gateway,
    witness::{self, VECTORS_REBUILD_STARTED},
};

/// Name of the list, so that the cursor of another one is refused.
const TENANTS: &str = "vectors";

type Shared = web::Data<Gateway>;
type Answer = Result<HttpResponse, Problem>;

/// How the index of a tenant stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IndexBody {
    #[schema(example = "acme")]
    tenant: String,
    /// Changes that wait to be written.
    pending: u64,
    /// Why the last one could not be written.
    failure: Option<String>,
    rebuild: Option<RebuildBody>,
}

/// How far a rebuild is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RebuildBody {
    /// Runs that were asked for their artifacts.
    asked: u64,
    answered: u64,
    /// Whether all were asked.
    all_asked: bool,
}

impl IndexBody {
    fn new(tenant: &TenantId, status: IndexStatus) -> Self {
        Self {
            tenant: tenant.to_string(),
            pending: status.pending,
            failure: status.failure,
            rebuild: status.rebuild.map(|rebuild| RebuildBody {
                asked: rebuild.asked,
                answered: rebuild.answered,
                all_asked: rebuild.is_asked,
            }),
        }
    }
}

fn index(gateway: &Gateway, tenant: &TenantId) -> ActorRef<VectorIndex> {
    gateway.cluster.get(ActorId::from_name::<VectorIndex>(tenant, NAME))
}

/// Reads which page of tenants is asked for.
pub(crate) fn tenants_query(fields: &mut Fields) -> Result<PageQuery, Problem> {
    cursor::page_query(fields, TENANTS)
}

/// `GET /vectors`: the index of every tenant that has runs.
pub(crate) async fn list(request: HttpRequest, gateway: Shared) -> Answer {
    let mut query = body::query(&request)?;
    let (limit, after) = tenants_query(&mut query)?;
    query.finish_query()?;
    let after = after.map(|tenant| TenantId::new(&tenant)).transpose()?;
    let query = TenantQuery {
        class: Some("tenant".to_owned()),
        after,
        limit: limit + 1,
    };
    let mut tenants = gateway.cluster.listing().tenants(query).await?;
    let is_last = tenants.len() <= limit;
    tenants.truncate(limit);
    let mut items = Vec::with_capacity(tenants.len());
    for tenant in &tenants {
        let index = index(&gateway, tenant);
        let status = gateway.context.as_system(tenant, index.ask(GetIndexStatus)).await?;
        items.push(IndexBody::new(tenant, status));
    }
    let next = tenants.last().filter(|_| !is_last);
    Ok(fresh(&Page {
        items,
        next_cursor: next.map(|tenant| cursor::encode(TENANTS, tenant.as_str())),
    }))
}

/// `GET /vectors/{tenant}`.
pub(crate) async fn show(gateway: Shared, tenant: web::Path<String>) -> Answer {
    let tenant = TenantId::new(&tenant)?;
    let index = index(&gateway, &tenant);
    let status = gateway.context.as_system(&tenant, index.ask(GetIndexStatus)).await?;
    Ok(fresh(&IndexBody::new(&tenant, status)))
}

/// `POST /vectors/{tenant}/rebuild`: begins to make the index of a tenant anew from the artifacts of its runs.
pub(crate) async fn rebuild(caller: Caller, gateway: Shared, tenant: web::Path<String>) -> Answer {
    let tenant = TenantId::new(&tenant)?;
    let about = json!({ "tenant": tenant.as_str() });
    witness::record(&gateway, &caller, VECTORS_REBUILD_STARTED, about).await?;
    let index = index(&gateway, &tenant);
    let status = gateway.context.as_system(&tenant, index.ask(Rebuild)).await?;
    tracing::info!(%tenant, "the operator had a vector index rebuilt");
    Ok(fresh(&IndexBody::new(&tenant, status)))
}
