//! The deadlines of calls, kept together.
//!
//! A timer of its own would cost a call more than its turn does: it is put into the one wheel of the runtime and taken out
//! again, each under the lock of the wheel, and often wakes the thread that waits for the wheel. Almost no call meets its
//! deadline, so here a call only leaves its waker on a shelf, and one task, the keeper, sleeps until the first deadline that
//! was there when it looked last.

use std::{
    fmt,
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Poll, Waker},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{runtime::Handle, sync::Notify, time::Instant};

/// Shelves, so that callers on different threads seldom meet.
const SHELVES: usize = 8;

/// A moment that never comes.
const NEVER: u64 = u64::MAX;

/// The deadlines of the calls that wait for an answer.
pub(crate) struct Deadlines {
    shelves: [Mutex<Shelf>; SHELVES],
    /// The shelf of the next call.
    turn: AtomicUsize,
    begin: Instant,
    /// When the keeper wakes by itself.
    wakes: AtomicU64,
    /// Tells the keeper of a deadline before that.
    sooner: Arc<Notify>,
}

#[derive(Default)]
struct Shelf {
    places: Vec<Place>,
    /// First of the free places, each of which names the next.
    free: Option<usize>,
}

enum Place {
    Free(Option<usize>),
    /// A call waits, until this many nanoseconds after the begin.
    Waiting(u64, Waker),
    /// The deadline has passed, and the call has been told.
    Passed,
}

impl Deadlines {
    /// Makes room for deadlines, with a keeper on this runtime that lives as long.
    pub(crate) fn start(runtime: &Handle) -> Arc<Self> {
        let sooner = Arc::<Notify>::default();
        let deadlines = Arc::new(Self {
            shelves: Default::default(),
            turn: AtomicUsize::new(0),
            begin: Instant::now(),
            wakes: AtomicU64::new(NEVER),
            sooner: Arc::clone(&sooner),
        });
        runtime.spawn(keep(Arc::downgrade(&deadlines), sooner));
        deadlines
    }

    /// Waits for an answer, at most until `deadline` after `start`; then this is `None`.
    pub(crate) async fn within<T>(
        &self,
        start: Instant,
        deadline: Duration,
        answer: impl Future<Output = T>,
    ) -> Option<T> {
        let mut answer = pin!(answer);
        let mut wait = Wait {
            deadlines: self,
            at: self
                .nanos(start)
                .saturating_add(u64::try_from(deadline.as_nanos()).unwrap_or(NEVER)),
            place: None,
        };
        poll_fn(|cx| match answer.as_mut().poll(cx) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending if wait.is_over(cx.waker()) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    fn nanos(&self, moment: Instant) -> u64 {
        u64::try_from(moment.saturating_duration_since(self.begin).as_nanos()).unwrap_or(NEVER)
    }

    /// Tells the calls whose deadline has passed, and returns the next deadline.
    fn sweep(&self) -> u64 {
        // Calls that come from here on tell the keeper, unless this look finds an earlier deadline.
        self.wakes.store(NEVER, Ordering::SeqCst);
        let now = self.nanos(Instant::now());
        let (mut next, mut passed) = (NEVER, Vec::new());
        for shelf in &self.shelves {
            for place in &mut shelf.lock().places {
                match place {
                    Place::Waiting(at, _) if *at <= now => {
                        if let Place::Waiting(at, waker) = std::mem::replace(place, Place::Passed) {
                            passed.push((at, waker));
                        }
                    }
                    Place::Waiting(at, _) => next = next.min(*at),
                    Place::Free(_) | Place::Passed => {}
                }
            }
        }
        passed.sort_by_key(|(at, _)| *at);
        passed.into_iter().for_each(|(_, waker)| waker.wake());
        self.wakes.fetch_min(next, Ordering::SeqCst);
        next
    }
}

/// Tells calls that their deadlines have passed, until there is nobody left who could call.
async fn keep(deadlines: Weak<Deadlines>, sooner: Arc<Notify>) {
    loop {
        let next = {
            let Some(deadlines) = deadlines.upgrade() else { return };
            let next = deadlines.sweep();
            (next != NEVER).then(|| deadlines.begin + Duration::from_nanos(next))
        };
        match next {
            Some(next) => tokio::select! {
                biased;
                () = sooner.notified() => {}
                () = tokio::time::sleep_until(next) => {}
            },
            None => sooner.notified().await,
        }
    }
}

impl Drop for Deadlines {
    fn drop(&mut self) {
        self.sooner.notify_one();
    }
}

impl fmt::Debug for Deadlines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deadlines").finish_non_exhaustive()
    }
}

