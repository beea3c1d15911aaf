//! What a node decides by itself, from what it has leased.

use std::{collections::HashMap, hash::Hash, time::Duration};

use cluster::prelude::CancellationToken;

use super::{
    messages::{Leased, Limit},
    rate_limiter::Decision,
};

/// Limits below this are asked for request by request: they are exact, and cost few messages anyway.
pub const LEASED_FROM: u32 = 200;
/// The part of the limit that a lease has at most: a twentieth.
const LEASE_PART: u32 = 20;
/// Longest time for which a refusal is remembered: after that somebody may have reset the limiter.
const REFUSAL: Duration = Duration::from_secs(1);
/// How long a limiter that did not answer is not asked again.
const SILENCE: Duration = Duration::from_millis(250);
/// Most requests that wait for the limiter and are asked for together.
const TOGETHER: u32 = 256;
/// Entries that are looked at for one to give up.
const SAMPLE: usize = 16;

/// What this node may let through, by key. Time is that of a clock that does not go back, whichever.
///
/// It is bounded: of more keys some are forgotten, which costs what was left of their leases.
#[derive(Debug)]
pub struct Budgets<K> {
    entries: HashMap<K, Entry>,
    bound: usize,
}

/// How a decision is made.
#[derive(Debug, Clone)]
pub enum Step {
    /// It is made.
    Decided(Decision),
    /// Nobody knows: the limiter did not answer a moment ago.
    Silent,
    /// The limiter is to be asked for so many, and [`Budgets::leased`] or [`Budgets::failed`] is to be told what came of it.
    Ask {
        /// Requests wanted.
        want: u32,
    },
    /// The limiter is being asked; when that is over, the token is cancelled, and it is to be tried again.
    Wait(CancellationToken),
}

#[derive(Debug)]
struct Entry {
    /// Requests that may be let through.
    tokens: u32,
    /// Until when.
    expires: Duration,
    /// When they were asked for.
    leased: Duration,
    /// For how long such a lease is.
    period: Duration,
    /// How many were let through since then.
    used: u32,
    /// How many the last lease was to have for those who come later.
    ahead: u32,
    /// Requests that waited for the last lease and have got nothing of it: they are asked for together.
    left_over: u32,
    /// Until when everything is refused.
    refused: Duration,
    /// Until when the limiter is not asked.
    silent: Duration,
    /// The lease that is under way.
    asking: Option<Asking>,
    /// What the limiter said last.
    limit: Limit,
    remaining: u32,
    /// When all of the limit is there again.
    reset: Duration,
    /// When another request may be allowed.
    retry: Duration,
}

#[derive(Debug)]
struct Asking {
    since: Duration,
    done: CancellationToken,
    waiting: u32,
}

impl<K: Hash + Eq + Clone> Budgets<K> {
    /// Budgets for so many keys.
    #[must_use]
    pub fn new(bound: usize) -> Self {
        Self {
            entries: HashMap::new(),
            bound: bound.max(1),
        }
    }

    /// Decides about one request, or says what is to be done first.
    pub fn step(&mut self, key: &K, limit: Limit, now: Duration) -> Step {
        if let Some(entry) = self.entries.get_mut(key) {
            return entry.step(now);
        }
        if self.entries.len() >= self.bound {
            self.give_up_one(now);
        }
        let mut entry = Entry::new(limit);
        let step = entry.step(now);
        self.entries.insert(key.clone(), entry);
        step
    }

    /// The refusal that is remembered.
    #[must_use]
    pub fn refusal(&self, key: &K, now: Duration) -> Option<Decision> {
        let entry = self.entries.get(key)?;
        (now < entry.refused).then(|| entry.decision(false, now))
    }

    /// The limiter has answered.
    pub fn leased(&mut self, key: &K, leased: Leased, now: Duration) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.leased(leased, now);
        }
    }

    /// The limiter has not answered.
    pub fn failed(&mut self, key: &K, now: Duration) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.asking = None;
            entry.silent = now + SILENCE;
        }
    }

    /// Who asked the limiter has gone away before it answered.
    pub fn abandoned(&mut self, key: &K) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.asking = None;
        }
    }

    /// Keys that are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Says whether no key is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Forgets the one of a few keys that is of the least use.
    fn give_up_one(&mut self, now: Duration) {
        let sample = self.entries.iter().take(SAMPLE);
        let idle = sample.filter(|(_, entry)| entry.asking.is_none());
        let least = idle.min_by_key(|(_, entry)| entry.useful_until().max(now));
        if let Some(key) = least.map(|(key, _)| key.clone()) {
            self.entries.remove(&key);
        }
    }
}

