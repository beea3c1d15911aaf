//! The formula that binds a record to the one before it.

use std::io::Write;

use sha2::{Digest, Sha256};

use super::hex::{Hex, digits};

/// Hash of a record, SHA-256.
pub type ChainHash = Hex<32>;

/// What the first record of a chain has before it.
pub const GENESIS: ChainHash = Hex([0; 32]);

/// The hash of a record: SHA-256 over `<previous>:<event_type>:<payload>:<created_at>`, with the previous hash in lowercase
/// hexadecimal digits, the payload byte for byte as stored, and the time in decimal unix seconds.
#[must_use]
pub fn link(previous: &ChainHash, event_type: &str, payload: &str, created_at: i64) -> ChainHash {
    // Longer than any number of 64 bits.
    let mut decimal = [0; 24];
    let mut rest = &mut decimal[..];
    write!(rest, ":{created_at}").expect("a number of 64 bits has at most 20 characters");
    let unused = rest.len();
    let mut digest = Sha256::new();
    digest.update(digits(&previous.0));
    digest.update(b":");
    digest.update(event_type.as_bytes());
    digest.update(b":");
    digest.update(payload.as_bytes());
    digest.update(&decimal[..decimal.len() - unused]);
    Hex(digest.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed outside of this program: `printf '%s' <text> | openssl dgst -sha256`.
    #[test]
    fn the_formula_is_that_of_the_vectors() {
        let first = link(
            &GENESIS,
            "workflow_dispatched",
            r#"{"workflowName":"onboarding","instanceId":"i-1"}"#,
            1_767_225_600,
        );
        assert_eq!(
            first.to_string(),
            "ffc0ccc09d093abeabce8431cf2b73901f9ac1598eacfc9201c66ffbaa53a72b"
        );
        let second = link(
            &first,
            "user_created",
            r#"{"name":"Zoë \"Z\" 😀","tags":[1,2.50,null]}"#,
            1_767_225_601,
        );
        assert_eq!(
            second.to_string(),
            "4204d1c6ef3a33f7e7549d632369d32ebc287d66da9fbabc5daf4cd764d0ac85"
        );
        let third = link(&second, "a", "{}", 0);
        assert_eq!(
            third.to_string(),
            "335a20ac7d57a97206a59d2afec3dfcf7ddeec9f6e5458881d28ef5872b66793"
        );
    }

    #[test]
    fn every_part_counts() {
        let hash = link(&GENESIS, "event", "{}", 12);
        let mut other = GENESIS;
        other.0[31] = 1;
        for changed in [
            link(&other, "event", "{}", 12),
            link(&GENESIS, "events", "{}", 12),
            link(&GENESIS, "event", "{ }", 12),
            link(&GENESIS, "event", "{}", 13),
            link(&GENESIS, "event", "{}", -12),
            link(&GENESIS, "event", "{}", i64::MIN),
        ] {
            assert_ne!(changed, hash);
        }
    }
}
