//! What a request plane is told, and its bounds.

use std::{net::SocketAddr, time::Duration};

use crate::{cluster_id::ClusterId, peers::NodeId, tls::Security};

/// Whose plane it is, and where it listens.
#[derive(Debug, Clone)]
pub(crate) struct RequestPlaneConfig {
    /// This node.
    pub(crate) node: NodeId,
    /// The cluster; nodes of another are refused.
    pub(crate) cluster: ClusterId,
    /// Where the other nodes reach this one.
    pub(crate) listen: SocketAddr,
    /// What protects the connections.
    pub(crate) security: Security,
    /// What may wait, and for how long.
    pub(crate) bounds: RequestBounds,
}

/// Bounds of the request plane. Beyond one, a call is refused at once and has not been executed.
#[derive(Debug, Clone)]
pub(crate) struct RequestBounds {
    /// Calls to one peer that wait for their answers.
    pub(crate) calls: usize,
    /// Bytes that one peer has not yet dealt with, of calls and of answers.
    pub(crate) window: usize,
    /// Requests of one peer that are served at once.
    pub(crate) served: usize,
    /// Bytes of one request or answer.
    pub(crate) body: usize,
    /// Connections that have not finished their handshake.
    pub(crate) handshakes: usize,
    /// Time for all of a handshake.
    pub(crate) handshake: Duration,
    /// Nodes that are about to join and are served at once.
    pub(crate) joining: usize,
    /// Time to serve one of them.
    pub(crate) joining_time: Duration,
    /// Bytes of a request of such a node, or of its answer.
    pub(crate) joining_body: usize,
    /// How often each side of a session lets the other hear something.
    pub(crate) pulse: Duration,
    /// Pulses without a byte from the other side, after which a session is killed.
    pub(crate) missed: u32,
    /// First pause before a peer is dialled again; each one doubles it.
    pub(crate) redial: Duration,
    /// Longest such pause.
    pub(crate) redial_most: Duration,
    /// How long the node with the higher id waits to be dialled before it dials.
    pub(crate) courtesy: Duration,
}

impl Default for RequestBounds {
    fn default() -> Self {
        Self {
            calls: 2048,
            window: 32 * 1024 * 1024,
            served: 2048,
            body: 16 * 1024 * 1024,
            handshakes: 64,
            handshake: Duration::from_secs(5),
            joining: 8,
            joining_time: Duration::from_secs(30),
            joining_body: 1024 * 1024,
            pulse: Duration::from_millis(500),
            missed: 3,
            redial: Duration::from_millis(50),
            redial_most: Duration::from_secs(1),
            courtesy: Duration::from_secs(1),
        }
    }
}
