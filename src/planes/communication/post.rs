//! The port: whatever takes a letter to its reader.

use std::fmt;

use actors::email::Email;
use futures_util::future::BoxFuture;

use super::mail::MailError;

/// A mail to one person, in plain text.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// The address.
    pub to: Email,
    /// The subject, one line.
    pub subject: String,
    /// The text.
    pub text: String,
}

impl fmt::Debug for Letter {
    // Letters carry codes that let their reader in.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Letter")
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// Takes letters to their readers.
pub trait Post: fmt::Debug + Send + Sync + 'static {
    /// Sends a letter, and waits until it was taken. Whether a letter that failed has left all the same is unknown.
    fn send(&self, letter: Letter) -> BoxFuture<'_, Result<(), MailError>>;
}
