//! How old what a caller is shown may be, and how old it is.

use std::time::Duration;

use crate::ReadToken;

/// How old what a caller is shown may be.
///
/// What is shown has everything that anybody was told is done an `age` before it was asked for, and everything that the
/// token covers. Without an age it is what the owners have.
#[derive(Debug, Clone, Default)]
pub struct Freshness {
    pub(crate) age: Duration,
    pub(crate) token: ReadToken,
}

impl Freshness {
    /// Everything that was acknowledged before it was asked for.
    pub fn latest() -> Self {
        Self::default()
    }

    /// Everything that was acknowledged so long before. Zero means the latest.
    pub fn at_most(age: Duration) -> Self {
        Self {
            age,
            token: ReadToken::default(),
        }
    }

    /// And, however young it is, what a token covers.
    #[must_use]
    pub fn covering(mut self, token: &ReadToken) -> Self {
        self.token.merge(token);
        self
    }
}

/// What a caller is shown, with its age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated<T> {
    /// What was found.
    pub found: T,
    /// Everything that was acknowledged so long before it was asked for is in it. Zero if it is the latest.
    pub age: Duration,
    /// Covers what was found, and what the token of the question covered.
    pub token: ReadToken,
}
