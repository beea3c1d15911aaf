//! What surrounds every request: its id, its span, its metrics, the security headers, and the shape of what went wrong.

use std::{
    convert::Infallible,
    net::IpAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Instant,
};

use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        ConnectionType, Method, StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    middleware::Next,
    web::{self, Bytes},
};
use cluster::RequestId;
use tracing::Instrument;
use uuid::Uuid;

use super::{
    client_address::{ClientAddress, client_address},
    connection::{BusyBody, Pace},
    error::Problem,
    framing, headers,
    limits::Counted,
    mcp, pages,
    state::Gateway,
    turnstile::ShowsWidget,
};
use crate::metrics;

/// Header of the id that ties an answer to the log. A valid one of the client is kept.
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// Longest id of a client.
const ID_BYTES_MAX: usize = 128;

/// Route label of addresses that do not exist.
const UNMATCHED: &str = "(unmatched)";

/// The page of the own account.
const ACCOUNT: &str = "/settings/account";

/// Addresses whose GET uses something up: a look at their head must not.
const SIGN_IN: &str = "/sign-in/";

/// Marks an answer in the words of another protocol: an error in it is no problem of ours, and stays as it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spoken;

/// A body that is not sent. HEAD is answered as GET is, without the content.
#[derive(Debug)]
struct Unsent(BodySize);

impl MessageBody for Unsent {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        self.0
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(None)
    }
}

/// Surrounds a request.
///
/// # Errors
///
/// Fails only where an inner middleware fails; problems of handlers become responses here.
pub(crate) async fn wrap(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let pace = request.conn_data::<Rc<Pace>>().cloned();
    if let Some(pace) = &pace {
        pace.proceed().await;
    }
    let busy = pace.as_ref().map(Pace::begin);
    let id = correlation_id(request.headers().get(&CORRELATION_ID));
    let method = request.method().clone();
    let is_head = method == Method::HEAD && !request.match_info().as_str().starts_with(SIGN_IN);
    if is_head {
        request.head_mut().method = Method::GET;
    }
    let client = client(&request);
    if let Some(client) = client {
        request.extensions_mut().insert(ClientAddress(client));
    }
    let client = client.map(tracing::field::display);
    let span = tracing::info_span!("request", request_id = id, client, %method, route = tracing::field::Empty);
    // The actors that are asked stand in the log under the same id.
    let framing = framing::check(request.request());
    let is_sound = framing.is_ok();
    let handled = async {
        match framing {
            Ok(()) => Ok::<_, Error>(next.call(request).await?.map_into_boxed_body()),
            Err(problem) => Ok(request.error_response(problem)),
        }
    };
    let response = RequestId::new(&id).scope(handled).instrument(span.clone()).await?;

    let (request, response) = response.into_parts();
    let mut response = match problem(&response) {
        None => response,
        Some(problem) => render(&request, &problem, &id),
    };
    let is_tls = request
        .app_data::<web::Data<Gateway>>()
        .is_some_and(|gateway| gateway.server.is_secure());
    let has_widget = response.extensions().get::<ShowsWidget>().is_some();
    headers::secure(response.headers_mut(), is_tls, has_widget);
    if let Some(counted) = request.extensions().get::<Counted>() {
        counted.write(response.headers_mut());
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(CORRELATION_ID, value);
    }
    let route = request.match_pattern().unwrap_or_else(|| UNMATCHED.to_owned());
    span.record("route", &route);
    span.in_scope(|| observe(&method, route, response.status(), started));
    if !is_sound {
        // What follows on the connection may be the rest of this request.
        response.head_mut().set_connection_type(ConnectionType::Close);
        if let Some(pace) = &pace {
            pace.give_up();
        }
    }
    if is_head {
        response = response.map_body(|_, body| BoxBody::new(Unsent(body.size())));
    }
    if let Some(busy) = busy {
        response = response.map_body(|_, body| BoxBody::new(BusyBody::new(body, busy)));
    }
    Ok(ServiceResponse::new(request, response))
}

/// The address that the request comes from, as the rules of the server have it.
fn client(request: &ServiceRequest) -> Option<IpAddr> {
    let server = &request.app_data::<web::Data<Gateway>>()?.server;
    let peer = request.peer_addr()?.ip();
    Some(client_address(
        peer,
        request.headers(),
        server.forwarded_header,
        &server.trusted_proxies,
    ))
}

