//! The letters in a mailbox, in the order in which they came.
//!
//! The actor takes one after another until it finds none, so only the letter that ends a quiet spell has to wake it.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::Letter;

/// The letters in a mailbox.
pub(super) struct Letters(Mutex<State>);

struct State {
    waiting: VecDeque<Letter>,
    /// Whether the actor has been woken, and has not found the mailbox empty since.
    awake: bool,
    /// Whether a letter is being handled.
    in_hand: bool,
    door: Door,
    last_used: Instant,
}

/// Whom the mailbox takes letters from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    /// From everybody.
    Open,
    /// From the activation itself and its host.
    Sealed,
    /// From nobody.
    Closed,
}

/// What became of a letter that a caller offered.
pub(crate) enum Offer {
    /// It lies in the mailbox.
    Taken,
    /// As many as may wait do.
    Full(Letter),
    /// The activation is ending.
    Ending(Letter),
}

impl Letters {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State {
            waiting: VecDeque::new(),
            awake: false,
            in_hand: false,
            door: Door::Open,
            last_used: Instant::now(),
        }))
    }

    /// Takes a letter of a caller. `others` count against `bound` as letters do; `wake` says whether the actor lives.
    pub(super) fn offer(&self, letter: Letter, others: usize, bound: usize, wake: impl FnOnce() -> bool) -> Offer {
        let mut state = self.0.lock();
        if state.door != Door::Open {
            return Offer::Ending(letter);
        }
        if state.load() + others >= bound {
            return Offer::Full(letter);
        }
        match state.push(letter, wake) {
            None => Offer::Taken,
            Some(letter) => Offer::Ending(letter),
        }
    }

    /// Takes a letter of the host or the activation itself. If the actor has ended, the letter is dropped, and says so;
    /// then this is `false`.
    pub(super) fn post(&self, letter: Letter, wake: impl FnOnce() -> bool) -> bool {
        let mut state = self.0.lock();
        let refused = if state.door == Door::Closed {
            Some(letter)
        } else {
            state.push(letter, wake)
        };
        drop(state);
        refused.is_none()
    }

    /// The next letter to handle; the last one is handled by now. Without one the actor may sleep.
    pub(super) fn next(&self) -> Option<Letter> {
        let mut state = self.0.lock();
        let next = state.waiting.pop_front();
        state.in_hand = next.is_some();
        if next.is_none() {
            state.awake = false;
            state.last_used = Instant::now();
        }
        next
    }

    /// Letters that wait or are being handled.
    pub(super) fn load(&self) -> usize {
        self.0.lock().load()
    }

    pub(super) fn last_used(&self) -> Instant {
        self.0.lock().last_used
    }

    pub(super) fn touch(&self) {
        let now = Instant::now();
        self.0.lock().last_used = now;
    }

    /// Takes no more letters of callers.
    pub(super) fn seal(&self) {
        let mut state = self.0.lock();
        if state.door == Door::Open {
            state.door = Door::Sealed;
        }
    }

    /// Takes no more letters at all if none is there and `otherwise_idle`. Says whether it does not.
    pub(super) fn close_if_idle(&self, otherwise_idle: impl FnOnce() -> bool) -> bool {
        let mut state = self.0.lock();
        let idle = state.load() == 0 && otherwise_idle();
        if idle {
            state.door = Door::Closed;
        }
        idle
    }

    /// Takes no more letters, and drops those that are there, which tells their senders.
    pub(super) fn close(&self) {
        let waiting = {
            let mut state = self.0.lock();
            state.door = Door::Closed;
            std::mem::take(&mut state.waiting)
        };
        drop(waiting);
    }
}

impl State {
    fn load(&self) -> usize {
        self.waiting.len() + usize::from(self.in_hand)
    }

    /// Gives the letter back if the actor cannot be woken.
    fn push(&mut self, letter: Letter, wake: impl FnOnce() -> bool) -> Option<Letter> {
        if !self.awake {
            if !wake() {
                self.door = Door::Closed;
                return Some(letter);
            }
            self.awake = true;
        }
        self.waiting.push_back(letter);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::Reply;

    fn letter() -> Letter {
        Letter::Passivate(Reply::nobody())
    }

    fn never() -> bool {
        panic!("the actor is awake")
    }

    #[test]
    fn only_the_letter_after_a_quiet_spell_wakes_the_actor() {
        let letters = Letters::new();
        let mut woken = 0;
        assert!(letters.post(letter(), || {
            woken += 1;
            true
        }));
        assert!(letters.post(letter(), never));
        assert_eq!((woken, letters.load()), (1, 2));
        assert!(letters.next().is_some());
        assert_eq!(letters.load(), 2, "the one in hand counts");
        assert!(letters.next().is_some() && letters.next().is_none());
        assert_eq!(letters.load(), 0);
        assert!(letters.post(letter(), || {
            woken += 1;
            true
        }));
        assert_eq!(woken, 2);
    }

    /// Guarantee 14.
    #[test]
    fn a_full_mailbox_gives_the_letter_back() {
        let letters = Letters::new();
        assert!(matches!(letters.offer(letter(), 1, 2, || true), Offer::Taken));
        assert!(matches!(letters.offer(letter(), 1, 2, never), Offer::Full(_)));
        assert!(matches!(letters.offer(letter(), 0, 2, never), Offer::Taken));
    }

    #[test]
    fn an_ending_mailbox_gives_the_letters_of_callers_back() {
        let letters = Letters::new();
        letters.seal();
        assert!(matches!(letters.offer(letter(), 0, 9, never), Offer::Ending(_)));
        assert!(letters.post(letter(), || true), "but not those of its own");
        assert!(!letters.close_if_idle(|| true));
        assert!(letters.next().is_some() && letters.next().is_none());
        assert!(!letters.close_if_idle(|| false) && letters.close_if_idle(|| true));
        assert!(!letters.post(letter(), never));
    }

    /// Guarantee 13.
    #[test]
    fn letters_to_a_dead_actor_come_back_or_say_so() {
        let letters = Letters::new();
        assert!(matches!(letters.offer(letter(), 0, 9, || false), Offer::Ending(_)));
        let letters = Letters::new();
        let (reply, mut outcome) = Reply::channel();
        assert!(letters.post(Letter::Passivate(reply), || true));
        letters.close();
        assert!(outcome.try_recv().unwrap().is_err());
    }
}
