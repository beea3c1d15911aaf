//! The lease of a shard's owner: until when no other node can have taken the shard over.
//!
//! What rests on reads alone leaves while the lease holds; afterwards the owner asks a majority first. Whoever looks pays
//! one load if nobody else could own the shard, and a reading of the clock if somebody could.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;

use crate::{Clock, shard::Epoch};

/// There is no lease.
const NEVER: u64 = 0;

/// This node is the only voter: nobody can take the shard over without it.
const ALWAYS: u64 = u64::MAX;

/// The lease of one shard on one node.
pub(crate) struct Lease {
    /// Nanoseconds by the clock; [`NEVER`], or [`ALWAYS`].
    until: AtomicU64,
    /// The ownership it belongs to.
    epoch: AtomicU64,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whether it may be extended.
    open: bool,
    /// The term in which the epoch was installed.
    term: u64,
    /// Index of the last log entry that says who the voters are.
    voters: u64,
}

impl Lease {
    /// A lease that does not hold yet.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            until: AtomicU64::new(NEVER),
            epoch: AtomicU64::new(0),
            clock,
            state: Mutex::default(),
        }
    }

    /// Whether this node is the only voter.
    pub(crate) fn is_sole(&self) -> bool {
        self.until.load(Ordering::Relaxed) == ALWAYS
    }

    /// Whether nobody can have taken the shard over since `epoch` was installed.
    pub(crate) fn holds(&self, epoch: Epoch) -> bool {
        match self.until.load(Ordering::Acquire) {
            ALWAYS => true,
            NEVER => false,
            // The epoch is stored before the deadline: one that is read after it is at least as new.
            until => self.epoch.load(Ordering::Relaxed) == epoch.0 && nanos(self.clock.elapsed()) < until,
        }
    }

    /// How much of it is left; `None` if it is without end.
    pub(crate) fn left(&self) -> Option<Duration> {
        let until = self.until.load(Ordering::Relaxed);
        let left = until.saturating_sub(nanos(self.clock.elapsed()));
        (until != ALWAYS).then(|| Duration::from_nanos(left))
    }

    /// The clock it runs by.
    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// An epoch was installed in a term: from now on the lease is its own, and may be extended.
    pub(crate) fn begin(&self, epoch: Epoch, term: u64) {
        let mut state = self.state.lock();
        self.until.store(NEVER, Ordering::Release);
        self.epoch.store(epoch.0, Ordering::Release);
        state.open = true;
        state.term = term;
    }

    /// A majority has promised to follow nobody else until this time of the clock.
    pub(crate) fn extend(&self, until: Duration) {
        if self.state.lock().open {
            self.until.store(nanos(until).min(ALWAYS - 1), Ordering::Release);
        }
    }

    /// This node is the only voter, by the log entry at `index`, unless a later one is there already. Says whether.
    pub(crate) fn extend_always(&self, index: u64) -> bool {
        let state = self.state.lock();
        let sole = state.open && index >= state.voters;
        if sole {
            self.until.store(ALWAYS, Ordering::Release);
        }
        sole
    }

    /// It holds no longer, and is not extended before the next epoch: the shard is lost, or about to be given away.
    pub(crate) fn end(&self) {
        let mut state = self.state.lock();
        state.open = false;
        self.until.store(NEVER, Ordering::Release);
    }

    /// Whether `epoch` was installed in this term, and is the last that was.
    pub(crate) fn is_of(&self, epoch: Epoch, term: u64) -> bool {
        let state = self.state.lock();
        state.term == term && self.epoch.load(Ordering::Relaxed) == epoch.0
    }

    /// A log entry that changes the voters is about to take effect. Must be called before any other node has it.
    pub(crate) fn revote(&self, index: u64, voters: Voters) {
        let mut state = self.state.lock();
        state.voters = index;
        let holds = match voters {
            Voters::Sole => true,
            Voters::Several => self.until.load(Ordering::Relaxed) != ALWAYS,
            Voters::Others => {
                state.open = false;
                false
            }
        };
        if !holds {
            self.until.store(NEVER, Ordering::Release);
        }
    }

    /// The log was cut behind an entry, and who the voters are is what an earlier one says.
    pub(crate) fn unvote(&self, last: Option<u64>) {
        let mut state = self.state.lock();
        if last.is_none_or(|last| last < state.voters) {
            state.voters = 0;
        }
    }
}

/// Who votes in a group, as this node sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Voters {
    /// Only this node.
    Sole,
    /// This node and others.
    Several,
    /// Only others: they may elect one of themselves at any moment.
    Others,
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(ALWAYS - 1)
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("left", &self.left()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    const EPOCH: Epoch = Epoch(7);

    #[derive(Debug, Default)]
    struct Hand(Mutex<Duration>);

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            Timestamp::default()
        }

        fn elapsed(&self) -> Duration {
            *self.0.lock()
        }
    }

    fn lease() -> (Arc<Hand>, Lease) {
        let clock = Arc::<Hand>::default();
        let lease = Lease::new(Arc::<Hand>::clone(&clock));
        lease.begin(EPOCH, 3);
        (clock, lease)
    }

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Guarantee 3.
    #[test]
    fn a_lease_ends_by_the_clock_and_belongs_to_its_epoch() {
        let (clock, lease) = lease();
        assert!(!lease.holds(EPOCH), "nobody has promised anything yet");
        lease.extend(millis(900));
        assert!(lease.holds(EPOCH) && !lease.holds(Epoch(6)));
        *clock.0.lock() = millis(899);
        assert!(lease.holds(EPOCH));
        *clock.0.lock() = millis(900);
        assert!(!lease.holds(EPOCH));
        lease.extend(millis(1_800));
        lease.begin(Epoch(9), 4);
        assert!(!lease.holds(EPOCH) && !lease.holds(Epoch(9)));
        assert!(lease.is_of(Epoch(9), 4) && !lease.is_of(Epoch(9), 3) && !lease.is_of(EPOCH, 4));
    }

    /// Guarantee 3.
    #[test]
    fn a_lease_that_was_given_away_is_not_extended() {
        let (_, lease) = lease();
        lease.end();
        lease.extend(millis(900));
        assert!(!lease.extend_always(5));
        assert!(!lease.holds(EPOCH));
    }

    /// Guarantee 3.
    #[test]
    fn an_only_voter_stays_one_until_the_log_says_otherwise() {
        let (_, lease) = lease();
        assert!(lease.extend_always(5));
        assert!(lease.is_sole() && lease.left().is_none());
        lease.revote(9, Voters::Sole);
        assert!(lease.is_sole(), "a learner was added");
        lease.revote(10, Voters::Several);
        assert!(!lease.holds(EPOCH));
        assert!(!lease.extend_always(9), "what was known before the change");
        lease.extend(millis(900));
        lease.revote(11, Voters::Several);
        assert!(lease.holds(EPOCH), "a majority has promised before and after");
        lease.revote(12, Voters::Others);
        lease.extend(millis(900));
        assert!(!lease.holds(EPOCH));
    }

    #[test]
    fn voters_that_were_cut_off_the_log_are_forgotten() {
        let (_, lease) = lease();
        lease.revote(10, Voters::Several);
        lease.unvote(Some(10));
        assert!(!lease.extend_always(5));
        lease.unvote(Some(9));
        assert!(lease.extend_always(5));
    }
}
