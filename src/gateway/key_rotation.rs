//! Rotation of the keys that sign tokens, for admins of the server.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::json;

use super::{
    answer::{fresh, made},
    body,
    caller::Caller,
    error::Problem,
    signing_keys::SigningKey,
    state::Gateway,
    witness::{self, SIGNING_KEY_ROTATED},
};

/// How the keys stand.
#[derive(Debug, Serialize)]
struct SigningKeyList {
    /// The oldest first.
    items: Vec<SigningKey>,
}

/// `GET /api/admin/signing-keys`.
pub(crate) async fn list(gateway: web::Data<Gateway>) -> HttpResponse {
    fresh(&SigningKeyList {
        items: gateway.signer.keys().list(),
    })
}

/// `POST /api/admin/signing-keys`: makes a new key, which signs a moment later. With `revoke_previous` everyone has to sign in
/// again.
pub(crate) async fn rotate(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: web::Data<Gateway>,
) -> Result<HttpResponse, Problem> {
    let mut fields = body::json(&request, payload, gateway.server.body_limit_bytes).await?;
    let revokes = fields.flag("revoke_previous");
    fields.finish()?;
    let about = json!({ "revoke_previous": revokes });
    witness::record(&gateway, &caller, SIGNING_KEY_ROTATED, about).await?;
    let key = gateway.signer.keys().rotate(&gateway.cluster, revokes).await?;
    Ok(made(&key))
}
