//! The bytes of a stored object: two lines of text, then the body.
//!
//! ```text
//! foundation-object 1 <SHA-256 of the next line, without its end>
//! {"key":"…","content-type":"…","size":3,"sha256":"…"}
//! <body>
//! ```
//! The first line protects the second and the second the body, so no single byte can change unnoticed. The key is part of it:
//! a value that ended up under another name is not served as the object of that name.

use actors::ports::ObjectMeta;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Begins every object of this format; another number would be another format.
const MAGIC: &str = "foundation-object 1 ";
/// Length of a SHA-256 in hexadecimal.
const DIGEST_CHARS: usize = 64;

/// Most bytes that precede a body: both lines, with a key whose every byte is escaped.
pub(super) const MAX_HEADER_BYTES: u64 = 16 * 1024;

/// The second line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Description {
    key: String,
    content_type: String,
    size: u64,
    sha256: String,
}

/// Describes a body and answers the bytes that go before it.
pub(super) fn seal(key: String, content_type: &str, body: &[u8]) -> (ObjectMeta, Bytes) {
    let meta = ObjectMeta {
        key,
        size: body.len() as u64,
        content_type: content_type.to_owned(),
        sha256: sha256(body),
    };
    let description = serde_json::to_string(&Description {
        key: meta.key.clone(),
        content_type: meta.content_type.clone(),
        size: meta.size,
        sha256: meta.sha256.clone(),
    })
    .expect("a structure of strings and a number is always valid JSON");
    let header = format!("{MAGIC}{}\n{description}\n", sha256(description.as_bytes()));
    (meta, Bytes::from(header))
}

/// Takes a stored value apart, or answers `None` where it is not exactly what was sealed for this key.
pub(super) fn open(key: &str, stored: &Bytes) -> Option<(ObjectMeta, Bytes)> {
    let first = MAGIC.len() + DIGEST_CHARS;
    let digest = stored.get(..first)?.strip_prefix(MAGIC.as_bytes())?;
    if *stored.get(first)? != b'\n' {
        return None;
    }
    let rest = &stored[first + 1..];
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let description = &rest[..end];
    if sha256(description).as_bytes() != digest {
        return None;
    }
    let Description {
        key: sealed_for,
        content_type,
        size,
        sha256: expected,
    } = serde_json::from_slice(description).ok()?;
    let body = stored.slice(first + 1 + end + 1..);
    let intact = sealed_for == key && size == body.len() as u64 && expected == sha256(&body);
    let meta = ObjectMeta {
        key: sealed_for,
        size,
        content_type,
        sha256: expected,
    };
    intact.then_some((meta, body))
}

/// Lower-case hexadecimal SHA-256.
fn sha256(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha256::digest(bytes);
    let nibbles = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.map(|nibble| char::from(DIGITS[usize::from(nibble)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(key: &str, body: &[u8]) -> Bytes {
        let (_, header) = seal(key.to_owned(), "text/plain", body);
        Bytes::from([header.as_ref(), body].concat())
    }

    #[test]
    fn what_was_sealed_opens() {
        let (meta, body) = open("a/b", &stored("a/b", b"abc")).unwrap();
        assert_eq!(body.as_ref(), b"abc");
        assert_eq!(meta.size, 3);
        assert_eq!(
            meta.sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let good = stored("a/b", b"some text");
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.to_vec();
                bad[at] ^= 1 << bit;
                assert_eq!(open("a/b", &Bytes::from(bad)), None, "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn every_cut_and_an_appended_byte_are_noticed() {
        let good = stored("a/b", b"some text");
        for length in 0..good.len() {
            assert_eq!(open("a/b", &good.slice(..length)), None, "{length} bytes");
        }
        assert_eq!(open("a/b", &Bytes::from([good.as_ref(), b"!"].concat())), None);
    }

    #[test]
    fn an_object_under_another_key_is_not_served() {
        assert_eq!(open("a/c", &stored("a/b", b"abc")), None);
    }

    #[test]
    fn the_longest_header_is_within_its_bound() {
        let (_, header) = seal("\"".repeat(1024), "application/octet-stream", b"");
        assert!((header.len() as u64) < MAX_HEADER_BYTES);
    }
}
