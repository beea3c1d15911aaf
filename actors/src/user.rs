//! Ids of users.

use std::fmt;

use cluster::prelude::{ActorError, Result};
use serde::{Deserialize, Serialize};

/// Longest id, in bytes.
const BYTES_MAX: usize = 128;

/// A user: 1 to 128 visible ASCII characters. That of a person is a UUID, which stays when the address changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserId(String);

impl UserId {
    /// Checks and wraps an id.
    ///
    /// # Errors
    /// `user.invalid` if it is empty, too long or has a character outside the set.
    pub fn new(text: &str) -> Result<Self> {
        if text.is_empty() || text.len() > BYTES_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ActorError::invalid(
                "user.invalid",
                format!("a user id is 1 to {BYTES_MAX} visible ASCII characters"),
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for UserId {
    type Error = ActorError;

    fn try_from(text: String) -> Result<Self> {
        Self::new(&text)
    }
}

impl From<UserId> for String {
    fn from(user: UserId) -> Self {
        user.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_ids_are_checked() {
        for good in ["a", "key:7f2c", &"x".repeat(BYTES_MAX)] {
            assert_eq!(UserId::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a\nb", "ä", &"x".repeat(BYTES_MAX + 1)] {
            assert_eq!(UserId::new(bad).unwrap_err().code(), "user.invalid", "{bad:?}");
        }
    }
}
