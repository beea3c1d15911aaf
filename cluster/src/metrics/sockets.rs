//! The metrics of the sockets that a node keeps.

use metrics::{Counter, Gauge, SharedString, Unit, counter, describe_counter, describe_gauge, gauge};

use super::{SOCKET_DISCONNECTS, SOCKET_FRAMES, SOCKET_GAPS, SOCKETS};

/// Handles to the metrics of the sockets of one node.
pub(crate) struct SocketMetrics {
    open: Gauge,
    received: Counter,
    sent: Counter,
    gaps: Counter,
}

impl SocketMetrics {
    pub(crate) fn new() -> Self {
        Self {
            open: gauge!(SOCKETS),
            received: counter!(SOCKET_FRAMES, "direction" => "in"),
            sent: counter!(SOCKET_FRAMES, "direction" => "out"),
            gaps: counter!(SOCKET_GAPS),
        }
    }

    pub(crate) fn opened(&self) {
        self.open.increment(1.0);
    }

    pub(crate) fn removed(&self) {
        self.open.decrement(1.0);
    }

    pub(crate) fn received(&self) {
        self.received.increment(1);
    }

    pub(crate) fn sent(&self) {
        self.sent.increment(1);
    }

    pub(crate) fn gap(&self) {
        self.gaps.increment(1);
    }

    /// Counts the end of a connection, which is rare enough to look for its counter.
    pub(crate) fn ended(code: u16) {
        counter!(SOCKET_DISCONNECTS, "code" => label(code)).increment(1);
    }
}

/// Those that libraries and programs may give any meaning to are not told apart, so that they are few.
fn label(code: u16) -> SharedString {
    match code {
        1000..=1015 => code.to_string().into(),
        3000..=3999 => "3000-3999".into(),
        4000..=4999 => "4000-4999".into(),
        _ => "other".into(),
    }
}

pub(super) fn describe() {
    describe_gauge!(SOCKETS, Unit::Count, "Clients that are connected to this node");
    describe_counter!(
        SOCKET_FRAMES,
        Unit::Count,
        "Frames between clients and this node, by direction"
    );
    describe_counter!(
        SOCKET_DISCONNECTS,
        Unit::Count,
        "Connections of clients that ended, by close code"
    );
    describe_counter!(
        SOCKET_GAPS,
        Unit::Count,
        "Times that an actor was told that a socket may lack something"
    );
}
