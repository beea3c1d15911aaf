//! The API keys of the caller's tenant.

use actix_web::{HttpRequest, http::StatusCode, web};
use actors::{
    api_key::Scope,
    membership::{KeyEntry, ListKeys, Membership},
};
use cluster::prelude::Uuid;

use super::{Answer, Shared, tabs};
use crate::{
    gateway::{
        body,
        caller::Caller,
        cursor,
        error::Problem,
        pages::{
            form::refused,
            shell::{Said, page, see_other, shell_anyway},
        },
        permission::Permission,
        state::Gateway,
        tenant,
    },
    planes::ui::{self, FormState, KeyView, KeysView, Section, SettingsTab},
};

const PAGE: &str = "/settings/keys";

/// Keys of a page that a form leads to.
const PAGE_MAX: u32 = 100;

fn row(key: KeyEntry) -> KeyView {
    KeyView {
        id: key.key.to_string(),
        name: key.name,
        scope: match key.scope {
            Scope::Role(role) => role.to_string(),
            Scope::Permissions(names) => names.into_iter().collect::<Vec<_>>().join(", "),
        },
        created_at: key.created.as_secs(),
        expires_at: key.expires.map(|at| at.as_secs()),
    }
}

async fn show(
    request: &HttpRequest,
    gateway: &Gateway,
    caller: &Caller,
    status: StatusCode,
    form: FormState,
    made: Option<String>,
) -> Answer {
    let (limit, after) = match status {
        StatusCode::OK => tenant::page(request, tenant::keys_query)?,
        _ => (PAGE_MAX, None),
    };
    let after = after
        .map(|id| Uuid::try_parse(&id).map_err(|_| cursor::foreign()))
        .transpose()?;
    let membership = gateway.cluster.get::<Membership>(Membership::address(&caller.tenant));
    let keys = membership.ask(ListKeys { after, limit }).await?;
    let view = KeysView {
        keys: keys.items.into_iter().map(row).collect(),
        next: keys.next.map(|id| cursor::encode(tenant::KEYS, &id.to_string())),
        form,
        made,
        may_create: caller.may(Permission::KeyCreate),
        may_revoke: caller.may(Permission::KeyRevoke),
    };
    let shell = shell_anyway(request, gateway, caller, Section::Settings).await;
    let tabs = tabs(caller, SettingsTab::Keys);
    Ok(page(request, status, ui::keys_page(&shell, &tabs, &view)))
}

/// `GET /settings/keys`.
pub(crate) async fn keys(request: HttpRequest, caller: Caller, gateway: Shared) -> Answer {
    show(&request, &gateway, &caller, StatusCode::OK, FormState::default(), None).await
}

/// `POST /settings/keys`: the one page with the secret, which no redirect leads to and nobody keeps.
pub(crate) async fn create_key(request: HttpRequest, payload: web::Payload, caller: Caller, gateway: Shared) -> Answer {
    let fields = body::form(&request, payload, gateway.server.body_limit_bytes).await?;
    let typed = ["name", "role", "expires_in_days"].map(|name| (name, fields.typed(name)));
    match tenant::make_key(&gateway, &caller, fields).await {
        Ok((key, _)) => {
            let (status, form) = (StatusCode::CREATED, FormState::default());
            show(&request, &gateway, &caller, status, form, Some(key)).await
        }
        Err(problem) => {
            let (status, state) = refused(problem, typed)?;
            show(&request, &gateway, &caller, status, state, None).await
        }
    }
}

/// `POST /settings/keys/{id}/revoke`.
pub(crate) async fn revoke_key(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: Shared,
    id: web::Path<String>,
) -> Answer {
    body::form(&request, payload, gateway.server.body_limit_bytes)
        .await?
        .finish()?;
    let id = Uuid::try_parse(&id).map_err(|_| Problem::not_found("key.unknown", "there is no such key"))?;
    gateway.callers.revoke_key(&caller, id).await?;
    Ok(see_other(PAGE, Some(Said::KeyRevoked)))
}
