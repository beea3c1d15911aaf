//! The letters in a mailbox, in the order in which they came.
//!
//! The actor takes one after another until it finds none, so only the letter that ends a quiet spell has to wake it.

use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::Letter;

/// The letters in a mailbox.
pub(super) struct Letters(Mutex<State>);

struct State {
    /// The oldest letter, if it came when no other waited: mostly it stays alone, and needs no memory of its own.
    first: Option<Letter>,
    rest: VecDeque<Letter>,
    /// Of the actor, if it has found the mailbox empty and has not been woken since.
    asleep: Option<Waker>,
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
            first: None,
            rest: VecDeque::new(),
            asleep: None,
            in_hand: false,
            door: Door::Open,
            last_used: Instant::now(),
        }))
    }

    /// Takes a letter of a caller. `others` count against `bound` as letters do.
    pub(super) fn offer(&self, letter: Letter, others: usize, bound: usize) -> Offer {
        let mut state = self.0.lock();
        if state.door != Door::Open {
            return Offer::Ending(letter);
        }
        if state.load() + others >= bound {
            return Offer::Full(letter);
        }
        let asleep = state.push(letter);
        drop(state);
        wake(asleep);
        Offer::Taken
    }

    /// Takes a letter of the host or the activation itself. If the actor has ended, the letter is dropped, and says so;
    /// then this is `false`.
    pub(super) fn post(&self, letter: Letter) -> bool {
        let mut state = self.0.lock();
        if state.door == Door::Closed {
            drop(state);
            drop(letter);
            return false;
        }
        let asleep = state.push(letter);
        drop(state);
        wake(asleep);
        true
    }

    /// The next letter to handle; the last one is handled since `now`. Without one the actor sleeps; when there will be no
    /// more, this is `None`.
    pub(super) fn poll_next(&self, cx: &mut Context<'_>, now: Instant) -> Poll<Option<Letter>> {
        let mut state = self.0.lock();
        if let Some(letter) = state.first.take().or_else(|| state.rest.pop_front()) {
            state.in_hand = true;
            return Poll::Ready(Some(letter));
        }
        if std::mem::take(&mut state.in_hand) {
            state.last_used = now;
        }
        if state.door == Door::Closed {
            return Poll::Ready(None);
        }
        if !state.asleep.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            state.asleep = Some(cx.waker().clone());
        }
        Poll::Pending
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

    /// Takes letters of callers again, if it only was sealed.
    pub(super) fn open(&self) {
        let mut state = self.0.lock();
        if state.door == Door::Sealed {
            state.door = Door::Open;
        }
    }

    /// Takes no more letters at all; the actor ends behind those that are there.
    pub(super) fn end(&self) {
        let asleep = {
            let mut state = self.0.lock();
            state.door = Door::Closed;
            state.asleep.take()
        };
        wake(asleep);
    }

    /// Ends the actor if no letter is there and `otherwise_idle`. Says whether it does.
    pub(super) fn end_if_idle(&self, otherwise_idle: impl FnOnce() -> bool) -> bool {
        let mut state = self.0.lock();
        let idle = state.load() == 0 && otherwise_idle();
        if idle {
            state.door = Door::Closed;
            let asleep = state.asleep.take();
            drop(state);
            wake(asleep);
        }
        idle
    }

    /// Takes no more letters, and drops those that are there, which tells their senders.
    pub(super) fn close(&self) {
        let waiting = {
            let mut state = self.0.lock();
            state.door = Door::Closed;
            (state.first.take(), std::mem::take(&mut state.rest), state.asleep.take())
        };
        drop(waiting);
    }
}

impl State {
    fn load(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len() + usize::from(self.in_hand)
    }

    /// Whoever has to be woken for the letter, once the lock is free.
    fn push(&mut self, letter: Letter) -> Option<Waker> {
        if self.first.is_none() && self.rest.is_empty() {
            self.first = Some(letter);
        } else {
            self.rest.push_back(letter);
        }
        self.asleep.take()
    }
}

