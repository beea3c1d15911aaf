//! Answers that nobody keeps, because the next moment shows something else or because they hold a secret.

use actix_web::{HttpResponse, http::StatusCode, http::header};
use serde::Serialize;

/// 200 with JSON.
pub(crate) fn fresh<T: Serialize>(body: &T) -> HttpResponse {
    unkept(StatusCode::OK, body)
}

/// 201 with JSON.
pub(crate) fn made<T: Serialize>(body: &T) -> HttpResponse {
    unkept(StatusCode::CREATED, body)
}

fn unkept<T: Serialize>(status: StatusCode, body: &T) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(body)
}
