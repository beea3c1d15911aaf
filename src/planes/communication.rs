//! Plane 8, communication: what leaves for people.

mod config;
#[cfg(test)]
pub(crate) mod fake;
mod mail;
mod post;
mod queue;

pub use config::{MailConfig, MailConfigError, Transport};
pub use mail::{Mail, MailError};
pub use post::{Letter, Post};
pub use queue::{MailQueue, QueueFull};
