//! Pages.
use actix_web::{HttpRequest, HttpResponse};
use super::error::Problem;
pub(crate) fn fault(_: &HttpRequest, problem: &Problem, _: &str) -> String { problem.detail().to_owned() }
pub(crate) async fn home() -> HttpResponse { HttpResponse::Ok().finish() }
pub(crate) async fn sign_in() -> HttpResponse { HttpResponse::Ok().finish() }
pub(crate) async fn runs() -> HttpResponse { HttpResponse::Ok().finish() }
pub(crate) async fn create_run() -> HttpResponse { HttpResponse::Ok().finish() }
pub(crate) async fn new_run() -> HttpResponse { HttpResponse::Ok().finish() }
pub(crate) async fn run() -> HttpResponse { HttpResponse::Ok().finish() }
pub(crate) async fn plan() -> HttpResponse { HttpResponse::Ok().finish() }
pub(crate) async fn artifact() -> HttpResponse { HttpResponse::Ok().finish() }
pub(crate) async fn fragment() -> HttpResponse { HttpResponse::Ok().finish() }
pub(crate) async fn act() -> HttpResponse { HttpResponse::Ok().finish() }
pub(crate) async fn parked() -> HttpResponse { HttpResponse::Ok().finish() }
pub(crate) async fn promote() -> HttpResponse { HttpResponse::Ok().finish() }
pub(crate) async fn settings() -> HttpResponse { HttpResponse::Ok().finish() }
pub(crate) async fn theme() -> HttpResponse { HttpResponse::Ok().finish() }
pub(crate) async fn asset() -> HttpResponse { HttpResponse::Ok().finish() }
