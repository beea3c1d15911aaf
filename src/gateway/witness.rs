//! Recording what no turn of an actor stands behind: who was denied what, and who did what to the server.
//!
//! An event goes into the chain of the caller's tenant; whoever looks after the server is of the home tenant. It is recorded before
//! what it tells of is begun, so nothing is done that the chain does not know of.

use std::time::Duration;

use actix_web::{HttpMessage, HttpRequest, body::BoxBody, dev::ServiceResponse};
use actors::audit::{AuditLog, NAME, append_once};
use cluster::prelude::{ActorError, ActorId};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    caller::{Caller, Proof},
    error::Problem,
    permission::Permission,
    state::Gateway,
};

/// Somebody was refused for lack of a permission.
pub(crate) const PERMISSION_DENIED: &str = "permission_denied";
/// A limiter forgets what it counted.
pub(crate) const LIMIT_RESET: &str = "limit_reset";
/// A limiter has a limit of its own.
pub(crate) const LIMIT_CONFIGURED: &str = "limit_configured";

/// A node is to have another state.
pub(crate) const NODE_STATE_REQUESTED: &str = "node_state_requested";
/// A node does not get the state that was asked for.
pub(crate) const NODE_STATE_REFUSED: &str = "node_state_refused";
/// A backup is begun.
pub(crate) const BACKUP_STARTED: &str = "backup_started";
/// A backup is at its end, good or bad.
pub(crate) const BACKUP_ENDED: &str = "backup_ended";
/// A restore is begun.
pub(crate) const RESTORE_STARTED: &str = "restore_started";
/// A restore is at its end, good or bad.
pub(crate) const RESTORE_ENDED: &str = "restore_ended";
/// All of a tenant is to be given up.
pub(crate) const TENANT_ERASE_STARTED: &str = "tenant_erase_started";
/// All of a tenant was given up, or could not be.
pub(crate) const TENANT_ERASE_ENDED: &str = "tenant_erase_ended";
/// A key that signs tokens is to be made.
pub(crate) const SIGNING_KEY_ROTATED: &str = "signing_key_rotated";
/// The index of a tenant is to be made again.
pub(crate) const VECTORS_REBUILD_STARTED: &str = "vectors_rebuild_started";

/// Longest time that recording may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Most characters of an address that a record holds.
const PATH_CHARS: usize = 256;

/// Has an event recorded once in the chain of the caller's tenant. `members` is an object of what it is about.
///
/// # Errors
///
/// Fails when the chain does not take it: then what it tells of must not be done. Only the operator at the machine itself may go
/// on, who has to mend what keeps the chain from answering; the log says so.
pub(crate) async fn record(
    gateway: &Gateway,
    caller: &Caller,
    event: &'static str,
    members: Value,
) -> Result<(), Problem> {
    let audit = ActorId::from_name::<AuditLog>(&caller.tenant, NAME);
    let audit = gateway.cluster.get::<AuditLog>(audit);
    let appended = append_once(&audit, &caller.user, Uuid::now_v7(), event, members);
    let appended = gateway
        .on_behalf(caller, tokio::time::timeout(PATIENCE, appended))
        .await;
    let error = match appended {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => error,
        Err(_) => ActorError::retryable("audit.slow", "the audit chain did not answer in time"),
    };
    tracing::error!(tenant = %caller.tenant, event, %error, "an event was not recorded");
    match caller.proof {
        Proof::Local => Ok(()),
        Proof::Session(_) | Proof::Key { .. } | Proof::Issuer { .. } => Err(Problem::unavailable(
            "audit.unavailable",
            "this cannot be recorded at the moment, so it was not done",
        )),
    }
}

/// Has a denial recorded before its answer leaves. All pass here, from the gate and from handlers. A caller who is denied too often is
/// told that instead, and it is not recorded: nobody fills a chain by asking for what they may not do.
pub(crate) async fn see(gateway: &Gateway, response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let problem = response
        .response()
        .error()
        .and_then(|error| error.as_error::<Problem>());
    let Some(permission) = problem.and_then(Problem::denied) else {
        return response;
    };
    let Some(caller) = response.request().extensions().get::<Caller>().cloned() else {
        return response;
    };
    match denial(gateway, response.request(), &caller, permission).await {
        Ok(()) => response,
        Err(problem) => ServiceResponse::from_err(problem, response.request().clone()),
    }
}

async fn denial(
    gateway: &Gateway,
    request: &HttpRequest,
    caller: &Caller,
    permission: Permission,
) -> Result<(), Problem> {
    gateway.limits.denial(request, caller).await?;
    let path: String = request.path().chars().take(PATH_CHARS).collect();
    let members = json!({ "permission": permission.as_str(), "method": request.method().as_str(), "path": path });
    record(gateway, caller, PERMISSION_DENIED, members).await
}
