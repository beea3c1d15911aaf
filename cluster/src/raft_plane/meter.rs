//! What is counted of the raft plane, by lane.

use metrics::{Counter, Gauge, counter, gauge};

use crate::{
    metrics::{RAFT_BYTES, RAFT_CALLS, RAFT_CONNECTIONS, RAFT_DIAL_FAILURES, RAFT_FRAMES, RAFT_REFUSED_CALLS},
    peers::Lane,
};

/// Handles to the metrics of one lane to all peers.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    pub(super) sent: Traffic,
    pub(super) received: Traffic,
    /// Calls that wait for their answer.
    pub(super) calls: Gauge,
    /// Calls refused at a bound of a connection.
    pub(super) refused: Counter,
    /// Connections that were made.
    pub(super) connections: Counter,
    /// Attempts to connect that failed.
    pub(super) failures: Counter,
}

/// What goes one way.
#[derive(Debug, Clone)]
pub(super) struct Traffic {
    pub(super) frames: Counter,
    pub(super) bytes: Counter,
}

impl Meter {
    pub(super) fn new(lane: Lane) -> Self {
        let lane = label(lane);
        let traffic = |direction: &'static str| Traffic {
            frames: counter!(RAFT_FRAMES, "lane" => lane, "direction" => direction),
            bytes: counter!(RAFT_BYTES, "lane" => lane, "direction" => direction),
        };
        Self {
            sent: traffic("out"),
            received: traffic("in"),
            calls: gauge!(RAFT_CALLS, "lane" => lane),
            refused: counter!(RAFT_REFUSED_CALLS, "lane" => lane),
            connections: counter!(RAFT_CONNECTIONS, "lane" => lane),
            failures: counter!(RAFT_DIAL_FAILURES, "lane" => lane),
        }
    }
}

/// The name of a lane in metrics and logs.
pub(super) fn label(lane: Lane) -> &'static str {
    match lane {
        Lane::Heartbeat => "heartbeat",
        Lane::Log => "log",
        Lane::Snapshot => "snapshot",
        Lane::Request => "request",
    }
}
