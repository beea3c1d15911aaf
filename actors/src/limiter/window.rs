//! A sliding window that counts requests.

use std::collections::VecDeque;

use super::messages::Limit;

/// Most entries of a window.
pub(super) const ENTRIES: usize = 1_000;

/// The requests of the last window, in slots of a thousandth of it.
///
/// A request counts for the length of the window and at most a thousandth of it longer, never shorter: so no window lets through more
/// than the limit, and one may let through less. Windows below a second are exact to the millisecond.
#[derive(Debug, Clone, Default)]
pub(super) struct Window {
    /// Last millisecond of a slot, and what it counts; ascending.
    slots: VecDeque<(i64, u32)>,
    total: u32,
    /// The latest moment that was seen. A clock that is set back does not move the window.
    now: i64,
}

impl Window {
    /// Forgets what is too old.
    fn advance(&mut self, now: i64, limit: Limit) {
        self.now = self.now.max(now);
        let begin = self.now.saturating_sub_unsigned(limit.window_ms);
        while let Some((_, count)) = self.slots.pop_front_if(|(last, _)| *last <= begin) {
            self.total -= count;
        }
    }

    /// Counts up to `want` requests; says how many the limit allows.
    pub(super) fn take(&mut self, now: i64, want: u32, limit: Limit) -> u32 {
        self.advance(now, limit);
        let granted = want.min(limit.max_requests.saturating_sub(self.total));
        if granted > 0 {
            let width = i64::try_from(limit.window_ms.div_ceil(ENTRIES as u64 - 1)).unwrap_or(i64::MAX);
            // The last millisecond of the slot that has this moment.
            let last = self
                .now
                .div_euclid(width)
                .saturating_mul(width)
                .saturating_add(width - 1);
            match self.slots.back_mut() {
                // A slot of a wider window may be still open.
                Some((known, count)) if *known >= last => *count += granted,
                Some(_) | None => self.slots.push_back((last, granted)),
            }
            self.total += granted;
            if self.slots.len() > ENTRIES
                && let Some((_, oldest)) = self.slots.pop_front()
                && let Some((_, next)) = self.slots.front_mut()
            {
                // Slots of a narrower window: the oldest counts a little longer.
                *next += oldest;
            }
        }
        granted
    }

    /// Requests that are left.
    pub(super) fn remaining(&self, limit: Limit) -> u32 {
        limit.max_requests.saturating_sub(self.total)
    }

    /// Requests that are counted.
    pub(super) fn total(&self) -> u32 {
        self.total
    }

    /// Milliseconds until nothing is counted any more.
    pub(super) fn reset_ms(&self, limit: Limit) -> u64 {
        self.slots.back().map_or(0, |(last, _)| self.until_gone(*last, limit))
    }

    /// Milliseconds until one more request is allowed; 0 if one is now, the length of the window if none ever is.
    pub(super) fn retry_after_ms(&self, limit: Limit) -> u64 {
        let mut total = self.total;
        if total < limit.max_requests {
            return 0;
        }
        for (last, count) in &self.slots {
            total -= count;
            if total < limit.max_requests {
                return self.until_gone(*last, limit);
            }
        }
        limit.window_ms
    }

    fn until_gone(&self, last: i64, limit: Limit) -> u64 {
        let gone = last.saturating_add_unsigned(limit.window_ms);
        u64::try_from(gone.saturating_sub(self.now)).unwrap_or(0).max(1)
    }

    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.total = 0;
    }

    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        self.slots.len()
    }
}
