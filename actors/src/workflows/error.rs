//! How work, steps and runs fail.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why the work of one attempt of a step failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct WorkError {
    message: String,
    retryable: bool,
    retry_after: Option<Duration>,
}

impl WorkError {
    /// A failure that another attempt may not meet.
    #[must_use]
    pub fn retryable(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            retryable: true,
            retry_after: None,
        }
    }

    /// A failure that repeats with every attempt: the step fails at once.
    #[must_use]
    pub fn non_retryable(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            retryable: false,
            retry_after: None,
        }
    }

    /// Asks for a delay before the next attempt that is at least this long.
    #[must_use]
    pub fn after(mut self, delay: Option<Duration>) -> Self {
        self.retry_after = delay;
        self
    }

    /// What happened.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Says whether another attempt may succeed.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.retryable
    }

    /// The least delay before the next attempt.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

/// Why a step, and with it usually the run, did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// The step failed for good. A run may catch this; the same answer comes again when it is replayed.
    #[error("{message}")]
    Failed {
        /// Name of the step.
        step: String,
        /// What happened.
        message: String,
    },
    /// The instance left this execution behind (it was terminated, or its activation ended). Never to be caught: what remains
    /// happens in the next execution.
    #[error("the execution was interrupted")]
    Interrupted,
}

impl StepError {
    /// A failure of the run itself, outside any step.
    #[must_use]
    pub fn run(message: impl Into<String>) -> Self {
        Self::Failed {
            step: String::new(),
            message: message.into(),
        }
    }
}
