//! All tenants, for admins of the server: what they are, which plan they have, whether they are served.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use actors::{
    SYSTEM_TENANT,
    membership::{ConfigureTenant, GetTenant, Membership, ResumeTenant, SuspendTenant},
    ports::{VectorChange, VectorWrite},
    role::{HOME_TENANT, Plan},
};
use cluster::{
    BackupError, TenantQuery,
    prelude::{ActorError, ActorRef, Handler, Message, TenantId, VirtualActor},
};

use serde_json::json;

use super::{
    answer::fresh,
    backups::{self, State, Witnessed},
    body::{self, Fields},
    caller::Caller,
    cursor::{self, Page, PageQuery},
    error::Problem,
    recent::STALE,
    state::Gateway,
    tenant::TenantBody,
    witness::{TENANT_ERASE_ENDED, TENANT_ERASE_STARTED},
};

/// Name of the list, so that the cursor of another one is refused.
const TENANTS: &str = "tenants";

/// Longest reason of a suspension.
const WHY_MAX: usize = 256;

/// Longest name of a tenant in an address.
const TENANT_CHARS_MAX: usize = 64;

/// The plans by their names.
const PLANS: [(&str, Plan); 3] = [
    ("free", Plan::Free),
    ("pro", Plan::Pro),
    ("enterprise", Plan::Enterprise),
];

type Shared = web::Data<Gateway>;
type Answer = Result<HttpResponse, Problem>;

/// Asks the membership of a tenant, in the name of the admin who wants to know.
async fn ask<M>(gateway: &Gateway, caller: &Caller, tenant: &TenantId, message: M) -> Result<M::Reply, Problem>
where
    M: Message,
    Membership: Handler<M>,
{
    let membership: ActorRef<Membership> = gateway.cluster.get(Membership::address(tenant));
    Ok(gateway.context.as_admin(&caller.user, membership.ask(message)).await?)
}

/// Reads which page of tenants is asked for.
pub(crate) fn tenants_query(fields: &mut Fields) -> Result<PageQuery, Problem> {
    cursor::page_query(fields, TENANTS)
}

/// Reads the plan that a tenant gets.
pub(crate) fn new_plan(fields: &mut Fields) -> Option<Plan> {
    let plan = fields.needed_choice("plan", &PLANS);
    fields.says("plan", "What the tenant has room for from now on", "pro");
    plan
}

/// Reads why a tenant is suspended.
pub(crate) fn suspension(fields: &mut Fields) -> String {
    let why = fields.text("why", WHY_MAX);
    fields.says("why", "For who wants to know later", "unpaid");
    why
}

/// Reads the tenant that is to be erased once more.
pub(crate) fn confirmation(fields: &mut Fields) -> String {
    let confirmed = fields.text("tenant", TENANT_CHARS_MAX);
    fields.says("tenant", "The tenant of the address once more", "acme");
    confirmed
}

/// `GET /api/admin/tenants`.
pub(crate) async fn list(request: HttpRequest, caller: Caller, gateway: Shared) -> Answer {
    let mut query = body::query(&request)?;
    let (limit, after) = tenants_query(&mut query)?;
    query.finish_query()?;
    let query = TenantQuery {
        class: Some(Membership::CLASS.to_owned()),
        after: after.map(|tenant| TenantId::new(&tenant)).transpose()?,
        limit: limit + 1,
    };
    let mut tenants = gateway.cluster.listing().tenants(query).await?;
    let is_last = tenants.len() <= limit;
    tenants.truncate(limit);
    let mut items = Vec::with_capacity(tenants.len());
    for tenant in &tenants {
        items.push(TenantBody::from(ask(&gateway, &caller, tenant, GetTenant).await?));
    }
    let next = tenants.last().filter(|_| !is_last);
    Ok(fresh(&Page {
        items,
        next_cursor: next.map(|tenant| cursor::encode(TENANTS, tenant.as_str())),
    }))
}

/// `GET /api/admin/tenants/{tenant}`.
pub(crate) async fn show(caller: Caller, gateway: Shared, tenant: web::Path<String>) -> Answer {
    let profile = ask(&gateway, &caller, &TenantId::new(&tenant)?, GetTenant).await?;
    Ok(fresh(&TenantBody::from(profile)))
}

