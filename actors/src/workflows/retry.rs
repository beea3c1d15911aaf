//! How often and when a failing step is tried again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How one step is executed: when it is tried again, and how long one try may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepPolicy {
    /// When a failing step is tried again.
    pub retries: Retries,
    /// How long one attempt may take.
    pub timeout: Duration,
}

impl Default for StepPolicy {
    fn default() -> Self {
        Self {
            retries: Retries::default(),
            timeout: Duration::from_mins(10),
        }
    }
}

impl StepPolicy {
    /// The policy of a step that is tried once.
    #[must_use]
    pub fn once(timeout: Duration) -> Self {
        Self {
            retries: Retries {
                limit: 0,
                ..Retries::default()
            },
            timeout,
        }
    }
}

/// Retries of a step: `limit` attempts after the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retries {
    /// Attempts after the first one.
    pub limit: u32,
    /// Base of the delay between attempts.
    pub delay: Duration,
    /// How the delay grows.
    pub backoff: Backoff,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            limit: 5,
            delay: Duration::from_secs(10),
            backoff: Backoff::Exponential,
        }
    }
}

/// How the delay between attempts grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Backoff {
    /// Always the base.
    Constant,
    /// The base times the number of failed attempts.
    Linear,
    /// The base, doubled after each failed attempt but the first.
    Exponential,
}

impl Retries {
    /// The delay after `failed` attempts have failed, or `None` when there is no further attempt.
    #[must_use]
    pub fn delay_after(&self, failed: u32) -> Option<Duration> {
        if failed > self.limit {
            return None;
        }
        let delay = match self.backoff {
            Backoff::Constant => self.delay,
            Backoff::Linear => self.delay.saturating_mul(failed),
            Backoff::Exponential => self
                .delay
                .saturating_mul(1_u32.checked_shl(failed.saturating_sub(1)).unwrap_or(u32::MAX)),
        };
        Some(delay.min(super::limits::SLEEP))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(retries: Retries) -> Vec<Option<u64>> {
        (1..=retries.limit + 1)
            .map(|failed| retries.delay_after(failed).map(|delay| delay.as_secs()))
            .collect()
    }

    #[test]
    fn the_default_is_five_retries_from_ten_seconds_exponentially_and_ten_minutes_each() {
        let policy = StepPolicy::default();
        assert_eq!(policy.timeout, Duration::from_secs(600));
        assert_eq!(
            delays(policy.retries),
            [Some(10), Some(20), Some(40), Some(80), Some(160), None]
        );
    }

    #[test]
    fn constant_and_linear_delays_follow_the_table() {
        let base = Retries {
            limit: 3,
            delay: Duration::from_secs(7),
            backoff: Backoff::Constant,
        };
        assert_eq!(delays(base), [Some(7), Some(7), Some(7), None]);
        assert_eq!(
            delays(Retries {
                backoff: Backoff::Linear,
                ..base
            }),
            [Some(7), Some(14), Some(21), None]
        );
    }

    #[test]
    fn a_limit_of_zero_means_one_attempt() {
        assert_eq!(StepPolicy::once(Duration::from_secs(1)).retries.delay_after(1), None);
    }

    #[test]
    fn a_delay_never_passes_the_longest_sleep() {
        let retries = Retries {
            limit: 1000,
            delay: Duration::from_secs(10),
            backoff: Backoff::Exponential,
        };
        assert_eq!(retries.delay_after(900), Some(super::super::limits::SLEEP));
    }
}
