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
    caller::Caller,
    endpoint::{Access, AccessTable},
    error::Problem,
    state::Gateway,
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
    let (Some(gateway), Some(accesses)) = (
        request.app_data::<web::Data<Gateway>>().cloned(),
        request.app_data::<Rc<AccessTable>>().cloned(),
    ) else {
        return Ok(request.error_response(Problem::internal()));
    };
    if let Err(problem) = admit(&request, &gateway, accesses.find(&request)).await {
        return Ok(request.error_response(problem));
    }
    let caller = request.extensions().get::<Caller>().cloned();
    let handled = next.call(request);
    let response = match caller {
        Some(caller) => gateway.on_behalf(&caller, handled).await,
        None => handled.await,
    };
    Ok(response?.map_into_boxed_body())
}

/// Decides, and puts the caller into the request.
async fn admit(request: &ServiceRequest, gateway: &Gateway, access: Option<Access>) -> Result<(), Problem> {
    let Some(access) = access else {
        // There is nothing at this address, and the page that says so shows who is signed in.
        if let Ok(caller) = Caller::read(request.request(), gateway).await {
            request.extensions_mut().insert(caller);
        }
        return Ok(());
    };
    within_limit(request, gateway.server.body_limit_bytes)?;
    let permission = match access {
        Access::Public => return Ok(()),
        Access::SignedIn => None,
        Access::Needs(permission) => Some(permission),
    };
    let caller = Caller::read(request.request(), gateway).await?;
    request.extensions_mut().insert(caller.clone());
    match permission {
        Some(permission) if !caller.may(permission) => {
            tracing::info!(tenant = %caller.tenant, %permission, "permission denied");
            Err(Problem::forbidden(
                "auth.permission",
                format!("this needs the permission {permission}, which you do not have"),
            ))
        }
        Some(_) | None => Ok(()),
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
