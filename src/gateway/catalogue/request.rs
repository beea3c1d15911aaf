//! Codes of problems: the request.

use super::{Chapter, Code, code};

pub(super) const CHAPTER: Chapter = Chapter {
    title: "The request",
    codes: CODES,
};

const CODES: &[Code] = &[
    code(
        "body.invalid",
        &[422],
        "A field of the body does not fit, or is not known",
        "Correct what `errors` lists",
    ),
    code("body.invalid-json", &[400], "The body is not JSON", "Send JSON"),
    code("body.invalid-utf8", &[400], "The body is not UTF-8", "Send UTF-8"),
    code(
        "body.media-type",
        &[415],
        "The body is of another media type than the endpoint reads",
        "Send the Content-Type that the problem names",
    ),
    code(
        "body.timeout",
        &[408],
        "The body took too long to arrive",
        "Send it faster",
    ),
    code(
        "body.too-large",
        &[413],
        "The body has more bytes than the server takes",
        "Send less; `server.body-limit-bytes` is the bound",
    ),
    code(
        "body.unreadable",
        &[400],
        "The connection broke off within the body",
        "Send the request again",
    ),
    code(
        "idempotency-key-reused",
        &[409],
        "A run with the same key was made from another idea",
        "Use a new key for another idea",
    ),
    code(
        "idempotency.interrupted",
        &[504],
        "The first request with this key was interrupted, and its outcome is not known",
        "Look at what the request would have changed, then use a new key",
    ),
    code(
        "idempotency.key",
        &[400, 422],
        "The Idempotency-Key header is empty, too long, or has other characters than visible ASCII",
        "Send 1 to 255 visible ASCII characters",
    ),
    code(
        "idempotency.mismatch",
        &[422],
        "The same Idempotency-Key came with another request before",
        "Use a new key for a new request",
    ),
    code(
        "idempotency.reply-too-large",
        &[413],
        "The answer is too large to be kept for a repetition",
        "Ask for less",
    ),
    code(
        "idempotency.reused",
        &[409],
        "The same key came with another request before",
        "Use a new key for a new request",
    ),
    code(
        "method-not-allowed",
        &[405],
        "There is something at this address, but it does not answer this method",
        "Use a method that the Allow header lists",
    ),
    code(
        "not-found",
        &[404],
        "There is nothing at this address",
        "Check the address",
    ),
    code(
        "query.cursor",
        &[400],
        "The cursor is not one that this list returned",
        "Begin at the first page",
    ),
    code(
        "query.invalid",
        &[422],
        "A parameter of the query does not fit, or is not known",
        "Correct what `errors` lists",
    ),
    code("query.invalid-utf8", &[400], "The query is not UTF-8", "Escape UTF-8"),
    code(
        "request.framing",
        &[400],
        "The headers do not say beyond doubt where the request ends",
        "Send a Content-Length or chunks, not both",
    ),
    code(
        "request.invalid",
        &[400],
        "The request could not be read",
        "Check method, address and headers",
    ),
];
