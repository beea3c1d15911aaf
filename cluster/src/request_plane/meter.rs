//! Counts what the plane does.

use std::{fmt, time::Duration};

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

use super::{hello::Refusal, session::End};
use crate::metrics::{
    REQUEST_CALL, REQUEST_CALLS, REQUEST_LATE_ANSWERS, REQUEST_REFUSALS, REQUEST_SERVED, REQUEST_SESSIONS,
    REQUEST_SESSIONS_ENDED,
};

/// What became of a call, as its caller sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Called {
    /// It was answered.
    Answered,
    /// It did not leave, or was turned away before it was served.
    NotSent,
    /// The same, at a bound.
    Overloaded,
    /// It may have been served.
    NoAnswer,
}

/// What became of a request of a peer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Served {
    /// It was answered.
    Answered,
    /// It was turned away at a bound.
    Overloaded,
    /// Its caller has given up, or gone.
    Abandoned,
    /// Its answer was too large, or serving it panicked.
    Failed,
}

/// Handles to the metrics of one plane.
pub(crate) struct Meter {
    calls: [Counter; 4],
    time: Histogram,
    served: [Counter; 4],
    sessions: Gauge,
    ended: [Counter; End::ALL.len()],
    late: Counter,
}

impl Meter {
    /// All at zero.
    pub(crate) fn new() -> Self {
        Self {
            calls: ["answered", "not-sent", "overloaded", "no-answer"]
                .map(|outcome| counter!(REQUEST_CALLS, "outcome" => outcome)),
            time: histogram!(REQUEST_CALL),
            served: ["answered", "overloaded", "abandoned", "failed"]
                .map(|outcome| counter!(REQUEST_SERVED, "outcome" => outcome)),
            sessions: gauge!(REQUEST_SESSIONS),
            ended: End::ALL.map(|end| counter!(REQUEST_SESSIONS_ENDED, "reason" => end.label())),
            late: counter!(REQUEST_LATE_ANSWERS),
        }
    }

    /// A call came to its end.
    pub(crate) fn called(&self, outcome: Called) {
        self.calls[match outcome {
            Called::Answered => 0,
            Called::NotSent => 1,
            Called::Overloaded => 2,
            Called::NoAnswer => 3,
        }]
        .increment(1);
    }

    /// How long a call took that was answered.
    pub(crate) fn took(&self, time: Duration) {
        self.time.record(time);
    }

    /// A request of a peer came to its end.
    pub(crate) fn served(&self, outcome: Served) {
        self.served[match outcome {
            Served::Answered => 0,
            Served::Overloaded => 1,
            Served::Abandoned => 2,
            Served::Failed => 3,
        }]
        .increment(1);
    }

    /// There are so many sessions that carry calls.
    #[expect(clippy::cast_precision_loss, reason = "a node has few peers")]
    pub(crate) fn sessions(&self, live: usize) {
        self.sessions.set(live as f64);
    }

    /// A session ended.
    pub(crate) fn ended(&self, end: End) {
        for (known, counter) in End::ALL.iter().zip(&self.ended) {
            if *known == end {
                counter.increment(1);
            }
        }
    }

    /// An answer came too late.
    pub(crate) fn late_answer(&self) {
        self.late.increment(1);
    }

    /// A connection was refused.
    pub(crate) fn refused(&self, refusal: &Refusal) {
        counter!(REQUEST_REFUSALS, "reason" => refusal.label()).increment(1);
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").finish_non_exhaustive()
    }
}
