//! The calls of this node to the owner of one shard, numbered.

use std::{collections::BTreeSet, sync::Arc};

use parking_lot::Mutex;

use crate::shard::Epoch;

/// The calls of this node to the owner of one shard, under one epoch.
#[derive(Default)]
pub(super) struct Link(Mutex<State>);

#[derive(Default)]
struct State {
    epoch: Option<Epoch>,
    next: u64,
    /// Numbers of calls that somebody waits for.
    open: BTreeSet<u64>,
}

impl Link {
    /// Numbers a call to the owner of an epoch; `None` if there was a later one.
    pub(super) fn open(self: &Arc<Self>, epoch: Epoch) -> Option<Ticket> {
        let mut state = self.0.lock();
        if state.epoch != Some(epoch) {
            if state.epoch > Some(epoch) {
                return None;
            }
            *state = State {
                epoch: Some(epoch),
                ..State::default()
            };
        }
        let number = state.next;
        state.next += 1;
        state.open.insert(number);
        Some(Ticket {
            link: Arc::clone(self),
            epoch,
            number,
        })
    }
}

/// The number of a call, as long as somebody waits for its answer.
pub(super) struct Ticket {
    link: Arc<Link>,
    pub(super) epoch: Epoch,
    pub(super) number: u64,
}

impl Ticket {
    /// The first number that somebody waits for: none of those before it may be handled any more.
    pub(super) fn floor(&self) -> u64 {
        let state = self.link.0.lock();
        if state.epoch == Some(self.epoch) {
            state.open.first().copied().unwrap_or(self.number)
        } else {
            0
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.link.0.lock();
        if state.epoch == Some(self.epoch) {
            state.open.remove(&self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_the_first_call_that_somebody_waits_for() {
        let link = Arc::<Link>::default();
        let open = |epoch| link.open(Epoch(epoch));
        let (first, second, third) = (open(5).unwrap(), open(5).unwrap(), open(5).unwrap());
        assert_eq!((first.number, second.number, third.floor()), (0, 1, 0));
        drop(second);
        assert_eq!(third.floor(), 0);
        drop(first);
        assert_eq!(third.floor(), 2);
        assert!(open(4).is_none(), "it was superseded");
        let fresh = open(6).unwrap();
        assert_eq!((fresh.number, fresh.floor(), third.floor()), (0, 0, 0));
        drop(third);
        assert_eq!(fresh.floor(), 0, "the calls of another epoch are no matter");
    }
}
