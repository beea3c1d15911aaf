//! Cross-origin requests: which other sites may let a browser ask this server.
//!
//! Without configuration none may, but pages of this machine as long as the server itself is reachable from this machine
//! only. Cookies never go along: they are `SameSite=Strict`, and a program on another site signs in with a bearer token.

use actix_cors::Cors;
use actix_web::{
    dev::RequestHead,
    http::{
        Method,
        header::{self, HeaderName, HeaderValue},
    },
};
use url::Url;

use crate::config::ServerConfig;

/// How long a browser may keep the answer to a preflight request, in seconds.
const MAX_AGE: usize = 86_400;

/// The headers that a page may read beyond the harmless ones.
const EXPOSED: [HeaderName; 12] = [
    HeaderName::from_static("mcp-session-id"),
    HeaderName::from_static("x-correlation-id"),
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    HeaderName::from_static("x-ratelimit-limit"),
    HeaderName::from_static("x-ratelimit-remaining"),
    HeaderName::from_static("x-ratelimit-reset"),
    HeaderName::from_static("idempotent-replayed"),
    header::ETAG,
    header::LOCATION,
    header::RETRY_AFTER,
    header::WWW_AUTHENTICATE,
];

/// The rules of a server.
pub(crate) fn policy(server: &ServerConfig) -> Cors {
    let allowed = server.allowed_origins.clone();
    let is_development = server.is_development();
    Cors::default()
        .allowed_origin_fn(move |origin, _: &RequestHead| is_allowed(origin, &allowed, is_development))
        .allowed_methods([
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
        ])
        .allowed_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            header::IF_NONE_MATCH,
            HeaderName::from_static("x-correlation-id"),
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("last-event-id"),
            HeaderName::from_static("mcp-method"),
            HeaderName::from_static("mcp-name"),
            HeaderName::from_static("mcp-protocol-version"),
            HeaderName::from_static("mcp-session-id"),
        ])
        .expose_headers(EXPOSED)
        .max_age(MAX_AGE)
}

/// Whether pages of an origin may ask this server.
pub(crate) fn may_ask(origin: &HeaderValue, server: &ServerConfig) -> bool {
    is_allowed(origin, &server.allowed_origins, server.is_development())
}

fn is_allowed(origin: &HeaderValue, allowed: &[String], is_development: bool) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    if allowed.iter().any(|allowed| allowed == origin) {
        return true;
    }
    is_development && is_local(origin)
}

/// Whether an origin is a page of this machine.
fn is_local(origin: &str) -> bool {
    Url::parse(origin).is_ok_and(|url| {
        url.scheme() == "http"
            && matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
            && url.origin().ascii_serialization() == origin
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(origin: &str, allowed: &[&str], is_development: bool) -> bool {
        let allowed: Vec<_> = allowed.iter().map(|&origin| origin.to_owned()).collect();
        is_allowed(&HeaderValue::from_str(origin).unwrap(), &allowed, is_development)
    }

    #[test]
    fn only_the_very_origin_is_allowed() {
        let allowed = ["https://plans.example"];
        assert!(allows("https://plans.example", &allowed, false));
        for other in [
            "https://plans.example.evil.test",
            "http://plans.example",
            "https://plans.example:8443",
            "https://evil.test",
            "null",
        ] {
            assert!(!allows(other, &allowed, false), "{other}");
        }
    }

    #[test]
    fn pages_of_this_machine_are_allowed_in_development_only() {
        for local in ["http://localhost:3000", "http://127.0.0.1:5173"] {
            assert!(allows(local, &[], true), "{local}");
            assert!(!allows(local, &[], false), "{local}");
        }
        for other in [
            "http://localhost.evil.test",
            "http://localhost:3000/",
            "http://evil.test",
            "null",
        ] {
            assert!(!allows(other, &[], true), "{other}");
        }
    }
}
