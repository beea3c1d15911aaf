//! What a raft plane needs to know, and its bounds.

use std::{net::SocketAddr, time::Duration};

use crate::{cluster_id::ClusterId, node_name::NodeName, peers::NodeId, tls::Security};

/// What a raft plane needs to know.
#[derive(Debug, Clone)]
pub(crate) struct RaftPlaneConfig {
    /// The cluster. Nodes of another one are refused.
    pub(crate) cluster: ClusterId,
    /// This node.
    pub(crate) node: NodeId,
    /// Its name, which its certificate carries.
    pub(crate) name: NodeName,
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// How connections are protected.
    pub(crate) security: Security,
    /// Its bounds.
    pub(crate) limits: RaftPlaneLimits,
}

/// Bounds of a raft plane.
#[derive(Debug, Clone)]
pub(crate) struct RaftPlaneLimits {
    /// Bytes of one frame. A larger request is not sent, a larger answer is not given.
    pub(crate) frame_bytes: usize,
    /// Requests on their way, per connection.
    pub(crate) requests: usize,
    /// Bytes of requests on their way, per connection.
    pub(crate) request_bytes: usize,
    /// How long it may take to connect, with all that comes before the first request.
    pub(crate) greeting: Duration,
    /// Connections that have not finished their greeting; the oldest makes room.
    pub(crate) greetings: usize,
    /// Connections taken in.
    pub(crate) connections: usize,
    /// Pause after the first failure to connect. It doubles with each further one.
    pub(crate) pause: Duration,
    /// Longest such pause.
    pub(crate) pause_max: Duration,
    /// How long nothing may come back while something is expected.
    pub(crate) silence: Duration,
    /// How long an unused connection is kept.
    pub(crate) idle: Duration,
    /// How long a request is served at most, whatever its caller says.
    pub(crate) service: Duration,
}

impl Default for RaftPlaneLimits {
    fn default() -> Self {
        Self {
            frame_bytes: 16 << 20,
            requests: 1024,
            request_bytes: 32 << 20,
            greeting: Duration::from_secs(3),
            greetings: 64,
            connections: 1024,
            pause: Duration::from_millis(50),
            pause_max: Duration::from_secs(2),
            silence: Duration::from_secs(5),
            idle: Duration::from_secs(60),
            service: Duration::from_secs(600),
        }
    }
}
