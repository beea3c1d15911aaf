//! The request plane: what actors and operators ask of other nodes, over ractor_cluster.
//!
//! ractor_cluster carries every call, and nothing rests on it: it may lose, delay or repeat. Around it stands what it
//! does not have.
//!
//! - **Connections** are ours: accepted and dialled with deadlines, encrypted, introduced by a hello (cluster, version,
//!   node, cookie; a refusal says why), and only then handed over. Its own listener is taken away.
//! - **Gateways**: two actors of each node can be reached by others. Every one that can is announced to every peer, so no
//!   actor of an application is. A peer tells the ids of its gateways in the hello.
//! - **Envelopes**: the one message type, bytes to ractor_cluster. They are casts in both directions, with a table of
//!   waiting calls of our own, because what ractor_cluster keeps for a call outlives its deadline.
//! - **Credits**: calls in flight, bytes on their way and requests being served are bounded for each peer. Beyond a bound
//!   a call is refused at once.
//! - **Signs of life**: each side says something every half second. Who hears nothing for three such times closes the
//!   connection, and all calls over it end: a frozen peer gives no error by itself.

mod config;
mod connection;
mod dialler;
mod doorway;
mod envelope;
mod gateway;
mod hello;
mod mesh;
mod meter;
mod peer;
mod plane;
mod roster;
mod session;
mod stranger;
#[cfg(test)]
mod tests;

pub(crate) use config::{RequestBounds, RequestPlaneConfig};
pub(crate) use plane::RequestPlane;
pub(crate) use stranger::call_address;
