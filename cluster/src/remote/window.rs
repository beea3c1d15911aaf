//! What an owner has taken of the calls from other nodes: each once, and none before the one it must not overtake.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::request::Passage;
use crate::{peers::NodeId, shard::Epoch};

/// Numbers behind a gap that are remembered for one node; beyond it calls are refused until the gap closes, which the
/// deadline of the missing call sees to.
const AHEAD: usize = 65_536;

/// Runs of nodes that are remembered; beyond it the one that was met first is forgotten, which has ended long ago.
const RUNS: usize = 256;

/// Ownerships of a shard that are over and remembered; of those before it is not known what was taken.
const FORMER: usize = 8;

/// The calls that an owner has taken from other nodes, for as long as its ownership lasts.
#[derive(Debug, Default)]
struct Windows {
    by_run: BTreeMap<(NodeId, u64), Window>,
    met: VecDeque<(NodeId, u64)>,
}

/// Those of one run of one node.
#[derive(Debug, Default)]
struct Window {
    /// All numbers before this one were taken, or are not waited for any more.
    low: u64,
    /// Others that were taken.
    taken: BTreeSet<u64>,
}

/// What a node has taken of the calls to one shard, under this ownership and those before. What was sent to one that is
/// over is refused, and then sent to the next: so a copy of a call that was taken must not be refused.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    windows: Windows,
    /// The last ownerships that are over, the oldest first.
    former: VecDeque<(Epoch, Windows)>,
    /// The last of which nothing is known any more.
    forgotten: Option<Epoch>,
}

impl Intake {
    /// Takes a call in under the present ownership, if it is its turn.
    pub(crate) fn take(&mut self, from: NodeId, passage: &Passage) -> Standing {
        self.windows.take(from, passage)
    }

    /// Whether a call that was sent for `epoch` may have been taken; `present` is the epoch of this ownership.
    pub(crate) fn may_have_taken(&self, present: Option<Epoch>, epoch: Epoch, from: NodeId, passage: &Passage) -> bool {
        if present == Some(epoch) {
            return self.windows.has(from, passage);
        }
        let former = self.former.iter().find(|(former, _)| *former == epoch);
        match former {
            Some((_, windows)) => windows.has(from, passage),
            None => self.forgotten >= Some(epoch),
        }
    }

    /// The present ownership is over.
    pub(crate) fn end(&mut self, epoch: Epoch) {
        self.former.push_back((epoch, std::mem::take(&mut self.windows)));
        if self.former.len() > FORMER
            && let Some((forgotten, _)) = self.former.pop_front()
        {
            self.forgotten = Some(forgotten);
        }
    }
}

/// What becomes of a call that arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is taken.
    Taken,
    /// The one before it has not arrived.
    Early,
    /// It came before, or nobody waits for it.
    Late,
    /// Too many came ahead of others.
    Full,
}

impl Windows {
    /// Takes a call in if it is its turn.
    fn take(&mut self, from: NodeId, passage: &Passage) -> Standing {
        let run = (from, passage.instance);
        if !self.by_run.contains_key(&run) {
            self.met.push_back(run);
            if self.met.len() > RUNS
                && let Some(oldest) = self.met.pop_front()
            {
                self.by_run.remove(&oldest);
            }
        }
        self.by_run.entry(run).or_default().take(passage)
    }

    /// Whether a call was taken, or is not waited for.
    fn has(&self, from: NodeId, passage: &Passage) -> bool {
        let window = self.by_run.get(&(from, passage.instance));
        window.is_some_and(|window| window.has(passage.number))
    }
}

impl Window {
    fn take(&mut self, passage: &Passage) -> Standing {
        if passage.floor > self.low {
            self.low = passage.floor;
            self.taken = self.taken.split_off(&self.low);
            self.close_up();
        }
        if self.has(passage.number) {
            return Standing::Late;
        }
        if passage.after.is_some_and(|after| !self.has(after)) {
            return Standing::Early;
        }
        if self.taken.len() >= AHEAD && passage.number != self.low {
            return Standing::Full;
        }
        self.taken.insert(passage.number);
        self.close_up();
        Standing::Taken
    }

