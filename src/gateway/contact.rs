//! Writing to whoever runs the server.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Serialize;

use super::{accounts::NAME_MAX, body, error::Problem, state::Gateway, turnstile};
use crate::planes::communication::Letter;

/// Longest message, in characters.
const MESSAGE_MAX: usize = 5000;

/// A message is on its way.
#[derive(Debug, Serialize)]
struct SentBody {
    /// True.
    sent: bool,
}

/// `POST /api/public/contact`: `name`, `email`, `message`.
pub(crate) async fn contact(
    request: HttpRequest,
    payload: web::Payload,
    gateway: web::Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let mut fields = body::json_or_form(&request, payload, gateway.server.body_limit_bytes).await?;
    let token = turnstile::token(&request, &mut fields);
    let name = fields.line("name", NAME_MAX);
    let email = fields.email("email");
    let message = fields.text("message", MESSAGE_MAX);
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
        text: format!("{name} <{from}> writes:\n\n{message}\n"),
    };
    gateway
        .mail
        .put(letter)
        .map_err(|full| Problem::unavailable("contact.busy", full.to_string()))?;
    Ok(HttpResponse::Accepted()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(SentBody { sent: true }))
}
