//! The order of the calls through one reference, where it is not kept by a mailbox.
//!
//! A call that goes straight into a mailbox of this node needs nothing of this. The others, which wait for an owner or
//! are on their way to another node, stand in a line: each goes once those before it are behind it in a mailbox, or
//! together with them to the same owner, and then it says which one it must not overtake.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::shard::Epoch;

/// What goes through one reference.
#[derive(Default)]
pub(crate) struct Line {
    broken: AtomicBool,
    detours: OnceLock<Arc<Mutex<Detours>>>,
}

/// Calls that wait, or are on their way to another node.
#[derive(Default)]
struct Detours {
    next: u64,
    calls: BTreeMap<u64, Detour>,
}

struct Detour {
    place: Place,
    /// Tells it that the one before it has moved.
    moved: Arc<Notify>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Here.
    Waiting,
    /// On the way to the owner of an epoch, under a number.
    Sent(Epoch, u64),
}

/// Whether a call may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is the first.
    First,
    /// It may go to the owner, behind the call of this number.
    Behind(u64),
    /// Not yet.
    Wait,
}

impl Line {
    /// Whether a call may go straight into a mailbox.
    pub(crate) fn is_clear(&self) -> bool {
        self.detours.get().is_none_or(|detours| detours.lock().calls.is_empty())
    }

    /// Whether an earlier call failed, so that nothing goes any more.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    pub(crate) fn break_off(&self) {
        self.broken.store(true, Ordering::Release);
    }

    /// Takes the last place.
    pub(super) fn enter(&self) -> Spot {
        let detours = Arc::clone(self.detours.get_or_init(Arc::default));
        let moved = Arc::<Notify>::default();
        let number = {
            let mut detours = detours.lock();
            let number = detours.next;
            detours.next += 1;
            let detour = Detour {
                place: Place::Waiting,
                moved: Arc::clone(&moved),
            };
            detours.calls.insert(number, detour);
            number
        };
        Spot { detours, number, moved }
    }
}

impl Detours {
    /// Tells the call behind this one: nobody else looks at it.
    fn tell_next(&self, number: u64) {
        if let Some((_, next)) = self.calls.range(number + 1..).next() {
            next.moved.notify_one();
        }
    }
}

/// A place in the line, until it is dropped.
pub(super) struct Spot {
    detours: Arc<Mutex<Detours>>,
    number: u64,
    moved: Arc<Notify>,
}

impl Spot {
    /// Whether the call may go to the owner of `epoch` on another node, or, without one, into a mailbox here.
    pub(super) fn turn(&self, epoch: Option<Epoch>) -> Turn {
        let detours = self.detours.lock();
        match detours.calls.range(..self.number).next_back() {
            None => Turn::First,
            Some((_, detour)) => match detour.place {
                Place::Sent(sent, number) if Some(sent) == epoch => Turn::Behind(number),
                Place::Sent(..) | Place::Waiting => Turn::Wait,
            },
        }
    }

    /// Waits until the call before this one has moved. It may have done so before [`turn`](Self::turn) was asked.
    pub(super) async fn changed(&self) {
        self.moved.notified().await;
    }

    /// The call is on its way.
    pub(super) fn sent(&self, epoch: Epoch, number: u64) {
        self.set(Place::Sent(epoch, number));
    }

    /// The call was refused, and is here again.
    pub(super) fn returned(&self) {
        self.set(Place::Waiting);
    }

    fn set(&self, place: Place) {
        let mut detours = self.detours.lock();
        if let Some(detour) = detours.calls.get_mut(&self.number) {
            detour.place = place;
        }
        detours.tell_next(self.number);
    }
}

impl Drop for Spot {
    fn drop(&mut self) {
        let mut detours = self.detours.lock();
        detours.calls.remove(&self.number);
        detours.tell_next(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantee 13.
    #[test]
    fn a_call_goes_behind_the_last_before_it_and_only_to_the_same_owner() {
        let line = Line::default();
        assert!(line.is_clear());
        let (first, second) = (line.enter(), line.enter());
        assert!(!line.is_clear());
        assert_eq!(second.turn(Some(Epoch(1))), Turn::Wait);
        first.sent(Epoch(1), 7);
        assert_eq!(second.turn(Some(Epoch(1))), Turn::Behind(7));
        assert_eq!(second.turn(Some(Epoch(2))), Turn::Wait, "the first may come back");
        assert_eq!(second.turn(None), Turn::Wait);
        second.sent(Epoch(1), 8);
        let third = line.enter();
        assert_eq!(third.turn(Some(Epoch(1))), Turn::Behind(8));
        drop(second);
        assert_eq!(
            third.turn(Some(Epoch(1))),
            Turn::Behind(7),
            "the first is still on its way"
        );
        first.returned();
        assert_eq!(third.turn(Some(Epoch(1))), Turn::Wait);
        drop(first);
        assert_eq!(third.turn(None), Turn::First);
        drop(third);
        assert!(line.is_clear());
    }
}