    fn has(&self, number: u64) -> bool {
        number < self.low || self.taken.contains(&number)
    }

    /// Forgets the numbers that `low` speaks for.
    fn close_up(&mut self) {
        while self.taken.first() == Some(&self.low) {
            self.taken.pop_first();
            self.low += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId::new(2);

    fn passage(number: u64, floor: u64, after: Option<u64>) -> Passage {
        Passage {
            instance: 1,
            number,
            floor,
            after,
        }
    }

    /// Guarantee 13.
    #[test]
    fn a_call_is_taken_once_whatever_comes_before_it() {
        let mut windows = Windows::default();
        let mut take = |number, floor| windows.take(NODE, &passage(number, floor, None));
        assert_eq!(take(2, 0), Standing::Taken);
        assert_eq!(take(0, 0), Standing::Taken);
        assert_eq!(take(0, 0), Standing::Late);
        assert_eq!(take(2, 0), Standing::Late);
        assert_eq!(take(5, 4), Standing::Taken);
        assert_eq!(take(1, 0), Standing::Late, "nobody waits for it any more");
        assert_eq!(take(4, 4), Standing::Taken);
        let restarted = Passage {
            instance: 9,
            ..passage(0, 0, None)
        };
        assert_eq!(windows.take(NODE, &restarted), Standing::Taken);
    }

    /// Guarantee 13.
    #[test]
    fn a_call_does_not_overtake_the_one_before_it() {
        let mut windows = Windows::default();
        let mut take = |number, floor, after| windows.take(NODE, &passage(number, floor, after));
        assert_eq!(take(1, 0, Some(0)), Standing::Early);
        assert_eq!(take(2, 0, Some(1)), Standing::Early);
        assert_eq!(take(0, 0, None), Standing::Taken);
        assert_eq!(take(1, 0, Some(0)), Standing::Taken);
        assert_eq!(take(2, 0, Some(1)), Standing::Taken);
        assert_eq!(take(9, 9, Some(8)), Standing::Taken, "the one before it was given up");
    }

    /// Guarantee 13.
    #[test]
    fn a_call_that_was_taken_is_not_refused_when_the_ownership_is_over() {
        let mut intake = Intake::default();
        let (taken, other) = (passage(0, 0, None), passage(1, 0, None));
        assert_eq!(intake.take(NODE, &taken), Standing::Taken);
        assert!(intake.may_have_taken(Some(Epoch(5)), Epoch(5), NODE, &taken));
        intake.end(Epoch(5));
        assert_eq!(intake.take(NODE, &taken), Standing::Taken, "under the next ownership");
        for epoch in 6..5 + FORMER as u64 {
            intake.end(Epoch(epoch));
            assert!(intake.may_have_taken(None, Epoch(5), NODE, &taken));
            assert!(!intake.may_have_taken(None, Epoch(5), NODE, &other));
        }
        assert!(
            !intake.may_have_taken(None, Epoch(4), NODE, &taken),
            "it never owned it"
        );
        intake.end(Epoch(90));
        assert!(intake.may_have_taken(None, Epoch(5), NODE, &other), "nobody knows");
        assert!(!intake.may_have_taken(None, Epoch(99), NODE, &taken));
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let mut windows = Windows::default();
        for number in 1..=AHEAD as u64 {
            assert_eq!(windows.take(NODE, &passage(number, 0, None)), Standing::Taken);
        }
        let beyond = AHEAD as u64 + 1;
        assert_eq!(windows.take(NODE, &passage(beyond, 0, None)), Standing::Full);
        assert_eq!(windows.take(NODE, &passage(0, 0, None)), Standing::Taken);
        assert_eq!(windows.take(NODE, &passage(beyond, 0, None)), Standing::Taken);
        assert!(windows.by_run.values().all(|window| window.taken.is_empty()));
        for instance in 0..2 * RUNS as u64 {
            let run = Passage {
                instance,
                ..passage(0, 0, None)
            };
            windows.take(NODE, &run);
        }
        assert_eq!((windows.by_run.len(), windows.met.len()), (RUNS, RUNS));
    }
}
