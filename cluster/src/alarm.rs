//! The one alarm of an actor: what is stored of it, what its handler is told, when a failed one is tried again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Retries after failures that count; the alarm is abandoned when the last of them fails.
const RETRIES: u32 = 6;

/// Delay before the first retry; each further one doubles it.
const FIRST_DELAY: Duration = Duration::from_secs(2);

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

/// The stored alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AlarmRow {
    /// When it fires next.
    pub(crate) due: Timestamp,
    /// What it was set for.
    pub(crate) scheduled: Timestamp,
    /// Failed firings so far.
    pub(crate) retries: u32,
}

impl AlarmRow {
    fn new(at: Timestamp) -> Self {
        Self {
            due: at,
            scheduled: at,
            retries: 0,
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

    /// The alarm after a failed firing at `now`, or `None` if it is abandoned. `jitter` is in 0..1.
    fn retried(&self, now: Timestamp, jitter: f64) -> Option<Self> {
        if self.retries >= RETRIES {
            return None;
        }
        let delay = FIRST_DELAY * 2_u32.pow(self.retries);
        let due = now.plus(delay + delay.mul_f64(0.25 * jitter.clamp(0.0, 1.0)));
        Some(Self {
            due,
            retries: self.retries + 1,
            ..*self
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
    Remove,
}

/// How a firing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It is over, replaced, or will be tried again.
    Settled,
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
    /// Whether `row` is the alarm whose handler runs.
    running: bool,
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
        self.wish = if self.running { Wish::Keep } else { Wish::Remove };
    }

    /// Removes the alarm with everything else, the running one too.
    pub(crate) fn clear(&mut self) {
        self.running = false;
        self.wish = Wish::Remove;
    }

    pub(crate) fn get(&self) -> Option<Timestamp> {
        match self.wish {
            Wish::Set(at) => Some(at),
            Wish::Retry(row) => Some(row.due),
            Wish::Remove => None,
            Wish::Keep if self.running => None,
            Wish::Keep => self.row.map(|row| row.due),
        }
    }

    /// Begins the firing of the alarm that was stored for `due`; `None` if that is not the alarm any more.
    pub(crate) fn fire(&mut self, due: Timestamp) -> Option<Alarm> {
        let row = self.row.filter(|row| row.due == due)?;
        self.running = true;
        Some(row.firing())
    }

    /// Ends a firing. An alarm that its handler set replaces the retry.
    pub(crate) fn finish(&mut self, succeeded: bool, now: Timestamp, jitter: f64) -> Ending {
        let Some(row) = self.row.filter(|_| std::mem::take(&mut self.running)) else {
            return Ending::Settled;
        };
        if self.wish != Wish::Keep {
            return Ending::Settled;
        }
        if succeeded {
            self.wish = Wish::Remove;
            return Ending::Settled;
        }
        match row.retried(now, jitter) {
            Some(next) => {
                self.wish = Wish::Retry(next);
                Ending::Settled
            }
            None => {
                self.wish = Wish::Remove;
                Ending::Abandoned
            }
        }
    }

    /// Whether the turn wants nothing of the alarm.
    pub(crate) fn is_clean(&self) -> bool {
        self.wish == Wish::Keep
    }

    /// Takes the wish of the turn as a change to be made durable.
    pub(crate) fn commit(&mut self) -> Option<AlarmChange> {
        let to = match std::mem::take(&mut self.wish) {
            Wish::Keep => return None,
            Wish::Set(at) => Some(AlarmRow::new(at)),
            Wish::Retry(row) => Some(row),
            Wish::Remove => None,
        };
        let from = std::mem::replace(&mut self.row, to);
        // A successor that is durable replaces the running alarm for good.
        self.running = false;
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

    /// Guarantee 10.
    #[test]
    fn retries_double_and_end_after_the_sixth() {
        let mut row = AlarmRow::new(NOW);
        let mut delays = Vec::new();
        while let Some(next) = row.retried(NOW, 0.0) {
            delays.push(next.due.since(NOW).as_secs());
            row = next;
        }
        assert_eq!(delays, [2, 4, 8, 16, 32, 64]);
        let late = AlarmRow::new(NOW).retried(NOW, 1.0).unwrap();
        assert_eq!(late.due.since(NOW), Duration::from_millis(2500));
    }

    /// Guarantee 10.
    #[test]
    fn the_running_alarm_is_not_visible_and_not_deletable() {
        let mut alarm = stored();
        assert_eq!(alarm.get(), Some(NOW));
        assert!(alarm.fire(NOW).is_some());
        assert_eq!(alarm.get(), None);
        alarm.set(NOW.plus(Duration::from_secs(5)), NOW);
        alarm.delete();
        assert_eq!(alarm.finish(false, NOW, 0.0), Ending::Settled);
        assert_eq!(alarm.commit().unwrap().to.unwrap().retries, 1);
    }

    /// Guarantee 10.
    #[test]
    fn an_alarm_set_by_the_handler_replaces_the_retry() {
        let mut alarm = stored();
        alarm.fire(NOW);
        alarm.set(Timestamp::default(), NOW);
        assert_eq!(alarm.finish(false, NOW, 0.0), Ending::Settled);
        assert_eq!(alarm.commit().unwrap().to, Some(AlarmRow::new(NOW)));
    }

    #[test]
    fn a_stale_firing_is_refused() {
        assert_eq!(stored().fire(Timestamp::default()), None);
    }
}
