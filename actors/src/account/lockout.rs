//! When guessing passwords is slowed down.

use std::time::Duration;

use cluster::Timestamp;
use serde::{Deserialize, Serialize};

/// Failures without a pause.
pub(super) const FREE: u32 = 5;
/// Failures are forgotten after so long without another one.
pub(super) const FORGOTTEN: Duration = Duration::from_mins(15);
/// The first pause; each one after it is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_mins(15);

/// Failed attempts to sign in, one after another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failures {
    pub(super) count: u32,
    pub(super) last: Timestamp,
}

impl Failures {
    /// Counts one more.
    pub(super) fn add(&mut self, now: Timestamp) {
        self.count = self.present(now).saturating_add(1);
        self.last = now;
    }

    /// How many count now.
    pub(super) fn present(&self, now: Timestamp) -> u32 {
        if now.since(self.last) > FORGOTTEN {
            0
        } else {
            self.count
        }
    }

    /// Until when attempts are refused, if they are.
    pub(super) fn locked_until(&self, now: Timestamp) -> Option<Timestamp> {
        let doublings = self.present(now).checked_sub(FREE)?;
        let pause = FIRST_PAUSE.saturating_mul(1 << doublings.min(16)).min(LONGEST_PAUSE);
        let until = self.last.plus(pause);
        (now < until).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000).plus(Duration::from_secs(seconds))
    }

    #[test]
    fn pauses_begin_after_five_failures_and_double_up_to_a_quarter_of_an_hour() {
        let mut failures = Failures::default();
        for _ in 0..4 {
            failures.add(at(0));
            assert_eq!(failures.locked_until(at(0)), None);
        }
        let mut now = at(0);
        for pause in [30, 60, 120, 240, 480, 900, 900] {
            failures.add(now);
            let until = now.plus(Duration::from_secs(pause));
            assert_eq!(failures.locked_until(now), Some(until));
            assert_eq!(failures.locked_until(until), None, "the pause is over");
            now = until;
        }
    }

    #[test]
    fn failures_are_forgotten() {
        let mut failures = Failures { count: 4, last: at(0) };
        failures.add(at(15 * 60 + 1));
        assert_eq!(failures.count, 1);
    }

    #[test]
    fn so_many_failures_as_there_are_numbers_change_nothing() {
        let mut failures = Failures {
            count: u32::MAX,
            last: at(0),
        };
        failures.add(at(1));
        assert_eq!(failures.locked_until(at(1)), Some(at(901)));
    }
}
