//! The one alarm of an actor: what is stored of it, what its handler is told, when a failed one is tried again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    wire::{self, WireError},
};

/// Retries after failures that count; the alarm is abandoned when the last of them fails.
const RETRIES: u32 = 6;

/// Delay before the first retry; each further one doubles it.
const FIRST_DELAY: Duration = Duration::from_secs(2);

/// Most doublings of the delay.
const DOUBLINGS: u32 = 9;

/// Pause before a firing is repeated. `jitter` is in 0..1.
pub(crate) fn pause(doublings: u32, jitter: f64) -> Duration {
    let delay = FIRST_DELAY * 2_u32.pow(doublings.min(DOUBLINGS));
    delay + delay.mul_f64(0.25 * jitter.clamp(0.0, 1.0))
}

/// What an alarm handler is told about its firing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alarm {
    /// Failed firings before this one that counted.
    pub retry_count: u32,
    /// Whether this firing repeats a failed one.
    pub is_retry: bool,
    /// The moment the alarm was set for.
    pub scheduled: Timestamp,
}

/// A firing, on its way to the actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    /// The moment under which the alarm is stored.
    pub(crate) at: Timestamp,
    /// Whether the firing before it came to nothing through no fault of the handler.
    pub(crate) interrupted: bool,
}

/// The stored alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AlarmRow {
    /// When it fires next.
    pub(crate) due: Timestamp,
    /// What it was set for.
    pub(crate) scheduled: Timestamp,
    /// Failed firings so far that counted.
    pub(crate) retries: u32,
    /// Doublings of the pause that follows the next failure: fewer than `retries` if the runtime failed in between.
    pub(crate) doublings: u32,
}

/// The row as it was before pauses were counted apart from retries.
#[derive(Deserialize)]
struct EarlierRow {
    due: Timestamp,
    scheduled: Timestamp,
    retries: u32,
}

impl AlarmRow {
    /// Reads a row of this version or the one before.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        wire::decode(bytes).or_else(|error| {
            let EarlierRow {
                due,
                scheduled,
                retries,
            } = wire::decode(bytes).map_err(|_| error)?;
            Ok(Self {
                due,
                scheduled,
                retries,
                doublings: retries,
            })
        })
    }

    fn new(at: Timestamp) -> Self {
        Self {
            due: at,
            scheduled: at,
            retries: 0,
            doublings: 0,
        }
    }

    /// What the handler is told.
    pub(crate) fn firing(&self) -> Alarm {
        Alarm {
            retry_count: self.retries,
            is_retry: self.retries > 0,
            scheduled: self.scheduled,
        }
    }

    /// The alarm after a firing that failed at `now`, or `None` if it is abandoned. A failure behind an interrupted
    /// firing is likely to be another fault, and begins with the shortest pause. `jitter` is in 0..1.
    fn retried(&self, interrupted: bool, now: Timestamp, jitter: f64) -> Option<Self> {
        if self.retries >= RETRIES {
            return None;
        }
        let doublings = if interrupted { 0 } else { self.doublings };
        Some(Self {
            due: now.plus(pause(doublings, jitter)),
            scheduled: self.scheduled,
            retries: self.retries + 1,
            doublings: doublings + 1,
        })
    }
}

/// What a turn wants of the alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Wish {
    #[default]
    Keep,
    Set(Timestamp),
    Retry(AlarmRow),
    /// Back to the running alarm, after a successor of it was made durable.
    Restore(AlarmRow),
    Remove,
}

/// What became of a firing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Firing {
    Succeeded,
    /// The handler failed, which counts.
    Failed,
    /// The runtime failed, which does not.
    Interrupted,
}

/// How a firing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It is over, replaced, or stored for another try.
    Settled,
    /// It has to be repeated: the alarm is as it was.
    Open,
    /// The last retry failed: the alarm is gone.
    Abandoned,
}

/// What changes of the stored alarm: from which row to which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AlarmChange {
    pub(crate) from: Option<AlarmRow>,
    pub(crate) to: Option<AlarmRow>,
}

/// The alarm of a live actor: the stored row as of the last proposal, and the wish of the running turn.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AlarmState {
    row: Option<AlarmRow>,
    /// The alarm whose handler runs, and whether it fires after an interrupted firing.
    running: Option<(AlarmRow, bool)>,
    /// Whether `row` is a successor that the running handler has set before it asked somebody.
    replaced: bool,
    wish: Wish,
}

