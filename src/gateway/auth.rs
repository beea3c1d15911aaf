//! The API of people's own accounts: signing up and in, passwords, sessions, tenants, invitations.
//!
//! Handlers read the request, call the operation (`accounts`) and write the answer.

mod invitations;
mod passwords;
mod sessions;
mod sign_in;
mod sign_up;
mod tenants;

use actix_web::{HttpRequest, HttpResponse, cookie::Cookie, http::header, web};
use actors::role::Role;
use cluster::prelude::{TenantId, Uuid};
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use self::{
    invitations::{
        InvitationBody, OfferBody, accept, acceptance, allowed as may_invite, invitations, invitations_query, invite,
        look, read as invitee, revoke, ticket,
    },
    passwords::{another_password, change, forgot, forgotten, renewed, reset},
    sessions::{ClosedBody, SessionsBody, close, close_others, sessions},
    sign_in::{SignedInBody, credentials, sign_in},
    sign_up::{ConfirmedBody, read as new_person, registration, sign_up, verify},
    tenants::{PlaceBody, PlacesBody, erase, farewell, other_tenant, switch, tenants},
};
use super::{
    caller::{SESSION_COOKIE, session_cookie},
    callers::Opened,
    error::Problem,
    state::Gateway,
    token::Purpose,
    words::RoleWord,
};

type Shared = web::Data<Gateway>;
type Answer = Result<HttpResponse, Problem>;

/// Longest name of a tenant that is looked at.
const TENANT_ID_MAX: usize = 64;

/// A tenant that somebody works in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WorkplaceBody {
    /// Id of the tenant.
    id: String,
    /// What it is called.
    name: String,
    /// What the person may do there.
    #[schema(value_type = RoleWord)]
    role: Role,
}

/// Says that something was begun, and that a mail has what comes next. Strangers are told so in any case.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MailedBody {
    /// True.
    mailed: bool,
}

fn mailed() -> HttpResponse {
    HttpResponse::Accepted()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(MailedBody { mailed: true })
}

/// Where a request says it comes from, as sessions show it.
pub(crate) fn device(request: &HttpRequest) -> String {
    let agent = request.headers().get(header::USER_AGENT);
    agent
        .and_then(|agent| agent.to_str().ok())
        .unwrap_or("an unknown program")
        .to_owned()
}

/// The session that a browser shows, and whose it is.
pub(crate) fn shown_session(request: &HttpRequest, gateway: &Gateway) -> Option<(Uuid, String)> {
    let cookie = request.cookie(SESSION_COOKIE)?;
    let claims = gateway.signer.verify(cookie.value(), &[Purpose::Session]).ok()?;
    Some((claims.jti, claims.sub))
}

/// The cookie of a session that was opened.
pub(crate) fn cookie_of(gateway: &Gateway, opened: &Opened) -> Cookie<'static> {
    let now = jsonwebtoken::get_current_timestamp();
    let seconds = i64::try_from(opened.expires_at.saturating_sub(now)).unwrap_or(i64::MAX);
    session_cookie(opened.token.clone(), seconds, gateway.server.is_secure())
}

/// The cookie that takes a session out of a browser.
pub(crate) fn no_cookie(gateway: &Gateway) -> Cookie<'static> {
    let mut cookie = session_cookie(String::new(), 0, gateway.server.is_secure());
    cookie.make_removal();
    cookie
}

/// A tenant that a request names. One that cannot be is not there.
fn tenant_id(text: &str) -> Result<TenantId, Problem> {
    TenantId::new(text).map_err(|_| Problem::not_found("tenant.unknown", "there is no such tenant"))
}
