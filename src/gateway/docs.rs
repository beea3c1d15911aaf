//! The page that shows the API's document. Its files are compiled into the program; nothing comes from elsewhere.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use utoipa_swagger_ui::Config;

use super::{error::Problem, etag::Kept};

/// Where the document is, seen from the page.
const DOCUMENT: &str = "../openapi.json";

/// `GET /api/docs`: leads to the page, whose files lie beside it.
pub(crate) async fn enter() -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((header::LOCATION, "/api/docs/"))
        .finish()
}

/// `GET /api/docs/{file}`: the page and its files.
pub(crate) async fn file(request: HttpRequest, file: web::Path<String>) -> Result<HttpResponse, Problem> {
    let missing = || Problem::not_found("asset.not-found", "there is no such file");
    // Without the bar on top, whose logo has a style of its own that the policy of pages refuses. The badge of a validator
    // elsewhere is not asked for.
    let config = Config::from(DOCUMENT)
        .use_base_layout()
        .validator_url("none")
        .doc_expansion("none");
    let found = utoipa_swagger_ui::serve(&file, Arc::new(config)).map_err(|error| {
        tracing::error!(%error, "the page of the API could not be put together");
        Problem::internal()
    })?;
    let found = found.ok_or_else(missing)?;
    let content_type = media_type(&file).ok_or_else(missing)?;
    Ok(Kept::new(content_type, found.bytes.into_owned()).answer(&request))
}

/// The media type of a file of the page, by the end of its name.
fn media_type(file: &str) -> Option<&'static str> {
    let end = file.rsplit('.').next().unwrap_or_default();
    Some(match end {
        "" | "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "png" => "image/png",
        _ => return None,
    })
}
