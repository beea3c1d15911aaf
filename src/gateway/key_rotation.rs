//! Rotation of the keys that sign tokens, for admins of the server.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{
    answer::{fresh, made},
    body::{self, Fields},
    caller::Caller,
    error::Problem,
    signing_keys::SigningKey,
    state::Gateway,
    witness::{self, SIGNING_KEY_ROTATED},
};

/// How the keys stand.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SigningKeyList {
    /// The oldest first.
    items: Vec<SigningKey>,
}

/// `GET /api/admin/signing-keys`.
pub(crate) async fn list(gateway: web::Data<Gateway>) -> HttpResponse {
    fresh(&SigningKeyList {
        items: gateway.signer.keys().list(),
    })
}

/// Reads whether tokens of the keys before are refused from now on.
pub(crate) fn rotation(fields: &mut Fields) -> bool {
    let revokes = fields.flag("revoke_previous");
    fields.says("revoke_previous", "Whether everyone has to sign in again", false);
    revokes
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
    let revokes = rotation(&mut fields);
    fields.finish()?;
    let about = json!({ "revoke_previous": revokes });
    witness::record(&gateway, &caller, SIGNING_KEY_ROTATED, about).await?;
    let key = gateway.signer.keys().rotate(&gateway.cluster, revokes).await?;
    Ok(made(&key))
}
