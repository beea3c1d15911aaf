//! The own account. It is there for whoever has a session, also for those who are in no tenant.

use actix_web::{HttpRequest, http::StatusCode, web};
use cluster::prelude::{TenantId, Uuid};

use super::{Answer, Shared, tabs};
use crate::{
    gateway::{
        accounts::{self, PASSWORD_MAX},
        auth, body,
        caller::Caller,
        error::Problem,
        pages::{
            form::refused,
            shell::{Said, bare, page, see_other, shell_anyway},
        },
        session_owner::SessionOwner,
        state::Gateway,
    },
    planes::ui::{
        self, AccountView, FormState, OpenSessionView, Person, Section, SettingsTab, Shell, Tabs, WorkplaceView,
    },
};
use actors::role::TenantStatus;

const PAGE: &str = "/settings/account";

/// Longest id of a tenant.
const TENANT_ID_MAX: usize = 64;

/// What surrounds the page, also of who is in no tenant.
async fn around(request: &HttpRequest, gateway: &Gateway, owner: &SessionOwner) -> (Shell, Tabs) {
    match Caller::read(request, gateway).await {
        Ok(caller) => (
            shell_anyway(request, gateway, &caller, Section::Settings).await,
            tabs(&caller, SettingsTab::Account),
        ),
        Err(_) => {
            let mut shell = bare(request, Section::Settings);
            shell.person = Some(Person {
                name: owner.display_name(),
                tenant: "in no workspace".to_owned(),
                operates: false,
            });
            let tabs = Tabs {
                current: SettingsTab::Account,
                shown: vec![SettingsTab::Account],
            };
            (shell, tabs)
        }
    }
}

async fn show(
    request: &HttpRequest,
    gateway: &Gateway,
    owner: &SessionOwner,
    status: StatusCode,
    password: FormState,
    erase: FormState,
) -> Answer {
    let account = match accounts::own_account(gateway, owner).await {
        Ok(person) => Some((person.name, person.email.as_str().to_owned())),
        Err(problem) if problem.code() == "account.unknown" => None,
        Err(problem) => return Err(problem),
    };
    let sessions = if account.is_some() {
        accounts::list_sessions(gateway, owner).await?
    } else {
        Vec::new()
    };
    let tenants = accounts::list_tenants(gateway, owner).await?;
    let view = AccountView {
        account,
        user: owner.user.as_str().to_owned(),
        sessions: sessions
            .into_iter()
            .map(|known| OpenSessionView {
                id: known.session.to_string(),
                device: known.device,
                opened_at: known.opened.as_secs(),
                is_current: known.session == owner.session,
            })
            .collect(),
        tenants: tenants
            .into_iter()
            .map(|place| WorkplaceView {
                is_current: owner.tenant.as_ref() == Some(&place.tenant),
                id: place.tenant.as_str().to_owned(),
                name: place.standing.tenant_name,
                role: place.standing.role.to_string(),
                is_suspended: place.standing.status == TenantStatus::Suspended,
            })
            .collect(),
        password,
        erase,
    };
    let (shell, tabs) = around(request, gateway, owner).await;
    Ok(page(request, status, ui::account_page(&shell, &tabs, &view)))
}

/// `GET /settings/account`.
pub(crate) async fn account(request: HttpRequest, owner: SessionOwner, gateway: Shared) -> Answer {
    let (password, erase) = (FormState::default(), FormState::default());
    show(&request, &gateway, &owner, StatusCode::OK, password, erase).await
}

/// `POST /settings/account/password`.
pub(crate) async fn change_password(
    request: HttpRequest,
    payload: web::Payload,
    owner: SessionOwner,
    gateway: Shared,
) -> Answer {
    let mut fields = body::form(&request, payload, gateway.server.body_limit_bytes).await?;
    let present = fields.secret("password", PASSWORD_MAX);
    let new = fields.secret("new_password", PASSWORD_MAX);
    let changed = match fields.finish() {
        Ok(()) => accounts::change(&gateway, &owner, present, new).await,
        Err(problem) => Err(problem),
    };
    match changed {
        Ok(()) => Ok(see_other(PAGE, Some(Said::PasswordChanged))),
        Err(problem) => {
            let (status, state) = refused(problem, [])?;
            show(&request, &gateway, &owner, status, state, FormState::default()).await
        }
    }
}

async fn no_fields(request: &HttpRequest, payload: web::Payload, gateway: &Gateway) -> Result<(), Problem> {
    body::form(request, payload, gateway.server.body_limit_bytes)
        .await?
        .finish()
}

/// `POST /settings/account/sessions/{id}/close`.
pub(crate) async fn close_session(
    request: HttpRequest,
    payload: web::Payload,
    owner: SessionOwner,
    gateway: Shared,
    id: web::Path<String>,
) -> Answer {
    no_fields(&request, payload, &gateway).await?;
    let id = Uuid::try_parse(&id).map_err(|_| Problem::not_found("session.unknown", "there is no such session"))?;
    accounts::close(&gateway, &owner, id).await?;
    Ok(see_other(PAGE, Some(Said::SignedOutThere)))
}

/// `POST /settings/account/sessions/close`.
pub(crate) async fn close_others(
    request: HttpRequest,
    payload: web::Payload,
    owner: SessionOwner,
    gateway: Shared,
) -> Answer {
    no_fields(&request, payload, &gateway).await?;
    accounts::close_others(&gateway, &owner).await?;
    Ok(see_other(PAGE, Some(Said::SignedOutThere)))
}

/// `POST /settings/account/tenant`.
pub(crate) async fn switch(
    request: HttpRequest,
    payload: web::Payload,
    owner: SessionOwner,
    gateway: Shared,
) -> Answer {
    let mut fields = body::form(&request, payload, gateway.server.body_limit_bytes).await?;
    let tenant = fields.text("tenant", TENANT_ID_MAX);
    fields.finish()?;
    let tenant = TenantId::new(&tenant).map_err(|_| Problem::not_found("tenant.unknown", "there is no such tenant"))?;
    accounts::switch(&gateway, &owner, tenant).await?;
    Ok(see_other(PAGE, Some(Said::Switched)))
}

/// `POST /settings/account/erase`.
pub(crate) async fn erase(request: HttpRequest, payload: web::Payload, owner: SessionOwner, gateway: Shared) -> Answer {
    let mut fields = body::form(&request, payload, gateway.server.body_limit_bytes).await?;
    let password = fields.secret("password", PASSWORD_MAX);
    let erased = match fields.finish() {
        Ok(()) => accounts::erase(&gateway, &owner, password).await,
        Err(problem) => Err(problem),
    };
    match erased {
        Ok(()) => {
            let mut response = see_other("/sign-in?why=out", None);
            response
                .add_cookie(&auth::no_cookie(&gateway))
                .map_err(|_| Problem::internal())?;
            Ok(response)
        }
        Err(problem) => {
            let (status, state) = refused(problem, [])?;
            show(&request, &gateway, &owner, status, FormState::default(), state).await
        }
    }
}
