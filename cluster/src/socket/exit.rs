//! The order in which what the turns of one actor send leaves.
//!
//! The gate tells turns their verdicts in order, but on whatever thread, and at once if there is nothing to wait for. Replies
//! have each a receiver of their own; what goes through one socket must not overtake.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::Departing;
use crate::mailbox::Mailbox;

/// What waits to leave, in the order of the turns.
#[derive(Default)]
pub(crate) struct Exit(Mutex<State>);

#[derive(Default)]
struct State {
    /// Number of the first place.
    first: u64,
    places: VecDeque<Place>,
}

enum Place {
    /// The turn has no verdict yet.
    Waiting(Departing),
    /// It may leave.
    Free(Departing),
    /// It never leaves.
    Void,
}

/// A place in the order. Dropped without having been let go, it is given up.
pub(crate) struct Leave {
    mailbox: Arc<Mailbox>,
    number: u64,
    is_settled: bool,
}

impl Exit {
    /// Takes the next place.
    pub(crate) fn enter(mailbox: &Arc<Mailbox>, departing: Departing) -> Leave {
        let mut state = mailbox.exit.0.lock();
        state.places.push_back(Place::Waiting(departing));
        Leave {
            mailbox: Arc::clone(mailbox),
            number: state.first + state.places.len() as u64 - 1,
            is_settled: false,
        }
    }

    fn settle(&self, number: u64, may_leave: bool) {
        let mut state = self.0.lock();
        let place = usize::try_from(number - state.first).expect("places are few");
        let settled = match std::mem::replace(&mut state.places[place], Place::Void) {
            Place::Waiting(departing) if may_leave => Place::Free(departing),
            Place::Waiting(_) | Place::Free(_) | Place::Void => Place::Void,
        };
        state.places[place] = settled;
        // Under the lock, so that nobody else lets out what comes behind.
        while let Some(place) = state.places.pop_front_if(|place| !matches!(place, Place::Waiting(_))) {
            state.first += 1;
            if let Place::Free(departing) = place {
                departing.leave();
            }
        }
    }
}

impl Leave {
    /// Lets it leave, behind what came before.
    pub(crate) fn go(mut self) {
        self.is_settled = true;
        self.mailbox.exit.settle(self.number, true);
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        if !self.is_settled {
            self.mailbox.exit.settle(self.number, false);
        }
    }
}
