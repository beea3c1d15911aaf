//! What the groups of different nodes say to each other, over connections of its own.
//!
//! A node dials one connection to each peer for each lane, when there is something to send on it; requests travel on it
//! one way, answers back. It begins with a hello in both directions: which cluster, which node calls which, on which
//! lane, in which version. Then there are only frames of bounded size. A request carries a number, which its answer
//! repeats, and how long its caller waits, which is how long it is served.
//!
//! - Nobody who calls is ever blocked. What exceeds the bounds of a connection, or has no connection and cannot have one
//!   for now, is refused at once, as certainly not sent.
//! - What is waiting for a connection is written together, so that the heartbeats of all groups to a node are one write.
//! - A connection that fails takes its calls with it: those that were not written were certainly not sent. The next
//!   call dials again, after a pause that grows while that fails, and ends when the peer itself dials.
//! - A peer that serves something says so from time to time. A connection on which something is expected and nothing
//!   comes is given up; so is one that nobody has used for long.
//! - Lanes have nothing in common: one that is stuck does not delay another.
//!
//! Who may call is decided by certificate, cluster and node id: see [`crate::tls`] and `hello`.

mod accepted;
mod backoff;
mod complaints;
mod config;
mod connection;
mod dialler;
mod frame;
mod hello;
mod incoming;
mod link;
mod listener;
mod meter;
mod outgoing;
mod plane;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use config::{RaftPlaneConfig, RaftPlaneLimits};
pub(crate) use plane::RaftPlane;
