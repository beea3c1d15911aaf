//! Where a request ends. Two servers that disagree about it take the end of one request for the beginning of another one, which then
//! passes as that of somebody else; so what is ambiguous is refused, and its connection closed.

use actix_web::{
    HttpRequest,
    http::{Version, header},
};

use super::error::Problem;

/// Refuses a request whose end others might see elsewhere. The HTTP library refuses lengths that contradict each other and codings that it
/// does not know by itself.
///
/// # Errors
///
/// Fails for a length beside chunks, and for chunks in a version that has none.
pub(crate) fn check(request: &HttpRequest) -> Result<(), Problem> {
    let headers = request.headers();
    let has_chunks = headers.contains_key(header::TRANSFER_ENCODING);
    let has_length = headers.contains_key(header::CONTENT_LENGTH);
    let is_old = request.version() < Version::HTTP_11;
    if has_chunks && (has_length || is_old) {
        return Err(Problem::bad_request(
            "request.framing",
            "the headers do not say beyond doubt where the request ends",
        ));
    }
    Ok(())
}
