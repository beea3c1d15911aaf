//! The work of passwords, which takes long on purpose.

use futures_util::future::BoxFuture;

use crate::secret::PasswordHash;

/// Hashes passwords and checks them.
pub trait Passwords: Send + Sync + 'static {
    /// Hashes a password.
    fn hash(&self, password: String) -> BoxFuture<'static, Result<PasswordHash, PasswordError>>;

    /// Checks a password. Without a hash the answer is [`Verdict::Wrong`] after as much work as with one, so that nobody can tell
    /// from the time whether there is an account.
    fn check(&self, password: String, hash: Option<PasswordHash>)
    -> BoxFuture<'static, Result<Verdict, PasswordError>>;
}

/// What came of checking a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is another one.
    Wrong,
    /// It is the one.
    Right,
    /// It is the one, and is to be hashed anew with the settings of today.
    Outdated,
}

/// Why a password could not be hashed or checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too many others are being worked on.
    #[error("too many passwords are being worked on")]
    Busy,
    /// The password is not one that is taken.
    #[error("{0}")]
    Refused(String),
    /// The hash cannot be read, or the work failed.
    #[error("failed to work on a password: {0}")]
    Failed(String),
}
