//! Between the two HTTP libraries: that of the server, and that of rmcp, which are a version of the `http` crate apart.

use std::convert::Infallible;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, http::header};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Full, combinators::BoxBody};

use super::call::McpCall;
use crate::gateway::request::Spoken;

/// A request as rmcp takes it.
pub(super) type Asked = http::Request<Full<Bytes>>;

/// An answer as rmcp gives it.
type Answered = http::Response<BoxBody<Bytes, Infallible>>;

/// Headers of an answer that the server sets by itself.
const OWN: [&str; 3] = ["content-length", "transfer-encoding", "connection"];

/// Headers that no handler has to see.
const SECRET: [&str; 2] = ["authorization", "cookie"];

/// A request, as rmcp takes it.
pub(super) fn over(request: &HttpRequest, body: Bytes) -> Option<Asked> {
    let mut asked = http::Request::builder()
        .method(request.method().as_str())
        .uri(request.uri().to_string());
    for (name, value) in request.headers() {
        if !SECRET.contains(&name.as_str()) {
            asked = asked.header(name.as_str(), value.as_bytes());
        }
    }
    asked.body(Full::new(body)).ok()
}

/// An answer, as the server gives it. A stream ends with the right of the caller to hear it.
pub(super) fn back(answer: Answered, call: McpCall) -> HttpResponse {
    let (head, body) = answer.into_parts();
    let status = StatusCode::from_u16(head.status.as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    for (name, value) in &head.headers {
        if !OWN.contains(&name.as_str()) {
            response.append_header((name.as_str(), value.as_bytes()));
        }
    }
    let is_stream = head
        .headers
        .get("content-type")
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    if is_stream {
        // Tells the compressor to pass each frame on at once.
        response.insert_header((header::CONTENT_ENCODING, "identity"));
    }
    let frames = stream::unfold((body, call), move |(mut body, call)| async move {
        loop {
            let frame = body.frame().await?;
            let Ok(frame) = frame;
            let Ok(data) = frame.into_data() else { continue };
            if is_stream && !call.gateway().callers.is_still(call.caller()).await {
                return None;
            }
            return Some((Ok::<Bytes, Infallible>(data), (body, call)));
        }
    });
    let mut response = response.streaming(Box::pin(frames));
    response.extensions_mut().insert(Spoken);
    response
}
