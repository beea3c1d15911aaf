//! Idempotency keys: the same key of the same person makes the same run, from an idea or a parked one, however often it is
//! sent.

use actix_web::HttpRequest;
use uuid::Uuid;

use super::error::Problem;

/// Header that carries the key.
pub(crate) const HEADER: &str = "idempotency-key";

/// Longest key.
const KEY_BYTES_MAX: usize = 255;

/// Names are hashed under this id; it never changes, or retries across an upgrade would make second runs.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f1d_93f4_7a02_5c1e_8e52_1d4b_90aa_37c6);

/// Reads the key of a request.
///
/// # Errors
///
/// Fails for an empty key, one that is too long, and one with characters outside visible ASCII.
pub(crate) fn key(request: &HttpRequest) -> Result<Option<String>, Problem> {
    let Some(value) = request.headers().get(HEADER) else {
        return Ok(None);
    };
    let text = value.as_bytes();
    let is_valid = !text.is_empty() && text.len() <= KEY_BYTES_MAX && text.iter().all(u8::is_ascii_graphic);
    match (is_valid, value.to_str()) {
        (true, Ok(key)) => Ok(Some(key.to_owned())),
        (true | false, _) => Err(Problem::bad_request(
            "idempotency.key",
            format!("the Idempotency-Key header must be 1 to {KEY_BYTES_MAX} visible ASCII characters"),
        )),
    }
}

/// Derives the id of what a request creates. The parts are joined by a byte that none of them can contain.
pub(crate) fn id(tenant: &str, user: &str, operation: &str, key: &str) -> Uuid {
    Uuid::new_v5(&NAMESPACE, [tenant, user, operation, key].join("\0").as_bytes())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_same_key_gives_the_same_id_and_every_part_counts() {
        let base = id("acme", "ann", "run", "k1");
        assert_eq!(base, id("acme", "ann", "run", "k1"));
        for other in [
            id("acme2", "ann", "run", "k1"),
            id("acme", "bob", "run", "k1"),
            id("acme", "ann", "promote", "k1"),
            id("acme", "ann", "run", "k2"),
            id("acm", "eann", "run", "k1"),
        ] {
            assert_ne!(base, other);
        }
        assert_eq!(base.get_version_num(), 5);
    }

    #[test]
    fn the_id_of_a_key_never_changes() {
        assert_eq!(
            id("default", "admin", "run", "a").to_string(),
            "ea152d97-4a61-5880-bd37-0e15bdd3d8e8"
        );
    }

    #[test]
    fn a_bad_key_is_refused() {
        for bad in ["", "with space", "ümlaut", &"k".repeat(256)] {
            let request = TestRequest::default().insert_header((HEADER, bad)).to_http_request();
            assert_eq!(key(&request).unwrap_err().code(), "idempotency.key", "{bad:?}");
        }
        let request = TestRequest::default()
            .insert_header((HEADER, "a-good.key_1"))
            .to_http_request();
        assert_eq!(key(&request).unwrap().as_deref(), Some("a-good.key_1"));
        assert_eq!(key(&TestRequest::default().to_http_request()).unwrap(), None);
    }
}
