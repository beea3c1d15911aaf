//! Sign-in by a link, sign-out, and tokens for programs.
//!
//! A sign-in link holds a signed token that is exchanged for a session once: the exchange is recorded in the cluster before
//! the session is made, so two browsers cannot both win.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use actors::{
    api_key::Scope,
    role::{Plan, Role},
};
use cluster::prelude::TenantId;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    answer::made,
    auth::{cookie_of, device, no_cookie, shown_session},
    body::{self, Fields},
    caller::{self, Caller},
    callers::FIRST_USER,
    error::Problem,
    pages,
    permission::Permission,
    session_owner::SessionOwner,
    state::Gateway,
    tenant::roles,
    token::{self, Claims, Purpose, Signer},
    words::{PlanWord, RoleWord},
};
use crate::config::SIGN_IN_HOURS_MAX;

/// Setting under which the exchange of a sign-in token is recorded.
const USED_PREFIX: &str = "sign-in-used/";

/// Setting that exists as soon as anyone has signed in.
pub const SIGNED_IN: &str = "signed-in";

/// Seconds of an hour.
const HOUR: u64 = 3600;

/// Who the caller is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Me {
    #[schema(example = "ann")]
    user: String,
    #[schema(example = "acme")]
    tenant: String,
    /// None for an API key with permissions of its own.
    #[schema(value_type = Option<RoleWord>)]
    role: Option<Role>,
    #[schema(value_type = PlanWord)]
    plan: Plan,
    permissions: Vec<Permission>,
    /// Unix seconds; none for an API key without end.
    expires_at: Option<u64>,
}

/// A token that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Minted {
    /// What the program shows as its bearer token.
    token: String,
    /// Unix seconds.
    expires_at: u64,
}

/// A sign-in link that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Link {
    url: String,
    /// Unix seconds.
    expires_at: u64,
}

/// The address that signs in `user`, who is a member of the tenant, once.
#[must_use]
pub fn sign_in_link(gateway: &Gateway, tenant: &TenantId, user: &str) -> String {
    link(gateway, tenant, user).url
}

fn link(gateway: &Gateway, tenant: &TenantId, user: &str) -> Link {
    let life = Duration::from_secs(gateway.auth.sign_in_link_hours * HOUR);
    let claims = Signer::claims(tenant, user, Purpose::SignIn, life);
    let url = format!("{}/sign-in/{}", gateway.server.base_url(), gateway.signer.sign(&claims));
    Link {
        url,
        expires_at: claims.exp,
    }
}

