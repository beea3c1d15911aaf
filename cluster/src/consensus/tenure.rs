//! One tenure of this node as the owner of a group: keeps the lease as long as a majority keeps up with it.
//!
//! A majority that has heard from a leader follows nobody else for the time of an election timeout. When the last such
//! message was sent is known by a clock that rests while the machine sleeps; the lease ends by one that does not.

use std::time::Duration;

use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::metrics::RaftServerMetrics;
use tokio::time::Instant;

use super::config::LEASE;
use super::contact::Contact;
use super::group::GroupRaft;
use super::types::{Membership, Types};
use crate::Clock;
use crate::lease::{Lease, Voters};
use crate::shard::Epoch;

/// Part of the lease that is not used: clocks may run apart by so much.
const DRIFT: u32 = 20;

/// How long news of acknowledgements may wait: under load there are many.
const PACE: Duration = Duration::from_millis(20);

/// One tenure of this node as the owner of a group.
pub(crate) struct Tenure<'a> {
    pub(crate) node: u64,
    pub(crate) raft: &'a GroupRaft,
    pub(crate) lease: &'a Lease,
    pub(crate) contact: &'a Contact,
    /// The term in which the epoch was installed.
    pub(crate) term: u64,
}

/// What the tenure rests on.
enum Standing {
    /// This node is the only voter.
    Sole,
    /// A majority has answered what was sent then.
    Acknowledged(Option<Instant>),
    /// Nothing: it is over.
    Over,
}

impl Tenure<'_> {
    /// Begins with what is known: an only voter owns the group from the first moment.
    pub(crate) fn begin(&self, epoch: Epoch) {
        self.lease.begin(epoch, self.term);
        self.standing(&self.raft.server_metrics().borrow_watched());
    }

    /// Keeps the lease. Returns when it has run out for so long that another node may well own the group, or when this
    /// one does not lead it any more.
    pub(crate) async fn keep(&self) {
        // As long again as an election may take to begin.
        let patience = LEASE + LEASE;
        let mut metrics = self.raft.server_metrics();
        let mut contact = self.contact.changes();
        let mut clocks = Clocks::new(self.lease.clock());
        let mut heard = Instant::now();
        loop {
            contact.mark_unchanged();
            let standing = self.standing(&metrics.borrow_watched());
            let ended = match standing {
                Standing::Sole => metrics.changed().await.is_err(),
                Standing::Acknowledged(acknowledged) => {
                    if let Some(acknowledged) = acknowledged {
                        heard = heard.max(acknowledged);
                        if let Some(sent) = clocks.translate(acknowledged, self.lease.clock()) {
                            self.lease.extend(sent + LEASE - LEASE / DRIFT);
                        }
                    }
                    tokio::select! {
                        biased;
                        changed = metrics.changed() => changed.is_err(),
                        changed = contact.changed() => changed.is_err(),
                        () = tokio::time::sleep_until(heard + patience) => true,
                    }
                }
                Standing::Over => true,
            };
            if ended {
                return;
            }
            if !self.lease.is_sole() {
                tokio::time::sleep(PACE).await;
            }
        }
    }

    fn standing(&self, metrics: &RaftServerMetrics<Types>) -> Standing {
        if metrics.state != ServerState::Leader || metrics.vote.leader_id.term != self.term {
            return Standing::Over;
        }
        let effective = &metrics.membership_config;
        let is_settled = effective == &metrics.committed_membership_config;
        if is_settled
            && voters(effective.membership(), self.node) == Voters::Sole
            && self
                .lease
                .extend_always(effective.log_id().map_or(0, |entry| entry.index))
        {
            return Standing::Sole;
        }
        let voters = effective.get_joint_config();
        let acknowledged = self.contact.majority(self.node, self.term, voters);
        Standing::Acknowledged(acknowledged.map(|sent| sent.at))
    }
}

/// Who votes in a membership.
pub(crate) fn voters(membership: &Membership, node: u64) -> Voters {
    let mut voters = membership.voter_ids();
    match (voters.next(), voters.next()) {
        (Some(voter), None) if voter == node => Voters::Sole,
        _ if membership.voter_ids().any(|voter| voter == node) => Voters::Several,
        _ => Voters::Others,
    }
}

/// Two clocks, and what they said at two moments: a moment of the one is told by the other as counted from an earlier one,
/// so that a sleep of the machine between makes it too early, never too late.
struct Clocks {
    older: Reading,
    newer: Reading,
}

#[derive(Clone, Copy)]
struct Reading {
    at: Instant,
    elapsed: Duration,
}

impl Reading {
    fn take(clock: &dyn Clock) -> Self {
        // In this order: what passes between makes the other moment too early.
        let elapsed = clock.elapsed();
        Self {
            at: Instant::now(),
            elapsed,
        }
    }
}

impl Clocks {
    fn new(clock: &dyn Clock) -> Self {
        let now = Reading::take(clock);
        Self { older: now, newer: now }
    }

    /// A moment by the other clock; `None` if it was before the first reading.
    fn translate(&mut self, moment: Instant, clock: &dyn Clock) -> Option<Duration> {
        if moment >= self.newer.at {
            self.older = std::mem::replace(&mut self.newer, Reading::take(clock));
        }
        let since = moment.checked_duration_since(self.older.at)?;
        Some(self.older.elapsed + since)
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::Timestamp;

    /// A clock that goes on while the other sleeps.
    #[derive(Debug)]
    struct Sleeping(Instant, Mutex<Duration>);

    impl Clock for Sleeping {
        fn now(&self) -> Timestamp {
            Timestamp::default()
        }

        fn elapsed(&self) -> Duration {
            self.0.elapsed() + *self.1.lock()
        }
    }

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Guarantee 3.
    #[tokio::test(start_paused = true)]
    async fn a_sleep_of_the_machine_never_makes_a_moment_later() {
        let clock = Sleeping(Instant::now(), Mutex::default());
        let mut clocks = Clocks::new(&clock);
        tokio::time::advance(millis(100)).await;
        let sent = Instant::now();
        tokio::time::advance(millis(1)).await;
        assert_eq!(clocks.translate(sent, &clock), Some(millis(100)));
        // Sent, then asleep, then answered: to the other clock that was long ago.
        tokio::time::advance(millis(100)).await;
        let sent = Instant::now();
        *clock.1.lock() = Duration::from_secs(10);
        tokio::time::advance(millis(1)).await;
        assert_eq!(clocks.translate(sent, &clock), Some(millis(201)));
        // What is sent after the sleep is told too early once, and then rightly.
        tokio::time::advance(millis(100)).await;
        let sent = Instant::now();
        assert_eq!(clocks.translate(sent, &clock), Some(millis(10_302)));
        assert_eq!(clocks.translate(sent - millis(500), &clock), None);
    }

    #[test]
    fn voters_are_counted_over_both_halves_of_a_change() {
        let of = |configs: Vec<Vec<u64>>| {
            let configs = configs.into_iter().map(|config| config.into_iter().collect()).collect();
            Membership::new_with_defaults(configs, [1, 2, 3])
        };
        assert_eq!(voters(&of(vec![vec![1]]), 1), Voters::Sole);
        assert_eq!(voters(&of(vec![vec![1], vec![1, 2, 3]]), 1), Voters::Several);
        assert_eq!(voters(&of(vec![vec![2]]), 1), Voters::Others);
        assert_eq!(voters(&of(vec![vec![2, 3]]), 1), Voters::Others);
    }
}
