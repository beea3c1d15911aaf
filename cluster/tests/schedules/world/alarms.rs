//! The alarms of a schedule: when they fire, how often, and what is seen of them.

use cluster::prelude::*;

use super::{Rows, World, index};
use crate::plan::{Conduct, name};

/// An alarm that was set.
pub(crate) struct Ring {
    pub(crate) conducts: Vec<Conduct>,
    pub(crate) fired: u32,
    pub(super) failures: u32,
    last: Option<(Timestamp, u32)>,
}

impl Ring {
    pub(crate) fn new(conducts: Vec<Conduct>) -> Self {
        Self {
            conducts,
            fired: 0,
            failures: 0,
            last: None,
        }
    }
}

impl World {
    /// Guarantee 10, as far as a firing shows it. Returns what it has to do.
    pub(crate) fn fired(
        &mut self,
        cell: usize,
        token: Option<u64>,
        scheduled: u64,
        now: Timestamp,
        alarm: Alarm,
    ) -> Conduct {
        self.tally.firings += 1;
        let (faulty, refuses) = (self.faulty, self.refuses);
        let Some(ring) = token.and_then(|token| self.rings.get_mut(&token)) else {
            self.violated(format!("{} fires an alarm that is not set", name(cell)));
            return Conduct::Succeed;
        };
        let conduct = ring
            .conducts
            .get(index(ring.fired.into()))
            .copied()
            .unwrap_or(Conduct::Succeed);
        let mut fault = None;
        if alarm.scheduled.as_millis() != i64::try_from(scheduled).unwrap_or(0) {
            fault = Some(format!("is for {} instead of {scheduled}", alarm.scheduled));
        } else if now < alarm.scheduled {
            fault = Some(format!("is {:?} early", alarm.scheduled.since(now)));
        } else if alarm.retry_count > ring.failures
            || alarm.retry_count > 6
            || alarm.is_retry != (alarm.retry_count > 0)
        {
            fault = Some(format!("says {alarm:?} after {} failures", ring.failures));
        } else if !faulty && !refuses {
            let expected = ring.last.map_or(0, |(_, count)| count + 1);
            if alarm.retry_count != expected {
                fault = Some(format!("says {alarm:?} instead of retry {expected}"));
            } else if let Some((last, count)) = ring.last {
                let apart = now.since(last);
                let pause = std::time::Duration::from_secs(2 << count);
                if apart < pause || apart > pause.mul_f64(1.25) + std::time::Duration::from_secs(5) {
                    fault = Some(format!("repeats after {apart:?} instead of {pause:?}"));
                }
            }
        }
        ring.last = Some((now, alarm.retry_count));
        ring.fired += 1;
        ring.failures += u32::from(matches!(conduct, Conduct::Fail | Conduct::Panic | Conduct::TakeBack(_)));
        if let Some(fault) = fault {
            self.violated(format!("a firing of {} {fault}", name(cell)));
        }
        self.note(|| format!("{} fires {alarm:?}: {conduct:?}", name(cell)));
        conduct
    }

    /// Guarantee 10: what `get_alarm` says outside of the handler.
    pub(crate) fn alarm_seen(&mut self, cell: usize, rows: &Rows, seen: Option<Timestamp>) {
        let Some(token) = rows.get("alarm/token") else {
            if let Some(seen) = seen {
                self.violated(format!("{} has an alarm for {seen} that is not set", name(cell)));
            }
            return;
        };
        let at = Timestamp::from_millis(i64::try_from(rows["alarm/at"]).unwrap_or(0));
        let (fired, failures) = self.rings.get(token).map_or((0, 0), |ring| (ring.fired, ring.failures));
        let right = match seen {
            Some(seen) if fired == 0 => seen == at,
            Some(seen) => seen >= at,
            None => failures > 6,
        };
        if !right {
            self.violated(format!(
                "the alarm of {} is {seen:?} instead of {at}, fired {fired} times",
                name(cell)
            ));
        }
    }
}
