//! Signing in.

use actix_web::{HttpRequest, web};
use actors::email::Email;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{Answer, Shared, TENANT_ID_MAX, WorkplaceBody, cookie_of, device, shown_session, tenant_id};
use crate::gateway::{
    accounts::{self, Entrance, PASSWORD_MAX},
    answer::fresh,
    body::{self, Fields},
    caller,
    error::Problem,
};

/// A session that was opened.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignedInBody {
    /// What the program shows as its bearer token; not there if a cookie was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// When the session ends by itself, Unix seconds.
    expires_at: u64,
    /// Id of the user.
    user: String,
    /// What the person is called.
    name: String,
    /// Where the person works; null if they are no member of a tenant.
    tenant: Option<WorkplaceBody>,
}

/// What somebody signs in with.
#[derive(Debug)]
pub(crate) struct Credentials {
    email: Option<Email>,
    password: Secret,
    tenant: Option<String>,
    is_cookie: bool,
}

/// A password that is not shown.
struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Secret(..)")
    }
}

/// Reads what somebody signs in with.
pub(crate) fn credentials(fields: &mut Fields) -> Credentials {
    let credentials = Credentials {
        email: fields.email("email"),
        password: Secret(fields.secret("password", PASSWORD_MAX)),
        tenant: fields.optional_text("tenant", TENANT_ID_MAX),
        is_cookie: fields.flag("cookie"),
    };
    fields.says("email", "Of the account", "ann@example.org");
    fields.says("password", "Of the account", "a long sentence of mine");
    fields.says("tenant", "To work in another one than the last time", Value::Null);
    fields.says("cookie", "Whether the session is for the browser that asks", false);
    credentials
}

/// `POST /api/auth/sign-in`: `email`, `password`, `tenant` to work in another one than the last time. With `cookie` the session is
/// for the browser that asks, from a page of this server, and no script sees it.
pub(crate) async fn sign_in(request: HttpRequest, payload: web::Payload, gateway: Shared) -> Answer {
    let mut fields = body::json(&request, payload, gateway.server.body_limit_bytes).await?;
    let Credentials {
        email,
        password: Secret(password),
        tenant,
        is_cookie,
    } = credentials(&mut fields);
    fields.finish()?;
    let email = email.ok_or_else(Problem::internal)?;
    let tenant = tenant.as_deref().map(tenant_id).transpose()?;
    if is_cookie {
        caller::check_origin(&request, &gateway)?;
    }
    let entrance = Entrance {
        email,
        password,
        tenant,
        device: device(&request),
        old: shown_session(&request, &gateway).filter(|_| is_cookie),
    };
    let signed_in = accounts::sign_in(&gateway, entrance).await?;
    let cookie = is_cookie.then(|| cookie_of(&gateway, &signed_in.opened));
    let mut response = fresh(&SignedInBody {
        token: (!is_cookie).then_some(signed_in.opened.token),
        expires_at: signed_in.opened.expires_at,
        user: signed_in.person.user.as_str().to_owned(),
        name: signed_in.person.name,
        tenant: signed_in.tenant.map(|(tenant, standing)| WorkplaceBody {
            id: tenant.as_str().to_owned(),
            name: standing.tenant_name,
            role: standing.role,
        }),
    });
    if let Some(cookie) = cookie {
        response.add_cookie(&cookie).map_err(|_| Problem::internal())?;
    }
    Ok(response)
}
