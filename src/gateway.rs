//! Plane 2, the gateway: the only place that knows HTTP.
//!
//! A request passes what `routes::app` lists, from its id to the `gate` that knows who asks and whether they may; then one
//! handler of `api`, `pages` or `session`. Handlers of the API and of the pages call the same [`Planning`] operations, which are typed asks to
//! actors with the caller's tenant. Everything that goes wrong leaves as one [`Problem`].

mod account_sessions;
mod accounts;
mod admin;
mod agents;
mod answer;
mod api;
mod audit;
mod auth;
mod backups;
mod body;
mod caller;
mod callers;
mod catalogue;
mod checks;
mod client_address;
mod connection;
mod contact;
mod context_token;
mod contract;
mod cors;
mod cursor;
mod docs;
mod endpoint;
mod error;
mod etag;
mod framing;
mod gate;
mod headers;
mod health;
mod idempotency;
mod issuers;
mod key_rotation;
mod limits;
mod mcp;
mod nodes;
mod openapi;
mod pages;
mod permission;
mod planning;
mod recent;
mod request;
mod routes;
mod session;
mod session_owner;
mod signing_keys;
mod socket;
mod sse;
mod state;
mod tenant;
mod tenant_export;
mod tenants;
mod token;
mod turnstile;
mod vectors;
mod witness;
mod words;

#[cfg(test)]
mod tests;

pub use account_sessions::AccountSessions;
pub use backups::Backups;
pub use callers::{Callers, FIRST_USER};
pub use checks::watch_stores;
pub use client_address::ForwardedHeader;
pub(crate) use connection::connections;
pub use context_token::ContextTokens;
pub use error::Problem;
pub(crate) use issuers::check as check_issuers;
pub use issuers::{IssuerAlgorithm, IssuerConfig, Issuers};
pub use limits::{Limits, LimitsConfig, OnFailure};
pub use mcp::{Mcp, McpAgent, McpCall, McpStream};
pub(crate) use nodes::{GroupView, LocalBody, NodeView};
pub use permission::Permission;
pub use planning::Planning;
pub use routes::app;
pub use session::{SIGNED_IN, sign_in_link};
pub use signing_keys::SigningKeys;
pub use socket::{SocketCounts, SocketsConfig};
pub use state::{Gateway, ModelStatus, Parts, Readiness};
pub use token::{Claims, Purpose, Signer, TokenError};
pub use turnstile::{Turnstile, TurnstileConfig, TurnstileError};