/// Keeps an id that is safe in headers and logs, else makes one.
fn correlation_id(header: Option<&HeaderValue>) -> String {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    header
        .map(HeaderValue::as_bytes)
        .filter(|id| !id.is_empty() && id.len() <= ID_BYTES_MAX && id.iter().copied().all(is_safe))
        .and_then(|id| std::str::from_utf8(id).ok())
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// The problem behind a response: ours, or one for an error that the HTTP library answered by itself.
fn problem(response: &HttpResponse) -> Option<Problem> {
    if let Some(problem) = response.error().and_then(Error::as_error::<Problem>) {
        return Some(problem.clone());
    }
    if response.extensions().get::<Spoken>().is_some() {
        return None;
    }
    let status = response.status();
    let is_page = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    // A form that comes back with what was typed is a page with an error status.
    if is_page || (!status.is_client_error() && !status.is_server_error()) {
        return None;
    }
    if status == StatusCode::METHOD_NOT_ALLOWED {
        let allow = response
            .headers()
            .get(header::ALLOW)
            .and_then(|allow| allow.to_str().ok())
            .unwrap_or_default();
        return Some(Problem::method_not_allowed(&allow.replace("GET", "GET, HEAD")));
    }
    if status.is_server_error() {
        return Some(Problem::internal());
    }
    Some(Problem::new(status, "request.invalid", "the request could not be read"))
}

/// Answers a program with problem+json and a person with a page. A person without a session is led to the sign-in.
fn render(request: &HttpRequest, problem: &Problem, id: &str) -> HttpResponse {
    if is_for_programs(request.path()) {
        let mut response = problem.to_json(request.path(), id);
        if problem.status() == StatusCode::UNAUTHORIZED
            && let Some(gateway) = request.app_data::<web::Data<Gateway>>()
            && let Some(challenge) = mcp::challenge(request, gateway)
            && let Ok(challenge) = HeaderValue::from_str(&challenge)
        {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        return response;
    }
    let elsewhere = match problem.code() {
        _ if request.method() != Method::GET => None,
        _ if problem.status() == StatusCode::UNAUTHORIZED => Some("/sign-in"),
        // There they choose another workspace.
        "auth.no-member" | "tenant.suspended" if request.path() != ACCOUNT => Some(ACCOUNT),
        _ => None,
    };
    if let Some(elsewhere) = elsewhere {
        return HttpResponse::SeeOther()
            .insert_header((header::LOCATION, elsewhere))
            .finish();
    }
    problem.to_page(pages::fault(request, problem, id))
}

fn is_for_programs(path: &str) -> bool {
    let is_below = |root: &str| {
        path.strip_prefix(root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    [
        "/api",
        "/mcp",
        "/sse",
        "/messages",
        "/.well-known",
        "/health",
        "/ready",
        "/metrics",
    ]
    .into_iter()
    .any(is_below)
        || path.starts_with("/agents/")
}

fn observe(method: &Method, route: String, status: StatusCode, started: Instant) {
    let seconds = started.elapsed().as_secs_f64();
    // Methods come from outside and would otherwise be an unbounded label.
    let method = match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    };
    if status.is_server_error() {
        tracing::warn!(status = status.as_u16(), seconds, "request failed");
    } else {
        tracing::debug!(status = status.as_u16(), seconds, "request answered");
    }
    let status = status.as_u16().to_string();
    ::metrics::counter!(metrics::HTTP_REQUESTS_TOTAL, "method" => method, "route" => route.clone(), "status" => status)
        .increment(1);
    ::metrics::histogram!(metrics::HTTP_REQUEST_SECONDS, "method" => method, "route" => route).record(seconds);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_safe_id_of_the_client_is_kept() {
        let id = "0198-ab.c:1_x";
        assert_eq!(correlation_id(Some(&HeaderValue::from_static(id))), id);
    }

    #[test]
    fn an_id_that_could_forge_a_log_line_is_replaced() {
        for bad in ["", "a b", "a\tb", "\"}", &"x".repeat(129)] {
            let made = correlation_id(Some(&HeaderValue::from_str(bad).unwrap()));
            assert_eq!(Uuid::parse_str(&made).unwrap().get_version_num(), 7, "{bad:?}");
        }
        assert_ne!(correlation_id(None), correlation_id(None));
    }

    #[test]
    fn only_addresses_of_programs_answer_in_json() {
        for path in [
            "/api",
            "/api/planning/runs",
            "/mcp",
            "/health",
            "/ready",
            "/metrics",
            "/agents/chat/general",
        ] {
            assert!(is_for_programs(path), "{path}");
        }
        for path in ["/", "/apiary", "/runs/1", "/healthy", "/agents"] {
            assert!(!is_for_programs(path), "{path}");
        }
    }
}
