//! Passwords that were forgotten, and others that are to be set.

use actix_web::{HttpRequest, HttpResponse, web};

use super::{Answer, Shared, mailed};
use crate::gateway::{
    accounts::{self, PASSWORD_MAX, TICKET_MAX},
    body,
    session_owner::SessionOwner,
};

/// `POST /api/auth/password/forgot`: `email`. The answer is the same whether or not there is an account.
pub(crate) async fn forgot(request: HttpRequest, payload: web::Payload, gateway: Shared) -> Answer {
    let mut fields = body::json(&request, payload, gateway.server.body_limit_bytes).await?;
    let email = fields.email("email");
    fields.finish()?;
    if let Some(email) = email {
        accounts::forgot(&gateway, &email).await?;
    }
    Ok(mailed())
}

/// `POST /api/auth/password/reset`: `token`, from the mail, and `password`. Every session of the account is closed.
pub(crate) async fn reset(request: HttpRequest, payload: web::Payload, gateway: Shared) -> Answer {
    let mut fields = body::json(&request, payload, gateway.server.body_limit_bytes).await?;
    let token = fields.text("token", TICKET_MAX);
    let password = fields.secret("password", PASSWORD_MAX);
    fields.finish()?;
    accounts::reset(&gateway, &token, password).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /api/auth/password`: `password`, the present one, and `new_password`. The other sessions of the account are closed.
pub(crate) async fn change(
    request: HttpRequest,
    payload: web::Payload,
    owner: SessionOwner,
    gateway: Shared,
) -> Answer {
    let mut fields = body::json(&request, payload, gateway.server.body_limit_bytes).await?;
    let present = fields.secret("password", PASSWORD_MAX);
    let new = fields.secret("new_password", PASSWORD_MAX);
    fields.finish()?;
    accounts::change(&gateway, &owner, present, new).await?;
    Ok(HttpResponse::NoContent().finish())
}