impl AlarmState {
    pub(crate) fn new(row: Option<AlarmRow>) -> Self {
        Self { row, ..Self::default() }
    }

    /// Sets the alarm; a moment that has passed means now.
    pub(crate) fn set(&mut self, at: Timestamp, now: Timestamp) {
        self.wish = Wish::Set(at.max(now));
    }

    /// Removes the alarm. While the handler runs this takes back what it set, not the alarm that is running.
    pub(crate) fn delete(&mut self) {
        self.wish = match self.running {
            None => Wish::Remove,
            Some((running, _)) if self.replaced => Wish::Restore(running),
            Some(_) => Wish::Keep,
        };
    }

    /// Removes the alarm with everything else, the running one too.
    pub(crate) fn clear(&mut self) {
        self.running = None;
        self.replaced = false;
        self.wish = Wish::Remove;
    }

    pub(crate) fn get(&self) -> Option<Timestamp> {
        match self.wish {
            Wish::Set(at) => Some(at),
            Wish::Retry(row) => Some(row.due),
            Wish::Restore(_) | Wish::Remove => None,
            Wish::Keep if self.running.is_some() && !self.replaced => None,
            Wish::Keep => self.row.map(|row| row.due),
        }
    }

    /// Begins a firing; `None` if it is not of the present alarm.
    pub(crate) fn fire(&mut self, due: Due) -> Option<Alarm> {
        let row = self.row.filter(|row| row.due == due.at)?;
        self.running = Some((row, due.interrupted));
        self.replaced = false;
        Some(row.firing())
    }

    /// Ends a firing. An alarm that its handler set replaces the retry.
    pub(crate) fn finish(&mut self, firing: Firing, now: Timestamp, jitter: f64) -> Ending {
        let replaced = std::mem::take(&mut self.replaced);
        let Some((row, interrupted)) = self.running.take() else {
            return Ending::Settled;
        };
        match self.wish {
            Wish::Keep if !replaced => {}
            Wish::Restore(_) => {}
            Wish::Keep | Wish::Set(_) | Wish::Retry(_) | Wish::Remove => return Ending::Settled,
        }
        match firing {
            Firing::Succeeded => {
                self.wish = Wish::Remove;
                Ending::Settled
            }
            Firing::Interrupted => Ending::Open,
            Firing::Failed => match row.retried(interrupted, now, jitter) {
                Some(next) => {
                    self.wish = Wish::Retry(next);
                    Ending::Settled
                }
                None => {
                    self.wish = Wish::Remove;
                    Ending::Abandoned
                }
            },
        }
    }

    /// Whether the turn wants nothing of the alarm.
    pub(crate) fn is_clean(&self) -> bool {
        self.wish == Wish::Keep
    }

