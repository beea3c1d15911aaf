//! Which names and which pages may be used to ask. A page of another site whose name was made to lead here comes with that name, and is
//! refused before anything else is looked at.

use actix_web::{HttpRequest, http::header};
use url::{Host, Url};

use crate::gateway::{caller, cors, error::Problem, state::Gateway};

/// Refuses a request under a foreign name or of a foreign page.
///
/// # Errors
///
/// Fails for a `Host` that is not this server's, an `Origin` that may not ask it, and a cookie that comes without one.
pub(super) fn check(request: &HttpRequest, gateway: &Gateway) -> Result<(), Problem> {
    let server = &gateway.server;
    let host = text(request, header::HOST).and_then(|host| Url::parse(&format!("http://{host}")).ok());
    let is_own = host.as_ref().and_then(Url::host).is_some_and(|host| match host {
        // Nobody can make a number lead elsewhere.
        Host::Ipv4(_) | Host::Ipv6(_) => true,
        Host::Domain("localhost") => true,
        Host::Domain(name) => match Url::parse(&server.public_url) {
            Ok(own) => own.host_str() == Some(name),
            Err(_) => !server.is_development(),
        },
    });
    if !is_own {
        return Err(Problem::forbidden(
            "mcp.host",
            "the Host header names another server; server.public-url says what this one is called",
        ));
    }
    if let Some(origin) = request.headers().get(header::ORIGIN)
        && !cors::may_ask(origin, server)
        && caller::check_origin(request, gateway).is_err()
    {
        return Err(Problem::forbidden(
            "mcp.origin",
            "pages of this origin may not ask; server.allowed-origins says which may",
        ));
    }
    if request.headers().contains_key(header::AUTHORIZATION) {
        return Ok(());
    }
    // A browser sends its cookie along whoever made it ask.
    caller::check_origin(request, gateway)
}

fn text(request: &HttpRequest, name: header::HeaderName) -> Option<&str> {
    request.headers().get(name)?.to_str().ok()
}
