//! API keys: the credentials of programs within one tenant, an actor each, named by the id of the key.
//!
//! A key is made and revoked by the membership of its tenant, which has the index of keys. It is asked with each request whether
//! the secret is right; what is not there is as invalid as a wrong secret, and asking for it leaves nothing behind.

mod actor;
mod messages;
mod scope;
#[cfg(test)]
mod tests;

pub use actor::ApiKey;
pub use messages::{CheckKey, CreateKey, KeyState, RevokeKey};
pub use scope::Scope;