    /// Takes the wish of the turn as a change to be made durable.
    pub(crate) fn commit(&mut self) -> Option<AlarmChange> {
        let (to, replaced) = match std::mem::take(&mut self.wish) {
            Wish::Keep => return None,
            Wish::Set(at) => (Some(AlarmRow::new(at)), self.running.is_some()),
            Wish::Retry(row) | Wish::Restore(row) => (Some(row), false),
            Wish::Remove => (None, false),
        };
        let from = std::mem::replace(&mut self.row, to);
        self.replaced = replaced;
        (from.is_some() || to.is_some()).then_some(AlarmChange { from, to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn stored() -> AlarmState {
        AlarmState::new(Some(AlarmRow::new(NOW)))
    }

    const DUE: Due = Due {
        at: NOW,
        interrupted: false,
    };

    /// Guarantee 10.
    #[test]
    fn retries_double_and_end_after_the_sixth() {
        let mut row = AlarmRow::new(NOW);
        let mut delays = Vec::new();
        while let Some(next) = row.retried(false, NOW, 0.0) {
            delays.push(next.due.since(NOW).as_secs());
            row = next;
        }
        assert_eq!(delays, [2, 4, 8, 16, 32, 64]);
        let late = AlarmRow::new(NOW).retried(false, NOW, 1.0).unwrap();
        assert_eq!(late.due.since(NOW), Duration::from_millis(2500));
    }

    /// Guarantee 10.
    #[test]
    fn a_failure_behind_an_interruption_begins_with_the_shortest_pause() {
        let mut row = AlarmRow::new(NOW);
        for _ in 0..3 {
            row = row.retried(false, NOW, 0.0).unwrap();
        }
        row = row.retried(true, NOW, 0.0).unwrap();
        assert_eq!((row.retries, row.due.since(NOW).as_secs()), (4, 2));
        row = row.retried(false, NOW, 0.0).unwrap();
        assert_eq!((row.retries, row.due.since(NOW).as_secs()), (5, 4));
    }

    /// Guarantee 10.
    #[test]
    fn pauses_end_their_doubling_at_1024_seconds() {
        assert_eq!(pause(9, 0.0).as_secs(), 1024);
        assert_eq!(pause(u32::MAX, 1.0).as_secs(), 1280);
    }

    /// Guarantee 10.
    #[test]
    fn the_running_alarm_is_not_visible_and_not_deletable() {
        let mut alarm = stored();
        assert_eq!(alarm.get(), Some(NOW));
        assert!(alarm.fire(DUE).is_some());
        assert_eq!(alarm.get(), None);
        alarm.set(NOW.plus(Duration::from_secs(5)), NOW);
        alarm.delete();
        assert_eq!(alarm.finish(Firing::Failed, NOW, 0.0), Ending::Settled);
        assert_eq!(alarm.commit().unwrap().to.unwrap().retries, 1);
    }

    /// Guarantee 10.
    #[test]
    fn an_alarm_set_by_the_handler_replaces_the_retry() {
        let mut alarm = stored();
        alarm.fire(DUE);
        alarm.set(Timestamp::default(), NOW);
        assert_eq!(alarm.finish(Firing::Failed, NOW, 0.0), Ending::Settled);
        assert_eq!(alarm.commit().unwrap().to, Some(AlarmRow::new(NOW)));
    }

    /// Guarantee 10.
    #[test]
    fn a_successor_that_is_durable_can_be_taken_back() {
        let mut alarm = stored();
        alarm.fire(DUE);
        alarm.set(NOW, NOW);
        assert_eq!(alarm.commit().unwrap().to, Some(AlarmRow::new(NOW)));
        assert_eq!(
            alarm.get(),
            Some(NOW),
            "the successor waits, though it is for the same moment"
        );
        alarm.delete();
        assert_eq!(alarm.get(), None);
        assert_eq!(
            alarm.commit().unwrap().to,
            Some(AlarmRow::new(NOW)),
            "the running one is back"
        );
        assert_eq!(alarm.get(), None);
        assert_eq!(alarm.finish(Firing::Failed, NOW, 0.0), Ending::Settled);
        assert_eq!(alarm.commit().unwrap().to.unwrap().retries, 1);
    }

    /// Guarantee 10.
    #[test]
    fn a_successor_that_is_durable_outlives_the_end_of_the_handler() {
        let mut alarm = stored();
        alarm.fire(DUE);
        alarm.set(NOW, NOW);
        alarm.commit();
        assert_eq!(alarm.finish(Firing::Succeeded, NOW, 0.0), Ending::Settled);
        assert!(alarm.is_clean());
        assert_eq!(alarm.get(), Some(NOW));
    }

    /// Guarantee 10.
    #[test]
    fn an_interrupted_firing_changes_nothing() {
        let mut alarm = stored();
        alarm.fire(DUE);
        assert_eq!(alarm.finish(Firing::Interrupted, NOW, 0.0), Ending::Open);
        assert!(alarm.is_clean());
        assert_eq!(alarm.get(), Some(NOW));
    }

    /// Guarantee 16.
    #[test]
    fn rows_of_both_versions_are_readable() {
        let row = AlarmRow {
            due: Timestamp::from_millis(1),
            scheduled: Timestamp::from_millis(-1),
            retries: 3,
            doublings: 3,
        };
        assert_eq!(AlarmRow::decode(&[1, 2, 1, 3]).unwrap(), row);
        assert_eq!(AlarmRow::decode(&[1, 2, 1, 3, 3]).unwrap(), row);
        assert_eq!(&*wire::encode(&row).unwrap(), [1, 2, 1, 3, 3]);
        assert!(AlarmRow::decode(&[1, 2, 1]).is_err());
    }

    #[test]
    fn a_stale_firing_is_refused() {
        let stale = Due {
            at: Timestamp::default(),
            interrupted: false,
        };
        assert_eq!(stored().fire(stale), None);
    }
}
