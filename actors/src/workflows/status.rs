//! The states of an instance and the moves between them, as pure functions.

use cluster::prelude::{ActorError, Result};
use serde::{Deserialize, Serialize};

/// Where an instance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// Created; its run has not begun a step.
    Queued,
    /// A step is executed, or the run is between two steps.
    Running,
    /// Nothing happens until it is resumed.
    Paused,
    /// A step failed for good.
    Errored,
    /// Stopped from outside.
    Terminated,
    /// The run returned.
    Complete,
    /// The run sleeps, waits for an event, or waits before a retry.
    Waiting,
    /// A pause was asked for while a step is executed.
    WaitingForPause,
}

/// What was asked of an instance in a state that does not allow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    Pause,
    Resume,
    Terminate,
    SendEvent,
}

impl Status {
    /// The name in replies.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Errored => "errored",
            Self::Terminated => "terminated",
            Self::Complete => "complete",
            Self::Waiting => "waiting",
            Self::WaitingForPause => "waitingForPause",
        }
    }

    /// Says whether the instance is at its end.
    #[must_use]
    pub fn is_final(self) -> bool {
        match self {
            Self::Errored | Self::Terminated | Self::Complete => true,
            Self::Queued | Self::Running | Self::Paused | Self::Waiting | Self::WaitingForPause => false,
        }
    }

    /// Says whether the run of an instance in this state is to be executed.
    #[must_use]
    pub fn is_active(self) -> bool {
        match self {
            Self::Queued | Self::Running | Self::Waiting | Self::WaitingForPause => true,
            Self::Paused | Self::Errored | Self::Terminated | Self::Complete => false,
        }
    }

    /// Says whether no new step may begin.
    #[must_use]
    pub fn holds_steps(self) -> bool {
        match self {
            Self::Paused | Self::WaitingForPause => true,
            Self::Queued | Self::Running | Self::Errored | Self::Terminated | Self::Complete | Self::Waiting => false,
        }
    }

    /// The state after a pause: the step that is executed (`busy`) finishes, the next does not start.
    pub(super) fn pause(self, busy: bool) -> Result<Self> {
        match self {
            Self::Queued | Self::Running | Self::Waiting => Ok(if busy { Self::WaitingForPause } else { Self::Paused }),
            Self::Paused | Self::WaitingForPause => Ok(self),
            Self::Errored | Self::Terminated | Self::Complete => Err(self.refuse(Refused::Pause)),
        }
    }

    /// The state after a resume. Of a pause that is still pending it is the cancellation.
    pub(super) fn resume(self) -> Result<Self> {
        match self {
            Self::Paused | Self::WaitingForPause => Ok(Self::Running),
            Self::Queued | Self::Running | Self::Waiting => Ok(self),
            Self::Errored | Self::Terminated | Self::Complete => Err(self.refuse(Refused::Resume)),
        }
    }

    /// The state after a termination.
    pub(super) fn terminate(self) -> Result<Self> {
        if self.is_final() {
            Err(self.refuse(Refused::Terminate))
        } else {
            Ok(Self::Terminated)
        }
    }

    /// Checks that events are still taken.
    pub(super) fn takes_events(self) -> Result<()> {
        if self.is_final() {
            Err(self.refuse(Refused::SendEvent))
        } else {
            Ok(())
        }
    }

    /// The state that follows from what the run does: whether steps are executed, and whether it waits.
    pub(super) fn settle(self, busy: bool, waiting: bool) -> Self {
        match self {
            Self::Queued | Self::Running | Self::Waiting => {
                if !busy && waiting {
                    Self::Waiting
                } else {
                    Self::Running
                }
            }
            Self::WaitingForPause if !busy => Self::Paused,
            Self::Paused | Self::Errored | Self::Terminated | Self::Complete | Self::WaitingForPause => self,
        }
    }

    fn refuse(self, what: Refused) -> ActorError {
        let (code, verb) = match what {
            Refused::Pause => ("instance.cannot-pause", "be paused"),
            Refused::Resume => ("instance.cannot-resume", "be resumed"),
            Refused::Terminate => ("instance.cannot-terminate", "be terminated"),
            Refused::SendEvent => ("instance.cannot-send-event", "take an event"),
        };
        ActorError::conflict(code, format!("the instance is {} and cannot {verb}", self.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::Status::{self, Complete, Errored, Paused, Queued, Running, Terminated, Waiting, WaitingForPause};

    const ALL: [Status; 8] = [
        Queued,
        Running,
        Paused,
        Errored,
        Terminated,
        Complete,
        Waiting,
        WaitingForPause,
    ];

    #[test]
    fn every_state_answers_every_request_as_the_table_says() {
        // State, pause while busy, pause while idle, resume, terminate.
        let table = [
            (
                Queued,
                Some(WaitingForPause),
                Some(Paused),
                Some(Queued),
                Some(Terminated),
            ),
            (
                Running,
                Some(WaitingForPause),
                Some(Paused),
                Some(Running),
                Some(Terminated),
            ),
            (
                Waiting,
                Some(WaitingForPause),
                Some(Paused),
                Some(Waiting),
                Some(Terminated),
            ),
            (
                WaitingForPause,
                Some(WaitingForPause),
                Some(WaitingForPause),
                Some(Running),
                Some(Terminated),
            ),
            (Paused, Some(Paused), Some(Paused), Some(Running), Some(Terminated)),
            (Errored, None, None, None, None),
            (Terminated, None, None, None, None),
            (Complete, None, None, None, None),
        ];
        for (state, busy, idle, resumed, terminated) in table {
            assert_eq!(state.pause(true).ok(), busy, "{state:?}");
            assert_eq!(state.pause(false).ok(), idle, "{state:?}");
            assert_eq!(state.resume().ok(), resumed, "{state:?}");
            assert_eq!(state.terminate().ok(), terminated, "{state:?}");
            assert_eq!(state.takes_events().is_ok(), !state.is_final(), "{state:?}");
        }
    }

    #[test]
    fn a_pending_pause_takes_effect_when_the_running_step_has_finished() {
        assert_eq!(WaitingForPause.settle(true, false), WaitingForPause);
        assert_eq!(WaitingForPause.settle(false, true), Paused);
    }

    #[test]
    fn an_instance_waits_only_while_no_step_is_executed() {
        assert_eq!(Running.settle(false, true), Waiting);
        assert_eq!(Waiting.settle(true, true), Running);
        assert_eq!(Queued.settle(false, false), Running);
    }

    #[test]
    fn final_states_and_a_pause_stay_whatever_the_run_does() {
        for state in ALL.into_iter().filter(|state| state.is_final() || *state == Paused) {
            assert_eq!(state.settle(true, true), state);
        }
    }

    #[test]
    fn refusals_name_the_state_and_have_stable_codes() {
        let error = Complete.terminate().unwrap_err();
        assert_eq!(error.code(), "instance.cannot-terminate");
        assert_eq!(error.message(), "the instance is complete and cannot be terminated");
    }
}
