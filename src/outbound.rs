//! The guard of every request that leaves this server for an address which a model, a page or a user had a say in.
//!
//! A request is refused unless its URL is plain HTTP(S) without credentials, its port is permitted, and every address it would
//! connect to is a public one or in the operator's list. Names are resolved here, once, and the connection uses exactly the
//! addresses that were checked, so a name cannot answer differently a moment later. Redirects are followed by hand and checked
//! like the first URL. No proxy of the environment is used, time and bodies are bounded.
//!
//! The decisions ([`Policy`], [`Scope`]) are functions of values; [`Outbound`] is the client that obeys them.

mod address;
mod client;
mod config;
mod policy;
mod resolver;
#[cfg(test)]
pub(crate) mod server;

pub use address::{Scope, embedded, scope};
pub use client::{Outbound, OutboundError, OutboundRequest, OutboundResponse};
pub use config::{Network, OutboundConfig};
pub use policy::{Policy, Refusal};
pub use resolver::{GuardedResolver, Lookup, SystemLookup};
