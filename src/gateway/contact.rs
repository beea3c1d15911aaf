//! Writing to whoever runs the server.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use actors::email::Email;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    accounts::NAME_MAX,
    body::{self, Fields},
    error::Problem,
    state::Gateway,
    turnstile,
};
use crate::planes::communication::Letter;

/// Longest message, in characters.
const MESSAGE_MAX: usize = 5000;

/// A message is on its way.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LetterBody {
    /// True.
    sent: bool,
}

/// Who writes what to whoever runs the server.
#[derive(Debug)]
pub(crate) struct Message {
    name: String,
    email: Option<Email>,
    text: String,
}

/// Reads a message.
pub(crate) fn message(fields: &mut Fields) -> Message {
    let message = Message {
        name: fields.line("name", NAME_MAX),
        email: fields.email("email"),
        text: fields.text("message", MESSAGE_MAX),
    };
    fields.says("name", "Who writes", "Ann");
    fields.says("email", "Where an answer goes", "ann@example.org");
    fields.says("message", "What is to be said", "Where can I read more?");
    message
}

/// Reads a message, and that a person writes it.
pub(crate) fn letter(fields: &mut Fields) {
    turnstile::field(fields);
    message(fields);
}

/// `POST /api/public/contact`: `name`, `email`, `message`.
pub(crate) async fn contact(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let mut fields = body::json_or_form(&request, payload, gateway.server.body_limit_bytes).await?;
    let token = turnstile::token(&request, &mut fields);
    let Message { name, email, text } = message(&mut fields);
    fields.finish()?;
    let to = gateway
        .contact
        .clone()
        .ok_or_else(|| Problem::not_found("contact.nobody", "nobody receives messages here"))?;
    turnstile::pass(&request, &gateway, token).await?;
    let from = email.ok_or_else(Problem::internal)?;
    let letter = Letter {
        to,
        subject: format!("A message of {name}"),
        text: format!("{name} <{from}> writes:\n\n{text}\n"),
    };
    gateway
        .mail
        .put(letter)
        .map_err(|full| Problem::unavailable("contact.busy", full.to_string()))?;
    Ok(HttpResponse::Accepted()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(LetterBody { sent: true }))
}
