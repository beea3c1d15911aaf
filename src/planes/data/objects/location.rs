//! From a key to the place of its object.

use std::fmt::Write as _;

use actors::ports::ObjectError;
use object_store::path::Path;

/// Most bytes of a key.
const MAX_KEY_BYTES: usize = 1024;
/// Most bytes of one encoded segment: file systems stop at 255, and a staged upload appends a suffix of its own.
const MAX_SEGMENT_BYTES: usize = 240;
/// Ends the name of every object and of no directory, so that the keys `a` and `a/b` do not compete for one name.
pub(super) const OBJECT_SUFFIX: char = '~';

/// Answers where the object of a key lies.
///
/// Segments keep their letters, digits and the usual punctuation; every other byte is percent-encoded, which also keeps
/// names apart from the staged uploads (`#1`) of a local store.
pub(super) fn location(key: &str) -> Result<Path, ObjectError> {
    Path::parse(encoded(key)? + &OBJECT_SUFFIX.to_string()).map_err(|_| ObjectError::InvalidKey(key.to_owned()))
}

/// Answers where the objects lie whose keys begin with `key` and a slash.
pub(super) fn folder(key: &str) -> Result<Path, ObjectError> {
    Path::parse(encoded(key)?).map_err(|_| ObjectError::InvalidKey(key.to_owned()))
}

fn encoded(key: &str) -> Result<String, ObjectError> {
    let invalid = || ObjectError::InvalidKey(key.to_owned());
    if key.is_empty() || key.len() > MAX_KEY_BYTES || key.chars().any(char::is_control) {
        return Err(invalid());
    }
    let mut path = String::with_capacity(key.len() + 1);
    for segment in key.split('/') {
        if matches!(segment, "" | "." | "..") {
            return Err(invalid());
        }
        if !path.is_empty() {
            path.push('/');
        }
        let start = path.len();
        for byte in segment.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'=' | b'+' | b'@' | b',' => {
                    path.push(char::from(byte));
                }
                other => write!(path, "%{other:02X}").expect("writing to a string cannot fail"),
            }
        }
        if path.len() - start > MAX_SEGMENT_BYTES {
            return Err(invalid());
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_keys_stay_readable() {
        let location = location("tenants/acme/runs/1/planning-package.json").unwrap();
        assert_eq!(location.as_ref(), "tenants/acme/runs/1/planning-package.json~");
    }

    #[test]
    fn different_keys_have_different_places() {
        let keys = [
            "a", "a~", "a%7E", "a#1", "A", "a b", "a/b", "a~/b", "ä", "a\\b", "...", ".a",
        ];
        let places: std::collections::HashSet<_> = keys.iter().map(|key| location(key).unwrap().to_string()).collect();
        assert_eq!(places.len(), keys.len(), "{places:?}");
        assert!(places.iter().all(|place| !place.contains('#')), "{places:?}");
    }

    #[test]
    fn keys_that_lead_elsewhere_are_refused() {
        let long = "k".repeat(MAX_KEY_BYTES + 1);
        let wide = "ä".repeat(60);
        for key in [
            "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/.", "a\0b", "a\nb", &long, &wide,
        ] {
            assert_eq!(location(key), Err(ObjectError::InvalidKey(key.to_owned())), "{key:?}");
        }
    }

    #[test]
    fn a_key_of_the_greatest_length_is_accepted() {
        let key = format!(
            "{}/{}/{}/{}/{}",
            "a".repeat(240),
            "b".repeat(240),
            "c".repeat(240),
            "d".repeat(240),
            "e".repeat(60)
        );
        assert_eq!(key.len(), MAX_KEY_BYTES);
        location(&key).unwrap();
    }
}
