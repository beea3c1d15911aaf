//! Secrets as they are kept: never in clear, never shown, never compared in a time that tells of them.

use std::fmt;

use cluster::prelude::{ActorError, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Longest password hash, in bytes.
const PASSWORD_HASH_BYTES_MAX: usize = 512;

/// SHA-256 of a random secret: of a code, the token of an invitation, an API key. It is enough for secrets that nobody can guess;
/// passwords need a [`PasswordHash`]. Two of them are compared in constant time.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hashed([u8; 32]);

impl Hashed {
    /// Hashes a secret.
    #[must_use]
    pub fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }
}

impl PartialEq for Hashed {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Hashed {}

impl fmt::Debug for Hashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hashed(..)")
    }
}

/// A password as a PHC string, which says by itself how it was made. Actors keep it and never make or check one, because that
/// takes long on purpose.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Wraps a PHC string.
    ///
    /// # Errors
    /// `password.hash` if it is not one, or too long.
    pub fn new(text: &str) -> Result<Self> {
        let is_phc = text.starts_with('$') && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_phc || text.len() > PASSWORD_HASH_BYTES_MAX {
            return Err(ActorError::invalid(
                "password.hash",
                "this is not the hash of a password",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The PHC string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

impl TryFrom<String> for PasswordHash {
    type Error = ActorError;

    fn try_from(text: String) -> Result<Self> {
        Self::new(&text)
    }
}

impl From<PasswordHash> for String {
    fn from(hash: PasswordHash) -> Self {
        hash.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_secret_is_shown() {
        assert_eq!(format!("{:?}", Hashed::of(b"secret")), "Hashed(..)");
        let hash = PasswordHash::new("$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA").unwrap();
        assert_eq!(format!("{hash:?}"), "PasswordHash(..)");
    }

    #[test]
    fn hashes_are_equal_if_the_secrets_are() {
        assert_eq!(Hashed::of(b"a"), Hashed::of(b"a"));
        assert_ne!(Hashed::of(b"a"), Hashed::of(b"b"));
    }

    #[test]
    fn a_password_in_clear_is_no_hash() {
        for bad in ["", "hunter2", "$a b", "$ä", &format!("${}", "x".repeat(512))] {
            assert_eq!(PasswordHash::new(bad).unwrap_err().code(), "password.hash");
        }
    }
}
