//! Sessions: one for each sign-in of a person, an actor of the system tenant that is named by the id of the session.
//!
//! A session is opened by its account, is asked with each request whether it goes on, and ends when it is revoked or its time is
//! over. What is not there is unknown, and asking for it leaves nothing behind.

mod actor;
mod messages;
#[cfg(test)]
mod tests;

pub use actor::Session;
pub use messages::{CheckSession, OpenSession, RevokeSession, SessionEnd, SessionState, SwitchTenant};
