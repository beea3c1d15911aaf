//! What a request says that wants to become a WebSocket.

use actix_http::ws::{HandshakeError, handshake as accept};
use actix_web::{
    HttpRequest,
    http::{StatusCode, header},
};

use crate::gateway::error::Problem;

/// Beginning of the protocol that is a token.
const BEARER: &str = "bearer.";

/// Whether a request wants to become a WebSocket.
pub(crate) fn is_upgrade(request: &HttpRequest) -> bool {
    let upgrade = request.headers().get(header::UPGRADE);
    upgrade.is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// The protocols that a client offers, in its order.
fn offered(request: &HttpRequest) -> impl Iterator<Item = &str> {
    let headers = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let texts = headers.filter_map(|header| header.to_str().ok());
    texts
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .filter(|protocol| !protocol.is_empty())
}

/// The tokens that stand among the protocols of a request that wants to become a WebSocket.
pub(crate) fn bearer_of(request: &HttpRequest) -> impl Iterator<Item = &str> {
    let is_upgrade = is_upgrade(request);
    offered(request)
        .filter_map(|protocol| protocol.strip_prefix(BEARER))
        .filter(move |_| is_upgrade)
}

/// Accepts a client, in the first protocol that it offers beside its token.
///
/// # Errors
///
/// Fails if the request is no opening handshake (RFC 6455, section 4.2.1), or offers only a token: browsers want one of what
/// they offered back, and a token must not stand in an answer.
pub(super) fn handshake(request: &HttpRequest) -> Result<actix_http::ResponseBuilder, Problem> {
    let mut response = accept(request.head()).map_err(refused)?;
    let protocol = offered(request).find(|protocol| !protocol.starts_with(BEARER));
    match protocol {
        Some(protocol) => {
            response.insert_header((header::SEC_WEBSOCKET_PROTOCOL, protocol));
        }
        None if offered(request).next().is_some() => {
            return Err(Problem::bad_request(
                "socket.protocol",
                "offer another protocol beside the token: it is the one that is answered",
            ));
        }
        None => {}
    }
    Ok(response)
}

fn refused(error: HandshakeError) -> Problem {
    match error {
        HandshakeError::GetMethodRequired
        | HandshakeError::NoWebsocketUpgrade
        | HandshakeError::NoConnectionUpgrade
        | HandshakeError::NoVersionHeader
        | HandshakeError::BadWebsocketKey => Problem::bad_request("socket.handshake", error.to_string()),
        HandshakeError::UnsupportedVersion => Problem::new(
            StatusCode::UPGRADE_REQUIRED,
            "socket.version",
            "this server speaks version 13 of the WebSocket protocol",
        ),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn request(protocols: &[&str]) -> HttpRequest {
        let mut request = TestRequest::default()
            .insert_header((header::UPGRADE, "websocket"))
            .insert_header((header::CONNECTION, "Upgrade"))
            .insert_header((header::SEC_WEBSOCKET_VERSION, "13"))
            .insert_header((header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="));
        for protocol in protocols {
            request = request.append_header((header::SEC_WEBSOCKET_PROTOCOL, *protocol));
        }
        request.to_http_request()
    }

    #[test]
    fn a_token_among_the_protocols_is_never_answered() {
        let answered = |protocols: &[&str]| {
            let response = handshake(&request(protocols))?.finish();
            let protocol = response.headers().get(header::SEC_WEBSOCKET_PROTOCOL).cloned();
            Ok::<_, Problem>(protocol.map(|protocol| protocol.to_str().unwrap().to_owned()))
        };
        assert_eq!(answered(&[]).unwrap(), None);
        assert_eq!(
            answered(&["bearer.abc, foundation"]).unwrap().as_deref(),
            Some("foundation")
        );
        assert_eq!(answered(&["chat", "bearer.abc"]).unwrap().as_deref(), Some("chat"));
        assert_eq!(answered(&["bearer.abc"]).unwrap_err().code(), "socket.protocol");
    }

    #[test]
    fn a_token_counts_only_where_a_socket_is_wanted() {
        let tokens = |request: &HttpRequest| bearer_of(request).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(tokens(&request(&["a, bearer.x.y-z", "bearer.2"])), ["x.y-z", "2"]);
        let plain = TestRequest::default()
            .insert_header((header::SEC_WEBSOCKET_PROTOCOL, "bearer.x"))
            .to_http_request();
        assert!(tokens(&plain).is_empty());
    }

    #[test]
    fn what_is_no_handshake_is_refused() {
        let plain = TestRequest::default().to_http_request();
        assert_eq!(handshake(&plain).unwrap_err().code(), "socket.handshake");
        let mut old = request(&[]);
        old = TestRequest::default()
            .insert_header((header::UPGRADE, "websocket"))
            .insert_header((header::CONNECTION, "Upgrade"))
            .insert_header((header::SEC_WEBSOCKET_VERSION, "8"))
            .insert_header((
                header::SEC_WEBSOCKET_KEY,
                old.headers().get(header::SEC_WEBSOCKET_KEY).unwrap().clone(),
            ))
            .to_http_request();
        assert_eq!(handshake(&old).unwrap_err().code(), "socket.version");
    }
}
