//! Section `[planning]`: how patiently and how thoroughly runs are worked through.

use std::time::Duration;

use actors::{
    env::PlanningSettings,
    workflows::{Retries, StepPolicy},
};
use serde::{Deserialize, Serialize};

/// Longest time that a step or a model call may be given, in seconds: a day.
const SECONDS_MAX: u64 = 24 * 60 * 60;

/// Longest first delay between two attempts of a step, in milliseconds: an hour.
const DELAY_MS_MAX: u64 = 60 * 60 * 1000;

/// Most attempts of a step after the first one.
const RETRIES_MAX: u32 = 100;

/// Smallest and largest token budget of a prompt.
const PROMPT_TOKENS: std::ops::RangeInclusive<u32> = 1_000..=1_000_000;

/// Most related artifacts, search queries and pages of a phase.
const ITEMS_MAX: usize = 50;

/// Section `[planning]`: planning runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PlanningConfig {
    /// Attempts of a step after the first one.
    pub step_retries: u32,
    /// Delay before the second attempt of a step; it doubles with each further one.
    pub step_retry_delay_ms: u64,
    /// Longest time of one attempt of a step that asks no model.
    pub step_timeout_seconds: u64,
    /// Longest time of one model call, waiting for its turn included.
    pub model_deadline_seconds: u64,
    /// Most tokens of a prompt.
    pub prompt_tokens: u32,
    /// Related artifacts that a prompt carries, of the run and of other runs each.
    pub matches: usize,
    /// Least similarity of a related artifact of another run.
    pub min_similarity: f64,
    /// Most search queries of a phase.
    pub queries: usize,
    /// Most pages fetched for a phase.
    pub pages: usize,
}

impl Default for PlanningConfig {
    fn default() -> Self {
        let PlanningSettings {
            step,
            model_deadline,
            prompt_tokens,
            matches,
            min_similarity,
            queries,
            pages,
        } = PlanningSettings::default();
        Self {
            step_retries: step.retries.limit,
            step_retry_delay_ms: u64::try_from(step.retries.delay.as_millis()).unwrap_or(DELAY_MS_MAX),
            step_timeout_seconds: step.timeout.as_secs(),
            model_deadline_seconds: model_deadline.as_secs(),
            prompt_tokens,
            matches,
            // Rounded, because 0.3 has no exact value in either width and the longer one would show it.
            min_similarity: (f64::from(min_similarity) * 1e6).round() / 1e6,
            queries,
            pages,
        }
    }
}

impl PlanningConfig {
    /// The settings as the actors take them.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "a similarity needs no more precision")]
    pub fn settings(&self) -> PlanningSettings {
        let backoff = PlanningSettings::default().step.retries.backoff;
        PlanningSettings {
            step: StepPolicy {
                retries: Retries {
                    limit: self.step_retries,
                    delay: Duration::from_millis(self.step_retry_delay_ms),
                    backoff,
                },
                timeout: Duration::from_secs(self.step_timeout_seconds),
            },
            model_deadline: Duration::from_secs(self.model_deadline_seconds),
            prompt_tokens: self.prompt_tokens,
            matches: self.matches,
            min_similarity: self.min_similarity as f32,
            queries: self.queries,
            pages: self.pages,
        }
    }

    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let bad = |key, message: String| Err((key, message));
        if self.step_retries > RETRIES_MAX {
            return bad("planning.step-retries", format!("must be at most {RETRIES_MAX}"));
        }
        if self.step_retry_delay_ms > DELAY_MS_MAX {
            return bad(
                "planning.step-retry-delay-ms",
                format!("must be at most {DELAY_MS_MAX}"),
            );
        }
        for (key, seconds) in [
            ("planning.step-timeout-seconds", self.step_timeout_seconds),
            ("planning.model-deadline-seconds", self.model_deadline_seconds),
        ] {
            if !(1..=SECONDS_MAX).contains(&seconds) {
                return bad(key, format!("must be between 1 and {SECONDS_MAX}"));
            }
        }
        if !PROMPT_TOKENS.contains(&self.prompt_tokens) {
            let (least, most) = (PROMPT_TOKENS.start(), PROMPT_TOKENS.end());
            return bad("planning.prompt-tokens", format!("must be between {least} and {most}"));
        }
        if !(-1.0..=1.0).contains(&self.min_similarity) {
            return bad("planning.min-similarity", "must be between -1 and 1".to_owned());
        }
        for (key, items) in [
            ("planning.matches", self.matches),
            ("planning.queries", self.queries),
            ("planning.pages", self.pages),
        ] {
            if items > ITEMS_MAX {
                return bad(key, format!("must be at most {ITEMS_MAX}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_those_of_the_actors() {
        assert_eq!(PlanningConfig::default().settings(), PlanningSettings::default());
        assert_eq!(PlanningConfig::default().check(), Ok(()));
    }

    #[test]
    fn a_setting_out_of_bounds_is_named() {
        let default = PlanningConfig::default;
        for (config, key) in [
            (
                PlanningConfig {
                    step_retries: 101,
                    ..default()
                },
                "planning.step-retries",
            ),
            (
                PlanningConfig {
                    step_retry_delay_ms: DELAY_MS_MAX + 1,
                    ..default()
                },
                "planning.step-retry-delay-ms",
            ),
            (
                PlanningConfig {
                    step_timeout_seconds: 0,
                    ..default()
                },
                "planning.step-timeout-seconds",
            ),
            (
                PlanningConfig {
                    model_deadline_seconds: SECONDS_MAX + 1,
                    ..default()
                },
                "planning.model-deadline-seconds",
            ),
            (
                PlanningConfig {
                    prompt_tokens: 10,
                    ..default()
                },
                "planning.prompt-tokens",
            ),
            (
                PlanningConfig {
                    min_similarity: f64::NAN,
                    ..default()
                },
                "planning.min-similarity",
            ),
            (PlanningConfig { pages: 51, ..default() }, "planning.pages"),
        ] {
            assert_eq!(config.check().unwrap_err().0, key);
        }
    }
}
