//! Request bodies and queries: counted while they are read, and checked field by field.

pub(crate) mod description;
mod fields;

use std::time::Duration;

use actix_web::{HttpRequest, http::StatusCode, http::header, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde_json::{Map, Value};

pub(crate) use self::fields::Fields;
use super::error::Problem;

/// Longest time that a client may take to send its body.
const READ_TIME_MAX: Duration = Duration::from_secs(30);

/// How much of a body that is too large is read and thrown away, so that the client hears why it was refused.
const DISCARDED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Media type of a form.
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// Reads a JSON object.
///
/// # Errors
///
/// Fails for another media type, a body that is too large or too slow, invalid UTF-8, invalid JSON, and JSON that is no
/// object.
pub(crate) async fn json(request: &HttpRequest, payload: web::Payload, limit: usize) -> Result<Fields, Problem> {
    let body = read(payload, limit).await?;
    if body.is_empty() {
        return Ok(Fields::new(Map::new(), false));
    }
    expect_type(request, "application/json")?;
    let text = utf8(&body)?;
    match serde_json::from_str(text) {
        Ok(Value::Object(values)) => Ok(Fields::new(values, false)),
        Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            Err(Problem::unprocessable("body.invalid", "the body must be a JSON object"))
        }
        Err(error) => Err(Problem::bad_request(
            "body.invalid-json",
            format!("the body is not valid JSON: {error}"),
        )),
    }
}

/// Reads a JSON object as the text that it is; without a body it has nothing in it.
///
/// # Errors
///
/// As [`json`].
pub(crate) async fn json_text(request: &HttpRequest, payload: web::Payload, limit: usize) -> Result<String, Problem> {
    let fields = json(request, payload, limit).await?;
    Ok(fields.into_text())
}

/// Reads a JSON object, or the body of an HTML form if it says that it is one.
///
/// # Errors
///
/// As [`json`] and [`form`].
pub(crate) async fn json_or_form(
    request: &HttpRequest,
    payload: web::Payload,
    limit: usize,
) -> Result<Fields, Problem> {
    let is_form = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(FORM.as_bytes()));
    if is_form {
        form(request, payload, limit).await
    } else {
        json(request, payload, limit).await
    }
}

/// Reads the body of an HTML form.
///
/// # Errors
///
/// Fails for another media type, a body that is too large or too slow, and invalid UTF-8.
pub(crate) async fn form(request: &HttpRequest, payload: web::Payload, limit: usize) -> Result<Fields, Problem> {
    let body = read(payload, limit).await?;
    if !body.is_empty() {
        expect_type(request, FORM)?;
    }
    utf8(&body)?;
    pairs(&body, "body.invalid-utf8")
}

/// Reads the query of a request.
///
/// # Errors
///
/// Fails for invalid UTF-8.
pub(crate) fn query(request: &HttpRequest) -> Result<Fields, Problem> {
    Ok(pairs(request.query_string().as_bytes(), "query.invalid-utf8")?.of_query())
}

/// Reads a body as it is.
///
/// # Errors
///
/// Fails for a body that is too large or too slow.
pub(crate) async fn bytes(payload: web::Payload, limit: usize) -> Result<Bytes, Problem> {
    Ok(read(payload, limit).await?.freeze())
}

fn pairs(bytes: &[u8], code: &'static str) -> Result<Fields, Problem> {
    let (mut values, mut repeated) = (Map::new(), Vec::new());
    for (name, value) in url::form_urlencoded::parse(bytes) {
        // The parser writes U+FFFD where escapes do not form UTF-8.
        if name.contains('\u{fffd}') || value.contains('\u{fffd}') {
            return Err(Problem::bad_request(code, "the text is not valid UTF-8"));
        }
        let former = values.insert(name.clone().into_owned(), Value::String(value.into_owned()));
        if former.is_some() {
            repeated.push(name);
        }
    }
    let mut fields = Fields::new(values, true);
    // Which of them counts would be a guess, and others may guess otherwise.
    for name in repeated {
        fields.fail(&name, "is there more than once");
    }
    Ok(fields)
}

fn utf8(body: &[u8]) -> Result<&str, Problem> {
    std::str::from_utf8(body).map_err(|error| {
        let position = error.valid_up_to();
        Problem::bad_request(
            "body.invalid-utf8",
            format!("the body is not valid UTF-8 after byte {position}"),
        )
    })
}

fn expect_type(request: &HttpRequest, expected: &str) -> Result<(), Problem> {
    let actual = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = actual.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "body.media-type",
        format!("the Content-Type of the body must be {expected}"),
    ))
}

async fn read(payload: web::Payload, limit: usize) -> Result<BytesMut, Problem> {
    match tokio::time::timeout(READ_TIME_MAX, collect(payload, limit)).await {
        Ok(body) => body,
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "body.timeout",
            "the body took too long to arrive",
        )),
    }
}

async fn collect(mut payload: web::Payload, limit: usize) -> Result<BytesMut, Problem> {
    let mut body = BytesMut::new();
    let mut total = 0_usize;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk
            .map_err(|error| Problem::bad_request("body.unreadable", format!("the body could not be read: {error}")))?;
        total = total.saturating_add(chunk.len());
        if total <= limit {
            body.extend_from_slice(&chunk);
        } else if total > DISCARDED_BYTES_MAX {
            break;
        }
    }
    if total > limit {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body.too-large",
            format!("the body must have at most {limit} bytes"),
        ));
    }
    Ok(body)
}
