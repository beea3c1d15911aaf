//! What surrounds every request: its id, its span, its metrics, the security headers, and the shape of what went wrong.

use std::time::Instant;

use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
    middleware::Next,
    web,
};
use tracing::Instrument;
use uuid::Uuid;

use super::{error::Problem, headers, pages, state::Gateway};
use crate::metrics;

/// Header of the id that ties an answer to the log. A valid one of the client is kept.
const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");

/// Longest id of a client.
const ID_BYTES_MAX: usize = 128;

/// Route label of addresses that do not exist.
const UNMATCHED: &str = "(unmatched)";

/// The id of a request.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(String);

impl RequestId {
    /// Reads the id that `wrap` gave to a request.
    pub(crate) fn of(request: &HttpRequest) -> String {
        request.extensions().get::<Self>().map(|id| id.0.clone()).unwrap_or_default()
    }
}

/// Surrounds a request.
///
/// # Errors
///
/// Never: errors of handlers become responses here.
pub(crate) async fn wrap(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let id = correlation_id(request.headers().get(&CORRELATION_ID));
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = request.method().clone();
    let span = tracing::info_span!("request", id, %method, route = tracing::field::Empty);
    let is_tls = request.app_data::<web::Data<Gateway>>().is_some_and(|gateway| gateway.server.is_secure());
    let original = request.request().clone();

    let result = next.call(request).instrument(span.clone()).await;
    let route = original.match_pattern().unwrap_or_else(|| UNMATCHED.to_owned());
    span.record("route", &route);
    let mut response = match result {
        Ok(response) => {
            let (request, response) = response.into_parts();
            let problem = problem_of(&response.map_into_boxed_body());
            match problem {
                Found::Response(response) => ServiceResponse::new(request, response),
                Found::Problem(problem) => {
                    let answer = render(&original, &problem, &id);
                    ServiceResponse::new(request, answer)
                },
            }
        },
        Err(error) => {
            let problem = error.as_error::<Problem>().cloned().unwrap_or_else(Problem::internal);
            let answer = render(&original, &problem, &id);
            ServiceResponse::new(original.clone(), answer)
        },
    };
    headers::secure(response.headers_mut(), is_tls);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(CORRELATION_ID, value);
    }
    observe(&span, &method, route, response.status(), started);
    Ok(response)
}
