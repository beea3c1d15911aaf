//! A clock that follows the paused time of the runtime.

use std::time::Duration;

use tokio::time::Instant;

use crate::{Clock, Timestamp};

/// Where the clock begins: some day in 2026.
const BEGIN: Timestamp = Timestamp::from_millis(1_790_000_000_000);

/// A clock that follows the paused time of the runtime.
#[derive(Debug)]
pub(crate) struct TestClock(Instant);

impl Default for TestClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        BEGIN.plus(self.0.elapsed())
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
