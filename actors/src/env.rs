//! What the actors of the domain are given at registration: the ports and the settings.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    ports::{Embedder, Events, Model, Objects, Search, Vectors},
    workflows::{Backoff, Retries, StepPolicy},
};

/// The ports as one value, cheap to clone.
#[derive(Clone)]
pub struct Env {
    /// The language model.
    pub model: Arc<dyn Model>,
    /// The embedding model.
    pub embedder: Arc<dyn Embedder>,
    /// The vector index.
    pub vectors: Arc<dyn Vectors>,
    /// The object store.
    pub objects: Arc<dyn Objects>,
    /// The search engine.
    pub search: Arc<dyn Search>,
    /// Where events go.
    pub events: Arc<dyn Events>,
    /// Settings of planning.
    pub planning: PlanningSettings,
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env")
            .field("planning", &self.planning)
            .finish_non_exhaustive()
    }
}

/// Settings of the planning workflow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlanningSettings {
    /// Retries of each step, and the time-out of those that ask no model.
    pub step: StepPolicy,
    /// Time for one model call, the time in the model's queue included.
    pub model_deadline: Duration,
    /// Most tokens of a prompt for a capable model. Smaller models are given less.
    pub prompt_tokens: u32,
    /// Related artifacts that a prompt carries, of the run and of other runs each.
    pub matches: usize,
    /// Least similarity, -1 to 1, of a related artifact of another run.
    pub min_similarity: f32,
    /// Most search queries of a phase.
    pub queries: usize,
    /// Most pages fetched for a phase.
    pub pages: usize,
}

impl Default for PlanningSettings {
    fn default() -> Self {
        Self {
            step: StepPolicy {
                retries: Retries {
                    limit: 5,
                    delay: Duration::from_secs(10),
                    backoff: Backoff::Exponential,
                },
                timeout: Duration::from_mins(10),
            },
            model_deadline: Duration::from_mins(15),
            prompt_tokens: 12_000,
            matches: 4,
            min_similarity: 0.3,
            queries: 4,
            pages: 6,
        }
    }
}

impl PlanningSettings {
    /// The policy of a step with up to `calls` model calls.
    pub(crate) fn model_step(&self, calls: u32) -> StepPolicy {
        // A little more than the calls take at most, so that it is the model that reports the missed deadline.
        StepPolicy {
            timeout: self.model_deadline * calls + Duration::from_mins(1),
            ..self.step
        }
    }
}
