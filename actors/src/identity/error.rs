//! Why somebody was not let in.

use cluster::{Timestamp, prelude::ActorError};

use crate::ports::PasswordError;

/// Why a step was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The password is another one.
    #[error("the address or the password is wrong")]
    Refused,
    /// There is no such account. Nobody is told so: to strangers it is the same as another password. No account has recorded the
    /// attempt, so that is up to the caller.
    #[error("the address or the password is wrong")]
    Unknown,
    /// The password is right, and the address is not proven.
    #[error("the address is not proven yet")]
    Unverified,
    /// Too many attempts have failed.
    #[error("too many attempts have failed")]
    Locked {
        /// Until when no other one is looked at.
        until: Timestamp,
    },
    /// The password was not worked on.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// An actor refused, or did not answer.
    #[error(transparent)]
    Actor(#[from] ActorError),
}

/// Whether an actor said so, by one of these codes.
pub(super) fn is(error: &ActorError, codes: &[&str]) -> bool {
    codes.contains(&error.code())
}
