//! Passwords that were forgotten, and others that are to be set.

use actix_web::{HttpRequest, HttpResponse, web};
use actors::email::Email;

use super::{Answer, Shared, mailed, ticket};
use crate::gateway::{
    accounts::{self, PASSWORD_MAX},
    body::{self, Fields},
    session_owner::SessionOwner,
};

/// Reads whose password was forgotten.
pub(crate) fn forgotten(fields: &mut Fields) -> Option<Email> {
    let email = fields.email("email");
    fields.says("email", "Of the account", "ann@example.org");
    email
}

/// Reads a token of a mail and a password.
pub(crate) fn renewed(fields: &mut Fields) -> (String, String) {
    let token = ticket(fields);
    let password = fields.secret("password", PASSWORD_MAX);
    fields.says("password", "From now on", "a long sentence of mine");
    (token, password)
}

/// Reads the present password and another one.
pub(crate) fn another_password(fields: &mut Fields) -> (String, String) {
    let present = fields.secret("password", PASSWORD_MAX);
    let new = fields.secret("new_password", PASSWORD_MAX);
    fields.says("password", "The present one", "a long sentence of mine");
    fields.says("new_password", "From now on", "another long sentence of mine");
    (present, new)
}

/// `POST /api/auth/password/forgot`: `email`. The answer is the same whether or not there is an account.
pub(crate) async fn forgot(request: HttpRequest, payload: web::Payload, gateway: Shared) -> Answer {
    let mut fields = body::json(&request, payload, gateway.server.body_limit_bytes).await?;
    let email = forgotten(&mut fields);
    fields.finish()?;
    if let Some(email) = email {
        accounts::forgot(&gateway, &email).await?;
    }
    Ok(mailed())
}

/// `POST /api/auth/password/reset`: `token`, from the mail, and `password`. Every session of the account is closed.
pub(crate) async fn reset(request: HttpRequest, payload: web::Payload, gateway: Shared) -> Answer {
    let mut fields = body::json(&request, payload, gateway.server.body_limit_bytes).await?;
    let (token, password) = renewed(&mut fields);
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
    let (present, new) = another_password(&mut fields);
    fields.finish()?;
    accounts::change(&gateway, &owner, present, new).await?;
    Ok(HttpResponse::NoContent().finish())
}
