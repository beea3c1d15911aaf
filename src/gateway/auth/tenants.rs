//! The tenants of a person, and the end of an account.

use actix_web::{HttpRequest, HttpResponse, web};
use actors::role::{Plan, Role, TenantStatus};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Answer, Shared, TENANT_ID_MAX, no_cookie, shown_session, tenant_id};
use crate::gateway::{
    accounts::{self, PASSWORD_MAX, Place},
    answer::fresh,
    body::{self, Fields},
    session_owner::SessionOwner,
    words::{PlanWord, RoleWord, TenantStatusWord},
};

/// A tenant that a person is a member of.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlaceBody {
    /// Id of the tenant.
    id: String,
    /// What it is called.
    name: String,
    /// What the person may do there.
    #[schema(value_type = RoleWord)]
    role: Role,
    #[schema(value_type = PlanWord)]
    plan: Plan,
    #[schema(value_type = TenantStatusWord)]
    status: TenantStatus,
    /// Whether the session that asks works there.
    current: bool,
}

impl PlaceBody {
    fn new(place: Place, is_current: bool) -> Self {
        Self {
            id: place.tenant.as_str().to_owned(),
            name: place.standing.tenant_name,
            role: place.standing.role,
            plan: place.standing.plan,
            status: place.standing.status,
            current: is_current,
        }
    }
}

/// All tenants of a person; there are few.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlacesBody {
    items: Vec<PlaceBody>,
}

/// `GET /api/auth/tenants`.
pub(crate) async fn tenants(owner: SessionOwner, gateway: Shared) -> Answer {
    let places = accounts::list_tenants(&gateway, &owner).await?;
    let items = places.into_iter().map(|place| {
        let is_current = owner.tenant.as_ref() == Some(&place.tenant);
        PlaceBody::new(place, is_current)
    });
    Ok(fresh(&PlacesBody { items: items.collect() }))
}

/// Reads in which tenant the session is to work.
pub(crate) fn other_tenant(fields: &mut Fields) -> String {
    let tenant = fields.text("tenant", TENANT_ID_MAX);
    fields.says("tenant", "Id of the tenant", "acme");
    tenant
}

/// Reads the password of an account that is to be gone.
pub(crate) fn farewell(fields: &mut Fields) -> String {
    let password = fields.secret("password", PASSWORD_MAX);
    fields.says("password", "Of the account", "a long sentence of mine");
    password
}

/// `POST /api/auth/tenant`: `tenant`, the id of another one to work in.
pub(crate) async fn switch(
    request: HttpRequest,
    payload: web::Payload,
    owner: SessionOwner,
    gateway: Shared,
) -> Answer {
    let mut fields = body::json(&request, payload, gateway.server.body_limit_bytes).await?;
    let tenant = other_tenant(&mut fields);
    fields.finish()?;
    let place = accounts::switch(&gateway, &owner, tenant_id(&tenant)?).await?;
    Ok(fresh(&PlaceBody::new(place, true)))
}

/// `POST /api/auth/account/erase`: `password`. The account, its sessions and memberships are gone then.
pub(crate) async fn erase(request: HttpRequest, payload: web::Payload, owner: SessionOwner, gateway: Shared) -> Answer {
    let mut fields = body::json(&request, payload, gateway.server.body_limit_bytes).await?;
    let password = farewell(&mut fields);
    fields.finish()?;
    accounts::erase(&gateway, &owner, password).await?;
    let mut response = HttpResponse::NoContent();
    if shown_session(&request, &gateway).is_some_and(|(session, _)| session == owner.session) {
        response.cookie(no_cookie(&gateway));
    }
    Ok(response.finish())
}
