//! What an agent does at a time.

use std::{str::FromStr, time::Duration};

use cluster::prelude::{ActorError, Result, Timestamp, Uuid};
use croner::Cron;
use rand::Rng;
use serde::{Deserialize, Serialize};

/// Most schedules of one agent.
pub(super) const SCHEDULES_MAX: usize = 1000;
/// Longest arguments of a call that waits, as JSON.
pub(super) const ARGS_BYTES_MAX: usize = 64 * 1024;
/// Longest time between two calls.
const EVERY_MAX: Duration = Duration::from_hours(30 * 24);
/// Shortest time between two calls.
const EVERY_MIN: Duration = Duration::from_secs(1);
/// Most attempts at one call.
const ATTEMPTS: u32 = 3;
/// Pause before the second attempt, at most; it doubles with each one.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(3);

/// When something is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum When {
    /// Once, after a time.
    In(Duration),
    /// Once, at a moment.
    At(Timestamp),
    /// Again and again, with so much time between; what was missed is done once.
    Every(Duration),
    /// At moments that a cron expression names, in UTC: minute, hour, day of the month, month, day of the week.
    Cron(String),
}

/// A call that an agent makes of itself at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Its id.
    pub id: Uuid,
    /// The method.
    pub method: String,
    /// The arguments, as JSON.
    pub args: String,
    /// When it was asked for.
    pub when: When,
    /// When it is due.
    pub due: Timestamp,
}

impl When {
    /// Whether it names one moment only.
    pub(super) fn is_once(&self) -> bool {
        matches!(self, Self::In(_) | Self::At(_))
    }

    /// The first moment.
    ///
    /// # Errors
    /// `agent.schedule` for a cron expression that is none or names no moment to come, and for times between two calls that
    /// are too short or too long.
    pub(super) fn first(&self, now: Timestamp) -> Result<Timestamp> {
        match self {
            Self::In(time) => Ok(now.plus(*time)),
            Self::At(moment) => Ok(*moment),
            Self::Every(time) if (EVERY_MIN..=EVERY_MAX).contains(time) => Ok(now.plus(*time)),
            Self::Every(_) => Err(ActorError::invalid(
                "agent.schedule",
                format!(
                    "between two calls are {} to {} seconds",
                    EVERY_MIN.as_secs(),
                    EVERY_MAX.as_secs()
                ),
            )),
            Self::Cron(expression) => next_of(expression, now),
        }
    }

    /// The moment after the one that was due, if there is one.
    pub(super) fn next(&self, due: Timestamp, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::In(_) | Self::At(_) => None,
            Self::Every(time) => {
                let next = due.plus(*time);
                Some(if next > now { next } else { now.plus(*time) })
            }
            Self::Cron(expression) => next_of(expression, now).ok(),
        }
    }
}

/// The pause after so many failures, or none if it is given up: anything up to twice as long as the last time.
pub(super) fn pause(failures: u32) -> Option<Duration> {
    if failures >= ATTEMPTS {
        return None;
    }
    let most = PAUSE
        .saturating_mul(1 << failures.saturating_sub(1).min(16))
        .min(PAUSE_MAX);
    Some(most.mul_f64(rand::rng().random()))
}

fn next_of(expression: &str, now: Timestamp) -> Result<Timestamp> {
    let refused = |why: String| ActorError::invalid("agent.schedule", format!("{expression:?} names no time: {why}"));
    if expression.split_whitespace().count() != 5 {
        return Err(refused("a cron expression has five fields".to_owned()));
    }
    let cron = Cron::from_str(expression).map_err(|error| refused(error.to_string()))?;
    let now = jiff::Timestamp::from_millisecond(now.as_millis()).map_err(|error| refused(error.to_string()))?;
    let next = cron.find_next_occurrence(&now.to_zoned(jiff::tz::TimeZone::UTC), false);
    let next = next.map_err(|error| refused(error.to_string()))?;
    Ok(Timestamp::from_millis(next.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_500);

    fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[test]
    fn cron_expressions_name_the_next_moment_in_utc() {
        // 2026-09-21, a Monday, 14:13:20.5.
        let next = |expression: &str| {
            let at = When::Cron(expression.to_owned()).first(NOW).unwrap();
            jiff::Timestamp::from_millisecond(at.as_millis()).unwrap().to_string()
        };
        assert_eq!(next("* * * * *"), "2026-09-21T14:14:00Z");
        assert_eq!(next("0 9 * * 1-5"), "2026-09-22T09:00:00Z");
        assert_eq!(next("30 4 1 * *"), "2026-10-01T04:30:00Z");
        assert_eq!(next("0 0 29 2 *"), "2028-02-29T00:00:00Z");
    }

    #[test]
    fn what_names_no_time_is_refused() {
        for expression in ["", "* * * *", "* * * * * *", "61 * * * *", "x y z a b", "0 0 30 2 *"] {
            let error = When::Cron(expression.to_owned()).first(NOW).unwrap_err();
            assert_eq!(error.code(), "agent.schedule", "{expression:?}");
        }
        for time in [seconds(0), Duration::from_millis(999), EVERY_MAX + seconds(1)] {
            assert_eq!(When::Every(time).first(NOW).unwrap_err().code(), "agent.schedule");
        }
    }

    #[test]
    fn what_was_missed_is_done_once() {
        let every = When::Every(seconds(60));
        assert_eq!(every.next(NOW, NOW.plus(seconds(5))), Some(NOW.plus(seconds(60))));
        let late = NOW.plus(seconds(600));
        assert_eq!(every.next(NOW, late), Some(late.plus(seconds(60))));
        assert_eq!(When::In(seconds(1)).next(NOW, NOW), None);
    }

    #[test]
    fn three_attempts_and_pauses_that_grow() {
        for _ in 0..100 {
            assert!(pause(1).unwrap() <= PAUSE);
            assert!(pause(2).unwrap() <= PAUSE * 2);
        }
        assert_eq!(pause(3), None);
    }
}