/// One call that waits.
struct Wait<'a> {
    deadlines: &'a Deadlines,
    at: u64,
    /// Shelf and place, once it had to wait.
    place: Option<(usize, usize)>,
}

impl Wait<'_> {
    /// Whether the deadline has passed; if not, this task will hear of it.
    fn is_over(&mut self, waker: &Waker) -> bool {
        let Some((shelf, place)) = self.place else {
            self.enter(waker);
            return false;
        };
        match &mut self.deadlines.shelves[shelf].lock().places[place] {
            Place::Waiting(_, known) => {
                known.clone_from(waker);
                false
            }
            Place::Passed | Place::Free(_) => true,
        }
    }

    fn enter(&mut self, waker: &Waker) {
        let deadlines = self.deadlines;
        let shelf = deadlines.turn.fetch_add(1, Ordering::Relaxed) % SHELVES;
        let place = deadlines.shelves[shelf]
            .lock()
            .enter(Place::Waiting(self.at, waker.clone()));
        self.place = Some((shelf, place));
        if self.at < deadlines.wakes.load(Ordering::SeqCst) {
            deadlines.wakes.fetch_min(self.at, Ordering::SeqCst);
            deadlines.sooner.notify_one();
        }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if let Some((shelf, place)) = self.place {
            let left = self.deadlines.shelves[shelf].lock().leave(place);
            // Outside the lock: the last waker of a task drops the task.
            drop(left);
        }
    }
}

impl Shelf {
    fn enter(&mut self, place: Place) -> usize {
        match self.free {
            Some(index) => {
                if let Place::Free(next) = std::mem::replace(&mut self.places[index], place) {
                    self.free = next;
                }
                index
            }
            None => {
                self.places.push(place);
                self.places.len() - 1
            }
        }
    }

    fn leave(&mut self, index: usize) -> Place {
        let next = self.free.replace(index);
        std::mem::replace(&mut self.places[index], Place::Free(next))
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::sleep;

    use super::*;

    fn places(deadlines: &Deadlines) -> usize {
        deadlines.shelves.iter().map(|shelf| shelf.lock().places.len()).sum()
    }

    /// Guarantee 13.
    #[tokio::test(start_paused = true)]
    async fn a_call_ends_at_its_deadline_and_not_before() {
        let deadlines = Deadlines::start(&Handle::current());
        let begin = Instant::now();
        let wait = |millis| {
            let deadlines = Arc::clone(&deadlines);
            tokio::spawn(async move {
                let answer = deadlines.within(begin, Duration::from_millis(millis), pending::<()>());
                (answer.await, begin.elapsed().as_millis())
            })
        };
        // The keeper sleeps for the long one when the short one comes.
        let long = wait(700);
        sleep(Duration::from_millis(100)).await;
        let short = wait(300);
        assert_eq!(short.await.unwrap(), (None, 300));
        assert_eq!(long.await.unwrap(), (None, 700));
        assert_eq!(wait(50).await.unwrap(), (None, 700), "one that has passed already");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_in_time_leaves_nothing_behind() {
        let deadlines = Deadlines::start(&Handle::current());
        for _ in 0..100 {
            let answer = async {
                sleep(Duration::from_millis(5)).await;
                7
            };
            let answered = deadlines.within(Instant::now(), Duration::from_secs(1), answer).await;
            assert_eq!(answered, Some(7));
        }
        assert!(places(&deadlines) <= SHELVES, "places are used again");
        let cut_off = deadlines.within(Instant::now(), Duration::MAX, pending::<()>());
        assert!(tokio::time::timeout(Duration::from_secs(100), cut_off).await.is_err());
        let free = |place: &Place| matches!(place, Place::Free(_));
        assert!(
            deadlines
                .shelves
                .iter()
                .all(|shelf| shelf.lock().places.iter().all(free))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_keeper_ends_with_the_deadlines() {
        let deadlines = Deadlines::start(&Handle::current());
        let sooner = Arc::downgrade(&deadlines.sooner);
        drop(deadlines);
        sleep(Duration::from_millis(1)).await;
        assert!(sooner.upgrade().is_none());
    }
}