/// `POST /api/admin/tenants/{tenant}/plan`.
pub(crate) async fn set_plan(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: Shared,
    tenant: web::Path<String>,
) -> Answer {
    let mut fields = body::json(&request, payload, gateway.server.body_limit_bytes).await?;
    let plan = new_plan(&mut fields);
    fields.finish()?;
    let plan = plan.ok_or_else(|| Problem::unprocessable("body.invalid", "a plan is needed"))?;
    let configure = ConfigureTenant {
        plan: Some(plan),
        ..ConfigureTenant::default()
    };
    let profile = ask(&gateway, &caller, &TenantId::new(&tenant)?, configure).await?;
    Ok(fresh(&TenantBody::from(profile)))
}

/// `POST /api/admin/tenants/{tenant}/suspend`: within a second nobody is let into it any more. What runs on its own, such as a
/// planning run, goes on.
pub(crate) async fn suspend(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: Shared,
    tenant: web::Path<String>,
) -> Answer {
    let mut fields = body::json(&request, payload, gateway.server.body_limit_bytes).await?;
    let why = suspension(&mut fields);
    fields.finish()?;
    let tenant = TenantId::new(&tenant)?;
    if tenant.as_str() == HOME_TENANT {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "tenant.home",
            "the home tenant cannot be suspended: nobody could resume it",
        ));
    }
    let profile = ask(&gateway, &caller, &tenant, SuspendTenant { why }).await?;
    Ok(fresh(&TenantBody::from(profile)))
}

/// `POST /api/admin/tenants/{tenant}/resume`.
pub(crate) async fn resume(caller: Caller, gateway: Shared, tenant: web::Path<String>) -> Answer {
    let profile = ask(&gateway, &caller, &TenantId::new(&tenant)?, ResumeTenant).await?;
    Ok(fresh(&TenantBody::from(profile)))
}

/// `POST /api/admin/tenants/{tenant}/erase`: begins to give up everything that the tenant has, its audit chain included. The
/// body repeats the name of the tenant.
///
/// Nobody is let in from the beginning. A job that fails is begun again by asking again; until it has ended well the tenant
/// stays suspended. People keep their accounts, which are nobody's tenant's.
pub(crate) async fn erase(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: Shared,
    tenant: web::Path<String>,
) -> Answer {
    let mut fields = body::json(&request, payload, gateway.server.body_limit_bytes).await?;
    let confirmed = confirmation(&mut fields);
    fields.finish()?;
    let tenant = TenantId::new(&tenant)?;
    if confirmed != tenant.as_str() {
        return Err(Problem::unprocessable(
            "tenant.confirm",
            "the body must name the tenant that is to be erased",
        ));
    }
    if matches!(tenant.as_str(), HOME_TENANT | SYSTEM_TENANT) {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "tenant.home",
            "without this tenant there is no server",
        ));
    }
    let id = gateway.backups.begin()?;
    let job = Witnessed {
        gateway: gateway.clone(),
        caller: caller.clone(),
        started: TENANT_ERASE_STARTED,
        ended: TENANT_ERASE_ENDED,
        about: json!({ "job": id, "tenant": tenant.as_str() }),
    };
    job.begin(async move {
        let erased = erased(&gateway, &caller, &tenant).await;
        erased.unwrap_or_else(|error| backups::failed(&error))
    });
    Ok(backups::accepted(&id))
}

async fn erased(gateway: &Gateway, caller: &Caller, tenant: &TenantId) -> Result<State, BackupError> {
    let membership: ActorRef<Membership> = gateway.cluster.get(Membership::address(tenant));
    let suspend = SuspendTenant {
        why: "erased".to_owned(),
    };
    let suspended = gateway.context.as_admin(&caller.user, membership.ask(suspend)).await;
    match suspended {
        Err(error) if error.code() != "tenant.unknown" => return Err(error.into()),
        Ok(_) | Err(_) => {}
    }
    // Whoever was let in a moment ago is let in for so long, and would write anew what was erased.
    tokio::time::sleep(STALE).await;
    let actors = gateway.cluster.erase(tenant).await?;
    let failed =
        |code, error: &dyn std::fmt::Display| BackupError::from(ActorError::retryable(code, error.to_string()));
    let env = gateway.planning.env();
    let objects = env.objects.delete_below(format!("tenants/{tenant}")).await;
    let objects = objects.map_err(|error| failed("erase.objects", &error))?;
    let writer = env.vectors.writer(tenant.as_str().to_owned()).await;
    let writer = writer.map_err(|error| failed("erase.vectors", &error))?;
    if writer > 0 {
        let clear = VectorWrite {
            tenant: tenant.as_str().to_owned(),
            writer: writer + 1,
            changes: vec![VectorChange::Clear],
        };
        let cleared = env.vectors.write(clear).await;
        cleared.map_err(|error| failed("erase.vectors", &error))?;
    }
    Ok(State::Erased { actors, objects })
}
