//! What an instance stores: itself, its steps, and the events nobody has waited for yet.

#[cfg(test)]
mod golden;

use std::{fmt, time::Duration};

use cluster::prelude::{Key, Keys, Timestamp};
use serde::{Deserialize, Serialize};

use super::status::Status;

pub(super) const INSTANCE: Key<Instance> = Key::new("workflow/instance");
/// Parameters as JSON. They may be large and never change, so they are not part of the row that changes with each step.
pub(super) const PARAMS: Key<String> = Key::new("workflow/params");
/// The request that created the instance, if it was one: its id in the logs.
pub(super) const REQUEST: Key<String> = Key::new("workflow/request");
/// Output as JSON, once complete.
pub(super) const OUTPUT: Key<String> = Key::new("workflow/output");
pub(super) const STEPS: Keys<StepRecord> = Keys::new("workflow/steps/");
pub(super) const EVENTS: Keys<BufferedEvent> = Keys::new("workflow/events/");

/// The stored instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Instance {
    pub(super) status: Status,
    /// What the instance failed of, once errored.
    pub(super) error: Option<String>,
    pub(super) created_at: Timestamp,
    /// Steps that were begun and have an outcome or a failed attempt.
    pub(super) steps: u32,
    /// Since when it is paused.
    pub(super) paused_at: Option<Timestamp>,
    /// Milliseconds of all pauses that are over: pending timers move by what was added since they were set.
    pub(super) paused_ms: u64,
    /// Events taken so far; the next one's number.
    pub(super) events: u64,
    /// Set by earlier versions, in which an instance removed by itself what it had left outside.
    pub(super) cleanup: bool,
}

impl Instance {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            status: Status::Queued,
            error: None,
            created_at: now,
            steps: 0,
            paused_at: None,
            paused_ms: 0,
            events: 0,
            cleanup: false,
        }
    }

    /// A timer that rings after `delay`.
    pub(super) fn timer(&self, now: Timestamp, delay: Duration) -> Timer {
        Timer {
            at: now.plus(delay),
            paused_ms: self.paused_ms,
        }
    }

    /// When a timer rings, the pauses since it was set included.
    pub(super) fn due(&self, timer: Timer) -> Timestamp {
        timer
            .at
            .plus(Duration::from_millis(self.paused_ms.saturating_sub(timer.paused_ms)))
    }
}

/// A moment that moves with the pauses of its instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Timer {
    at: Timestamp,
    paused_ms: u64,
}

/// A step by name, told apart from others of the same name by the order of the calls.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct StepKey {
    pub(super) name: String,
    /// 1 for the first call with this name.
    pub(super) occurrence: u32,
}

/// The storage key: the number first, because a name may contain anything but control characters.
impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.occurrence, self.name)
    }
}

/// A step that has an outcome, a failed attempt, or a timer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct StepRecord {
    /// Attempts that were made and have an outcome.
    pub(super) attempts: u32,
    pub(super) state: StepState,
    /// When the state was entered.
    pub(super) at: Timestamp,
}

impl StepRecord {
    /// The output of a step that is done.
    pub(super) fn output(self) -> Option<String> {
        match self.state {
            StepState::Done { output } => Some(output),
            StepState::Retrying { .. }
            | StepState::Sleeping { .. }
            | StepState::Waiting { .. }
            | StepState::Failed { .. } => None,
        }
    }

    /// The timer of a step that has begun to sleep or to wait for an event.
    pub(super) fn timer(self) -> Option<Timer> {
        match self.state {
            StepState::Sleeping { timer } | StepState::Waiting { timer } => Some(timer),
            StepState::Retrying { .. } | StepState::Done { .. } | StepState::Failed { .. } => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum StepState {
    /// The last attempt failed; the next one begins at the timer.
    Retrying { timer: Timer, message: String },
    /// `sleep` and `sleep_until`.
    Sleeping { timer: Timer },
    /// `wait_for_event`, until the time-out.
    Waiting { timer: Timer },
    /// Output as JSON.
    Done { output: String },
    /// Failed for good.
    Failed { message: String },
}

/// An event that no step has consumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BufferedEvent {
    pub(super) event_type: String,
    /// Payload as JSON.
    pub(super) payload: String,
}

/// The storage key of the event with this number; keys sort as numbers do.
pub(super) fn event_key(number: u64) -> String {
    format!("{number:020}")
}
