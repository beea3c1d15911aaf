//! The agent `session`: who the person is, since when, on which devices, and how to sign out of them.
//!
//! It is for people who are signed in, and knows their session from how they came; programs and tokens of others have none and
//! are refused. Its state are the open sessions of the account ([`SessionsState`]). Sessions and accounts live in a tenant that no
//! other actor reaches, so they are asked through a port, [`OwnSessions`](crate::ports::OwnSessions), that takes a session and
//! sees to those of its account, and to no others.
//!
//! What is revoked is closed everywhere: the gateway ends the sockets of a session that has ended, and those to this agent are
//! closed with the turn, with the code after which clients do not come back.

mod agent;
mod env;
mod methods;
#[cfg(test)]
mod tests;
mod view;

pub use agent::Devices;
pub use env::SessionEnv;
pub use methods::{ListDevices, Revoke, RevokeOthers, Whoami};
pub use view::{Device, DeviceList, Me, SessionsState};