fn wake(asleep: Option<Waker>) {
    if let Some(waker) = asleep {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::Wake,
        time::Duration,
    };

    use super::*;
    use crate::mailbox::Reply;

    fn letter() -> Letter {
        Letter::Passivate(Reply::nobody())
    }

    /// An actor that counts how often it is woken.
    #[derive(Default)]
    struct Actor(AtomicUsize);

    impl Wake for Actor {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Actor {
        fn next(self: &Arc<Self>, letters: &Letters) -> Poll<Option<Letter>> {
            letters.poll_next(&mut Context::from_waker(&Arc::clone(self).into()), Instant::now())
        }

        fn takes(self: &Arc<Self>, letters: &Letters) -> bool {
            matches!(self.next(letters), Poll::Ready(Some(_)))
        }

        fn woken(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn only_the_letter_after_a_quiet_spell_wakes_the_actor() {
        let (letters, actor) = (Letters::new(), Arc::<Actor>::default());
        assert!(actor.next(&letters).is_pending());
        assert!(letters.post(letter()));
        assert!(letters.post(letter()));
        assert_eq!((actor.woken(), letters.load()), (1, 2));
        assert!(actor.takes(&letters));
        assert_eq!(letters.load(), 2, "the one in hand counts");
        assert!(actor.takes(&letters) && actor.next(&letters).is_pending());
        assert_eq!(letters.load(), 0);
        assert!(letters.post(letter()));
        assert_eq!(actor.woken(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_mailbox_was_last_used_when_its_last_letter_was_handled() {
        let (letters, actor) = (Letters::new(), Arc::<Actor>::default());
        let begin = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(actor.next(&letters).is_pending());
        assert_eq!(letters.last_used(), begin, "looking at it does not count");
        assert!(letters.post(letter()) && actor.takes(&letters));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(actor.next(&letters).is_pending());
        assert_eq!(letters.last_used(), begin + Duration::from_secs(2));
    }

    /// Guarantee 14.
    #[test]
    fn a_full_mailbox_gives_the_letter_back() {
        let letters = Letters::new();
        assert!(matches!(letters.offer(letter(), 1, 2), Offer::Taken));
        assert!(matches!(letters.offer(letter(), 1, 2), Offer::Full(_)));
        assert!(matches!(letters.offer(letter(), 0, 2), Offer::Taken));
    }

    #[test]
    fn an_ending_mailbox_gives_the_letters_of_callers_back() {
        let (letters, actor) = (Letters::new(), Arc::<Actor>::default());
        letters.seal();
        assert!(matches!(letters.offer(letter(), 0, 9), Offer::Ending(_)));
        assert!(letters.post(letter()), "but not those of its own");
        assert!(!letters.end_if_idle(|| true));
        assert!(actor.takes(&letters) && actor.next(&letters).is_pending());
        letters.open();
        assert!(
            matches!(letters.offer(letter(), 0, 9), Offer::Taken),
            "it does not end after all"
        );
        assert!(actor.takes(&letters) && actor.next(&letters).is_pending());
        assert!(!letters.end_if_idle(|| false) && letters.end_if_idle(|| true));
        letters.open();
        assert!(!letters.post(letter()), "it has ended");
        assert_eq!(actor.woken(), 2, "it hears that it ends");
        assert!(matches!(actor.next(&letters), Poll::Ready(None)));
    }

    #[test]
    fn an_actor_ends_behind_the_letters_it_has() {
        let (letters, actor) = (Letters::new(), Arc::<Actor>::default());
        assert!(letters.post(letter()));
        letters.end();
        assert!(!letters.post(letter()));
        assert!(actor.takes(&letters));
        assert!(matches!(actor.next(&letters), Poll::Ready(None)));
    }

    /// Guarantee 13.
    #[test]
    fn letters_to_a_dead_actor_come_back_or_say_so() {
        let letters = Letters::new();
        let (reply, mut outcome) = Reply::channel();
        assert!(letters.post(Letter::Passivate(reply)));
        letters.close();
        assert!(outcome.try_recv().unwrap().is_err());
        assert!(matches!(letters.offer(letter(), 0, 9), Offer::Ending(_)));
        let (reply, mut outcome) = Reply::channel();
        assert!(!letters.post(Letter::Passivate(reply)));
        assert!(outcome.try_recv().unwrap().is_err());
    }
}