impl Entry {
    fn new(limit: Limit) -> Self {
        Self {
            tokens: 0,
            expires: Duration::ZERO,
            leased: Duration::ZERO,
            period: Duration::ZERO,
            used: 0,
            ahead: 0,
            left_over: 0,
            refused: Duration::ZERO,
            silent: Duration::ZERO,
            asking: None,
            limit,
            remaining: limit.max_requests,
            reset: Duration::ZERO,
            retry: Duration::ZERO,
        }
    }

    fn step(&mut self, now: Duration) -> Step {
        if now >= self.expires {
            self.tokens = 0;
        }
        if self.tokens > 0 {
            self.tokens -= 1;
            self.used = self.used.saturating_add(1);
            return Step::Decided(self.decision(true, now));
        }
        if now < self.refused {
            return Step::Decided(self.decision(false, now));
        }
        if now < self.silent {
            return Step::Silent;
        }
        if let Some(asking) = &mut self.asking {
            asking.waiting = asking.waiting.saturating_add(1);
            return Step::Wait(asking.done.clone());
        }
        self.asking = Some(Asking {
            since: now,
            done: CancellationToken::new(),
            waiting: 1,
        });
        self.ahead = self.next_ahead(now);
        Step::Ask {
            want: self.ahead.saturating_add(1).max(std::mem::take(&mut self.left_over)),
        }
    }

    /// How many to lease for those who come later: as many as come in half a lease, by what came since the last one; at most
    /// twice as many as the last time, because two requests at once are no stream.
    fn next_ahead(&self, now: Duration) -> u32 {
        let since = now.saturating_sub(self.leased).as_micros().max(1);
        let expected = u128::from(self.used) * (self.period / 2).as_micros() / since;
        let expected = u32::try_from(expected).unwrap_or(u32::MAX);
        expected
            .min(self.ahead.saturating_mul(2).saturating_add(1))
            .min(most(self.limit))
    }

    fn leased(&mut self, leased: Leased, now: Duration) {
        let Some(asking) = self.asking.take() else { return };
        self.tokens = leased.granted;
        self.used = 0;
        self.left_over = asking.waiting.saturating_sub(leased.granted).min(TOGETHER);
        self.leased = asking.since;
        self.period = Duration::from_millis(leased.expires_ms);
        self.expires = asking.since + self.period;
        if leased.granted > 0 {
            // What has just been granted may be used by whoever asked, however long the answer took.
            self.expires = self.expires.max(now + Duration::from_millis(1));
        }
        self.limit = leased.limit;
        self.remaining = leased.remaining;
        self.reset = now + Duration::from_millis(leased.reset_ms);
        self.retry = now + Duration::from_millis(leased.retry_after_ms);
        self.refused = if leased.granted == 0 {
            self.retry.min(now + REFUSAL)
        } else {
            Duration::ZERO
        };
        asking.done.cancel();
    }

    fn decision(&self, allowed: bool, now: Duration) -> Decision {
        Decision {
            allowed,
            limit: self.limit,
            remaining: if allowed {
                self.remaining.saturating_add(self.tokens)
            } else {
                0
            },
            reset_after: self.reset.saturating_sub(now),
            retry_after: (!allowed).then(|| self.retry.saturating_sub(now)),
        }
    }

    /// When nothing is lost with it any more.
    fn useful_until(&self) -> Duration {
        let leased = if self.tokens > 0 { self.expires } else { Duration::ZERO };
        leased.max(self.refused).max(self.silent)
    }
}

impl Drop for Asking {
    /// Whoever waits tries again, whatever came of it.
    fn drop(&mut self) {
        self.done.cancel();
    }
}

/// Most requests that a lease has for those who come later.
fn most(limit: Limit) -> u32 {
    if limit.max_requests < LEASED_FROM {
        0
    } else {
        limit.max_requests / LEASE_PART
    }
}