/// `GET /sign-in/{token}`: exchanges a sign-in token for a session.
pub(crate) async fn sign_in_by_link(
    request: HttpRequest,
    gateway: web::Data<Gateway>,
    token: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    if is_speculative(&request) {
        return Ok(HttpResponse::NoContent().finish());
    }
    let Ok(claims) = gateway.signer.verify(&token, &[Purpose::SignIn]) else {
        return Ok(pages::link_refused(&request, &gateway));
    };
    if !exchange(&gateway, &claims).await? {
        return Ok(pages::link_refused(&request, &gateway));
    }
    let tenant = TenantId::new(&claims.tid)?;
    let life = Duration::from_secs(gateway.auth.session_hours * HOUR);
    let opened = gateway
        .callers
        .open(&tenant, &claims.sub, &device(&request), life)
        .await?;
    if let Some((session, user)) = shown_session(&request, &gateway) {
        // Nobody must be able to give somebody theirs; it ends by itself if it cannot be closed now.
        if let Err(problem) = gateway.callers.close(session, &user).await {
            tracing::warn!(%problem, "the session before this one could not be closed");
        }
    }
    tracing::info!(tenant = %tenant, "a person signed in");
    // A redirect would belong to the navigation that led here, perhaps from another site, and browsers send no strict cookie
    // along with that. The next step of this page is our own.
    Ok(HttpResponse::Ok()
        .cookie(cookie_of(&gateway, &opened))
        .insert_header(("refresh", "0;url=/runs"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("text/html; charset=utf-8")
        .body(pages::signed_in(&request)))
}

/// Says whether a browser only prepares for a visit; that must not use the link up.
fn is_speculative(request: &HttpRequest) -> bool {
    ["sec-purpose", "purpose", "x-moz"].into_iter().any(|name| {
        let value = request.headers().get(name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.contains("prefetch") || value.contains("preview"))
    })
}

/// Records that a sign-in token was exchanged; says whether this was the first time.
async fn exchange(gateway: &Gateway, claims: &Claims) -> Result<bool, Problem> {
    let ours = Uuid::new_v4().into_bytes().to_vec();
    let name = format!("{USED_PREFIX}{}", claims.jti);
    let settings = gateway.cluster.settings();
    let is_first = settings.put_if_absent(&name, ours.clone()).await? == ours;
    if is_first {
        settings.put_if_absent(SIGNED_IN, Vec::from(*b"1")).await?;
    }
    Ok(is_first)
}

/// `POST /sign-out`: ends the session of this browser, everywhere.
pub(crate) async fn sign_out(request: HttpRequest, gateway: web::Data<Gateway>) -> Result<HttpResponse, Problem> {
    caller::check_origin(&request, &gateway)?;
    if let Some((session, user)) = shown_session(&request, &gateway) {
        gateway.callers.close(session, &user).await?;
    }
    Ok(HttpResponse::SeeOther()
        .cookie(no_cookie(&gateway))
        .insert_header((header::LOCATION, "/sign-in?why=out"))
        .finish())
}

/// `POST /api/auth/sign-out`: ends the session that is shown, everywhere.
pub(crate) async fn end(owner: SessionOwner, gateway: web::Data<Gateway>) -> Result<HttpResponse, Problem> {
    gateway.callers.close(owner.session, owner.user.as_str()).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET /api/auth/me`: says who the caller is.
pub(crate) async fn me(caller: Caller) -> HttpResponse {
    HttpResponse::Ok().json(Me {
        user: caller.user.clone(),
        tenant: caller.tenant.as_str().to_owned(),
        role: match &caller.scope {
            Scope::Role(role) => Some(*role),
            Scope::Permissions(_) => None,
        },
        plan: caller.plan,
        permissions: Permission::ALL
            .into_iter()
            .filter(|&permission| caller.may(permission))
            .collect(),
        expires_at: (caller.expires_at != u64::MAX).then_some(caller.expires_at),
    })
}

/// `POST /api/auth/tokens`: makes a session token for a program.
pub(crate) async fn mint(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: web::Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let mut fields = body::json(&request, payload, gateway.server.body_limit_bytes).await?;
    let NewToken { hours, subject } = new_token(&mut fields);
    fields.finish()?;
    if hours.is_some_and(|hours| hours > gateway.auth.token_hours_max) {
        let most = gateway.auth.token_hours_max;
        let detail = format!("a token lives at most {most} hours here");
        return Err(Problem::unprocessable("auth.token-life", detail));
    }
    let (tenant, user, role) = subject.allowed_to(&caller)?;
    let life = Duration::from_secs(hours.unwrap_or(gateway.auth.session_hours) * HOUR);
    enrol(&gateway, &caller, &tenant, &user, role).await?;
    let opened = gateway.callers.open(&tenant, &user, &device(&request), life).await?;
    tracing::info!(tenant = %tenant, "a token was made");
    Ok(made(&Minted {
        token: opened.token,
        expires_at: opened.expires_at,
    }))
}

/// `POST /api/auth/sign-in-links`: makes a link that signs a person in once.
pub(crate) async fn mint_link(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: web::Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let mut fields = body::json(&request, payload, gateway.server.body_limit_bytes).await?;
    let subject = subject(&mut fields);
    fields.finish()?;
    let (tenant, user, role) = subject.allowed_to(&caller)?;
    enrol(&gateway, &caller, &tenant, &user, role).await?;
    tracing::info!(tenant = %tenant, "a sign-in link was made");
    Ok(made(&link(&gateway, &tenant, &user)))
}

/// Makes a user a member, on behalf of the caller, who may be of the home tenant.
async fn enrol(
    gateway: &Gateway,
    caller: &Caller,
    tenant: &TenantId,
    user: &str,
    role: Option<Role>,
) -> Result<(), Problem> {
    let enrolled = gateway.callers.enrol(tenant, user, role);
    gateway
        .context
        .on_behalf(tenant, &caller.user, caller.plan.as_str(), enrolled)
        .await
}

/// A token that is asked for.
#[derive(Debug)]
pub(crate) struct NewToken {
    hours: Option<u64>,
    subject: Subject,
}

/// Reads what a token is to be.
pub(crate) fn new_token(fields: &mut Fields) -> NewToken {
    let hours = fields.integer("hours", 1..=SIGN_IN_HOURS_MAX);
    fields.says("hours", "How long it lives; the server may set a lower bound", 24);
    NewToken {
        hours,
        subject: subject(fields),
    }
}

/// Reads for whom a token or a link is.
pub(crate) fn subject(fields: &mut Fields) -> Subject {
    let subject = Subject {
        user: fields.optional_text("user", token::USER_BYTES_MAX),
        tenant: fields.optional_text("tenant", 64),
        role: fields.choice("role", &roles()),
    };
    fields.says("user", "Whose it is; `admin` where nothing is said", "ann");
    fields.says("tenant", "Another tenant than the caller's", Value::Null);
    fields.says("role", "The role of a user who is no member yet", "operator");
    subject
}

/// For whom a token is asked.
#[derive(Debug)]
pub(crate) struct Subject {
    user: Option<String>,
    tenant: Option<String>,
    role: Option<Role>,
}

impl Subject {
    /// Decides whether the caller may speak for this subject: one of the own tenant, or of any for who looks after the
    /// server.
    fn allowed_to(self, caller: &Caller) -> Result<(TenantId, String, Option<Role>), Problem> {
        let tenant = match self.tenant {
            None => caller.tenant.clone(),
            Some(name) => TenantId::new(&name)?,
        };
        let user = self.user.unwrap_or_else(|| FIRST_USER.to_owned());
        if !token::is_user(&user) {
            return Err(Problem::unprocessable(
                "auth.user",
                "a user has visible ASCII characters only",
            ));
        }
        if tenant != caller.tenant && !caller.may(Permission::SystemConfigure) {
            return Err(Problem::permission_denied(
                Permission::SystemConfigure,
                "tokens of another tenant are made by who looks after the server",
            ));
        }
        Ok((tenant, user, self.role))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::caller::Proof;

    fn caller(tenant: &str, role: Role) -> Caller {
        Caller {
            tenant: TenantId::new(tenant).unwrap(),
            user: "ann".to_owned(),
            scope: Scope::Role(role),
            plan: Plan::Free,
            proof: Proof::Local,
            expires_at: 0,
        }
    }

    fn subject(tenant: Option<&str>, user: Option<&str>) -> Subject {
        Subject {
            user: user.map(str::to_owned),
            tenant: tenant.map(str::to_owned),
            role: None,
        }
    }

    #[test]
    fn only_who_looks_after_the_server_makes_tokens_of_other_tenants() {
        let home = caller("default", Role::Admin);
        let (tenant, _, _) = subject(Some("other"), None).allowed_to(&home).unwrap();
        assert_eq!(tenant.as_str(), "other");
        let guest = caller("acme", Role::Admin);
        subject(Some("acme"), None).allowed_to(&guest).unwrap();
        assert_eq!(subject(None, None).allowed_to(&guest).unwrap().0.as_str(), "acme");
        for (tenant, caller) in [
            ("other", &guest),
            ("default", &guest),
            ("acme", &caller("default", Role::Supervisor)),
        ] {
            let problem = subject(Some(tenant), None).allowed_to(caller).unwrap_err();
            assert_eq!(problem.code(), "auth.permission");
        }
    }

    #[test]
    fn a_user_with_strange_characters_is_refused() {
        let problem = subject(None, Some("a b"))
            .allowed_to(&caller("acme", Role::Admin))
            .unwrap_err();
        assert_eq!(problem.code(), "auth.user");
    }
}
