//! What the members of a group have acknowledged of what this node sent them as their leader, and when that was sent.
//!
//! openraft keeps such times as well, but may take the answer to one message for that to a later one that names the same last
//! entry: a lease or a confirmation that rested on them would outlast the promise of the voters. Here each answer counts for
//! the message that it is the answer to.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

/// When something was sent. Of two moments at the same time by the clock, the later one has the higher number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    pub(crate) at: Instant,
    number: u64,
}

/// What the members of a group have acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Contact {
    state: Mutex<State>,
    /// Counts what was acknowledged.
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    /// Number of the last moment.
    number: u64,
    /// The term in which it was acknowledged: what a leader was told in an earlier one is no promise to it.
    term: u64,
    /// When the last thing was sent to each member that it has acknowledged.
    sent: BTreeMap<u64, Moment>,
}

impl State {
    fn now(&mut self) -> Moment {
        self.number += 1;
        Moment {
            at: Instant::now(),
            number: self.number,
        }
    }
}

impl Contact {
    /// The present moment: before all that is sent from now on, and behind all that was sent.
    pub(crate) fn now(&self) -> Moment {
        self.state.lock().now()
    }

    /// A member has acknowledged what it was sent at that moment by this node as the leader of a term.
    pub(crate) fn acknowledged(&self, member: u64, term: u64, sent: Moment) {
        {
            let mut state = self.state.lock();
            if term < state.term {
                return;
            }
            if term > state.term {
                state.term = term;
                state.sent.clear();
            }
            let last = state.sent.entry(member).or_insert(sent);
            *last = sent.max(*last);
        }
        self.changes.send_modify(|count| *count += 1);
    }

    /// The moment up to which a majority of the voters has acknowledged what this node, a member too, sent them in a term.
    /// While the voters change there are two groups of them, and a majority of each is needed. `None`: no majority has.
    pub(crate) fn majority(&self, node: u64, term: u64, voters: &[BTreeSet<u64>]) -> Option<Moment> {
        let mut state = self.state.lock();
        let now = state.now();
        let acknowledged = |voter: &u64| {
            // This node agrees with itself.
            let others = (state.term == term).then(|| state.sent.get(voter).copied());
            if *voter == node { Some(now) } else { others? }
        };
        let of = |voters: &BTreeSet<u64>| {
            let mut sent: Vec<_> = voters.iter().filter_map(acknowledged).collect();
            sent.sort_unstable_by(|one, other| other.cmp(one));
            sent.get(voters.len() / 2).copied()
        };
        let all: Option<Vec<_>> = voters.iter().map(of).collect();
        all?.into_iter().min()
    }

    /// Counts what was acknowledged, as it changes.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERM: u64 = 3;

    fn voters(configs: &[&[u64]]) -> Vec<BTreeSet<u64>> {
        configs.iter().map(|config| config.iter().copied().collect()).collect()
    }

    /// Guarantee 3.
    #[tokio::test(start_paused = true)]
    async fn a_majority_has_acknowledged_what_the_slowest_of_it_has() {
        let contact = Contact::default();
        let three = voters(&[&[1, 2, 3]]);
        let five = voters(&[&[1, 2, 3, 4, 5]]);
        let sent: Vec<_> = (0..4).map(|_| contact.now()).collect();
        assert_eq!(contact.majority(1, TERM, &three), None);
        contact.acknowledged(2, TERM, sent[0]);
        assert_eq!(contact.majority(1, TERM, &three), Some(sent[0]));
        assert_eq!(contact.majority(1, TERM, &five), None);
        contact.acknowledged(3, TERM, sent[2]);
        assert_eq!(contact.majority(1, TERM, &three), Some(sent[2]));
        assert_eq!(contact.majority(1, TERM, &five), Some(sent[0]));
        // An answer that came late takes nothing back.
        contact.acknowledged(3, TERM, sent[1]);
        contact.acknowledged(4, TERM, sent[3]);
        assert_eq!(contact.majority(1, TERM, &five), Some(sent[2]));
        assert_eq!(contact.majority(1, TERM, &voters(&[&[1, 2]])), Some(sent[0]));
    }

    /// Guarantee 3.
    #[tokio::test(start_paused = true)]
    async fn while_voters_change_both_majorities_count() {
        let contact = Contact::default();
        let sent: Vec<_> = (0..3).map(|_| contact.now()).collect();
        contact.acknowledged(2, TERM, sent[2]);
        contact.acknowledged(4, TERM, sent[1]);
        assert_eq!(
            contact.majority(1, TERM, &voters(&[&[1, 2, 3], &[1, 4, 5]])),
            Some(sent[1])
        );
        assert_eq!(contact.majority(1, TERM, &voters(&[&[1, 2, 3], &[1, 5, 6]])), None);
        // A leader that is to go counts only where it still votes.
        assert_eq!(
            contact.majority(1, TERM, &voters(&[&[1, 2, 3], &[2, 4, 5]])),
            Some(sent[1])
        );
        assert_eq!(contact.majority(1, TERM, &voters(&[&[2, 5, 6]])), None);
        assert_eq!(contact.majority(1, TERM, &voters(&[&[1], &[1, 2, 3]])), Some(sent[2]));
        assert!(
            contact.majority(1, TERM, &voters(&[&[1]])) > Some(sent[2]),
            "nobody else is asked"
        );
    }

    /// Guarantee 3.
    #[tokio::test(start_paused = true)]
    async fn what_was_acknowledged_belongs_to_its_term() {
        let contact = Contact::default();
        let three = voters(&[&[1, 2, 3]]);
        let (first, second) = (contact.now(), contact.now());
        contact.acknowledged(2, TERM, second);
        assert_eq!(contact.majority(1, TERM + 1, &three), None);
        contact.acknowledged(3, TERM + 1, first);
        assert_eq!(contact.majority(1, TERM + 1, &three), Some(first));
        contact.acknowledged(2, TERM, second);
        assert_eq!(contact.majority(1, TERM + 1, &three), Some(first));
        assert_eq!(contact.majority(1, TERM, &three), None);
    }

    #[tokio::test(start_paused = true)]
    async fn moments_have_an_order_though_the_clock_stands_still() {
        let contact = Contact::default();
        let (first, second) = (contact.now(), contact.now());
        assert!(first.at == second.at && first < second);
    }
}
