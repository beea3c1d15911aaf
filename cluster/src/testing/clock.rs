//! A clock that follows the paused time of the runtime.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

use crate::{Clock, Timestamp};

/// Where the clock begins: some day in 2026.
const BEGIN: Timestamp = Timestamp::from_millis(1_790_000_000_000);

/// A clock that follows the paused time of the runtime.
#[derive(Debug)]
pub(crate) struct TestClock {
    began: Instant,
    /// By how many milliseconds its hands were moved.
    moved: AtomicI64,
}

impl Default for TestClock {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            moved: AtomicI64::new(0),
        }
    }
}

impl TestClock {
    /// Moves its hands by so many milliseconds, as an operator does who sets the clock of a machine.
    pub(crate) fn set_by(&self, millis: i64) {
        self.moved.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let now = BEGIN.plus(self.began.elapsed());
        Timestamp::from_millis(now.as_millis() + self.moved.load(Ordering::Relaxed))
    }

    fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}
