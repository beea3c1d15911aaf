//! The gate: what a request passes before a handler sees it, in the order in which it stands here.
//!
//! A handler therefore never asks whether its caller may call it; it finds the caller in the request.

use std::rc::Rc;

use actix_web::{
    Error, HttpMessage,
    body::BoxBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{self, HeaderName},
    },
    middleware::Next,
    web,
};

use super::{
    caller::{self, Caller},
    endpoint::{Access, Counting, Rule, Rules},
    error::Problem,
    session_owner::SessionOwner,
    state::Gateway,
    witness,
};

/// Header of the context token. One from outside is never looked at.
const CONTEXT_TOKEN: HeaderName = HeaderName::from_static("x-context-token");

/// Lets a request through, or answers why not.
///
/// # Errors
///
/// Fails only where an inner service fails.
pub(crate) async fn pass(
    mut request: ServiceRequest,
    next: Next<impl actix_web::body::MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    request.headers_mut().remove(CONTEXT_TOKEN);
    let (Some(gateway), Some(rules)) = (
        request.app_data::<web::Data<Gateway>>().cloned(),
        request.app_data::<Rc<Rules>>().cloned(),
    ) else {
        return Ok(request.error_response(Problem::internal()));
    };
    let (place, rule) = rules.find(&request);
    if let Some(place) = place {
        request.extensions_mut().insert(place);
    }
    let response = match admit(&request, &gateway, rule).await {
        Err(problem) => request.error_response(problem),
        Ok(()) => {
            let caller = request.extensions().get::<Caller>().cloned();
            let handled = next.call(request);
            let response = match caller {
                Some(caller) => gateway.on_behalf(&caller, handled).await,
                None => handled.await,
            };
            response?.map_into_boxed_body()
        }
    };
    Ok(witness::see(&gateway, response).await)
}

/// Decides, and puts the caller into the request.
async fn admit(request: &ServiceRequest, gateway: &Gateway, rule: Option<Rule>) -> Result<(), Problem> {
    let (limits, http) = (&gateway.limits, request.request());
    let Some(rule) = rule else {
        // There is nothing at this address, and the page that says so shows who is signed in.
        return match Caller::read(http, gateway).await {
            Ok(caller) => {
                request.extensions_mut().insert(caller.clone());
                limits.caller(http, &caller).await
            }
            Err(_) => limits.stranger(http).await,
        };
    };
    within_limit(request, gateway.server.body_limit_bytes)?;
    if rule.counting == Counting::Attempts {
        limits.attempt(http).await?;
    }
    let permission = match (rule.access, rule.counting) {
        (Access::Public, Counting::Nothing | Counting::Attempts) => return Ok(()),
        (Access::Public, Counting::Requests) => return limits.stranger(http).await,
        (Access::Session, _) => {
            let owner = owner(request, gateway).await?;
            request.extensions_mut().insert(owner);
            return Ok(());
        }
        (Access::SignedIn, _) => None,
        (Access::Needs(permission), _) => Some(permission),
    };
    let caller = known(request, gateway).await?;
    request.extensions_mut().insert(caller.clone());
    if rule.counting != Counting::Nothing {
        limits.caller(http, &caller).await?;
    }
    match permission {
        Some(permission) if !caller.may(permission) => {
            tracing::info!(tenant = %caller.tenant, %permission, "permission denied");
            Err(Problem::permission_denied(
                permission,
                format!("this needs the permission {permission}, which you do not have"),
            ))
        }
        Some(_) | None => Ok(()),
    }
}

/// Finds out who asks. Whoever is refused counts for their address, and where an address is beyond its limit no actor is asked about a key
/// that has never been seen here: nobody searches for keys that way.
async fn known(request: &ServiceRequest, gateway: &Gateway) -> Result<Caller, Problem> {
    let (limits, http) = (&gateway.limits, request.request());
    if caller::shows_unseen_key(http, gateway) {
        limits.refused_stranger(http)?;
    }
    match Caller::read(http, gateway).await {
        Ok(caller) => Ok(caller),
        Err(problem) => {
            if problem.status().is_client_error() {
                limits.stranger(http).await?;
            }
            Err(problem)
        }
    }
}

/// Finds out whose session is shown. It counts for the tenant they work in, or else for their address.
async fn owner(request: &ServiceRequest, gateway: &Gateway) -> Result<SessionOwner, Problem> {
    let (limits, http) = (&gateway.limits, request.request());
    match SessionOwner::read(http, gateway).await {
        Ok(owner) => {
            match Caller::read(http, gateway).await {
                Ok(caller) => limits.caller(http, &caller).await?,
                Err(_) => limits.stranger(http).await?,
            }
            Ok(owner)
        }
        Err(problem) => {
            if problem.status().is_client_error() {
                limits.stranger(http).await?;
            }
            Err(problem)
        }
    }
}

/// Refuses a body that says by itself that it is too long. One that does not is counted while it is read.
fn within_limit(request: &ServiceRequest, limit: usize) -> Result<(), Problem> {
    let Some(length) = request.headers().get(header::CONTENT_LENGTH) else {
        return Ok(());
    };
    let length: Option<u64> = length.to_str().ok().and_then(|text| text.parse().ok());
    if length.is_some_and(|length| length <= limit as u64) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body.too-large",
        format!("the body has more than the {limit} bytes that are allowed"),
    ))
}
