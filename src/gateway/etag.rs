//! Entity tags: a client that has the current answer is told so in 304, without a body.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ETag, EntityTag, Header, IfNoneMatch},
};
use bytes::Bytes;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// Bytes of the digest that a tag shows.
const TAG_BYTES: usize = 16;

/// Answers with JSON, or 304 where the client has it. Tags are weak because answers may be compressed on the way.
pub(crate) fn json<T: Serialize>(request: &HttpRequest, value: &T) -> HttpResponse {
    let body = serde_json::to_vec(value).expect("answers have string keys only");
    bytes(request, "application/json", body)
}

/// Answers with bytes of a content type, or 304 where the client has them.
pub(crate) fn bytes(request: &HttpRequest, content_type: &'static str, body: Vec<u8>) -> HttpResponse {
    Kept::new(content_type, body).answer(request)
}

/// An answer with its tag, which can be given again and again.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    content_type: &'static str,
    body: Bytes,
    tag: EntityTag,
}

impl Kept {
    pub(crate) fn new(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self {
            tag: tag(content_type, &body),
            content_type,
            body,
        }
    }

    /// The answer, or 304 where the client has it.
    pub(crate) fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let tag = ETag(self.tag.clone());
        if matches(request, &self.tag) {
            return HttpResponse::NotModified().insert_header(tag).finish();
        }
        HttpResponse::Ok()
            .insert_header(tag)
            .insert_header((header::VARY, "Accept, Authorization, Cookie"))
            .content_type(self.content_type)
            .body(self.body.clone())
    }
}

fn tag(content_type: &str, body: &[u8]) -> EntityTag {
    let mut hash = Sha256::new();
    hash.update(content_type.as_bytes());
    hash.update([0]);
    hash.update(body);
    let hex: String = hash
        .finalize()
        .iter()
        .take(TAG_BYTES)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    EntityTag::new_weak(hex)
}

fn matches(request: &HttpRequest, tag: &EntityTag) -> bool {
    if !request.headers().contains_key(header::IF_NONE_MATCH) {
        return false;
    }
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(tag)),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{http::StatusCode, test::TestRequest};

    use super::*;

    #[test]
    fn the_same_answer_is_sent_once() {
        let first = json(&TestRequest::default().to_http_request(), &["a"]);
        assert_eq!(first.status(), StatusCode::OK);
        let tag = first.headers().get(header::ETAG).unwrap().to_str().unwrap().to_owned();
        let again = TestRequest::default()
            .insert_header((header::IF_NONE_MATCH, tag.as_str()))
            .to_http_request();
        let second = json(&again, &["a"]);
        assert_eq!(second.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(second.headers().get(header::ETAG).unwrap().to_str().unwrap(), tag);
        assert_eq!(json(&again, &["b"]).status(), StatusCode::OK);
    }

    #[test]
    fn a_list_of_tags_and_a_strong_copy_match_and_rubbish_does_not() {
        let first = json(&TestRequest::default().to_http_request(), &1);
        let tag = first.headers().get(header::ETAG).unwrap().to_str().unwrap().to_owned();
        for (header_value, status) in [
            (format!("\"x\", {tag}"), StatusCode::NOT_MODIFIED),
            (tag.trim_start_matches("W/").to_owned(), StatusCode::NOT_MODIFIED),
            ("*".to_owned(), StatusCode::NOT_MODIFIED),
            ("rubbish".to_owned(), StatusCode::OK),
        ] {
            let request = TestRequest::default()
                .insert_header((header::IF_NONE_MATCH, header_value))
                .to_http_request();
            assert_eq!(json(&request, &1).status(), status);
        }
    }
}
