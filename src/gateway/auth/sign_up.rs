//! Signing up, and proving an address.

use actix_web::{HttpRequest, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Answer, Shared, mailed, ticket};
use crate::gateway::{
    accounts::{self, NAME_MAX, NewPerson, PASSWORD_MAX},
    answer::fresh,
    body, turnstile,
};

/// Who has confirmed an address.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConfirmedBody {
    /// Id of the user, which lasts.
    user: String,
    /// The address.
    #[schema(example = "ann@example.org")]
    email: String,
    /// What the person is called.
    name: String,
}

/// `POST /api/auth/sign-up`: `email`, `name`, `password`, and `tenant`, the name of the tenant that the person founds. The answer is
/// the same whether or not there is an account.
pub(crate) async fn sign_up(request: HttpRequest, payload: web::Payload, gateway: Shared) -> Answer {
    let mut fields = body::json_or_form(&request, payload, gateway.server.body_limit_bytes).await?;
    let token = turnstile::token(&request, &mut fields);
    let new = read(&mut fields);
    fields.finish()?;
    if let Some(new) = new {
        turnstile::pass(&request, &gateway, token).await?;
        accounts::sign_up(&gateway, new).await?;
    }
    Ok(mailed())
}

/// Reads who wants an account, and that it is a person.
pub(crate) fn registration(fields: &mut body::Fields) {
    turnstile::field(fields);
    read(fields);
}

/// Reads who wants an account. None if the address does not fit, which the fields know.
pub(crate) fn read(fields: &mut body::Fields) -> Option<NewPerson> {
    let email = fields.email("email");
    let name = fields.line("name", NAME_MAX);
    let password = fields.secret("password", PASSWORD_MAX);
    let tenant = fields.optional_line("tenant", NAME_MAX);
    fields.says("email", "Where the person is written to", "ann@example.org");
    fields.says("name", "What the person is called", "Ann");
    fields.says("password", "Of the account", "a long sentence of mine");
    fields.says("tenant", "What the tenant is called that the person founds", "Acme");
    Some(NewPerson {
        email: email?,
        name,
        password,
        tenant,
    })
}

/// `POST /api/auth/verify`: `token`, from the mail.
pub(crate) async fn verify(request: HttpRequest, payload: web::Payload, gateway: Shared) -> Answer {
    let mut fields = body::json(&request, payload, gateway.server.body_limit_bytes).await?;
    let token = ticket(&mut fields);
    fields.finish()?;
    let person = accounts::verify(&gateway, &token).await?;
    Ok(fresh(&ConfirmedBody {
        user: person.user.as_str().to_owned(),
        email: person.email.as_str().to_owned(),
        name: person.name,
    }))
}
