//! A parked idea: the seed's table `planning_parked_ideas`.

use serde::{Deserialize, Serialize};

/// An idea that a kill test stopped. Field names are the seed's columns; times are Unix seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParkedIdea {
    /// UUID of the parked idea.
    pub id: String,
    /// The idea as it was given.
    pub idea: String,
    /// The idea as refined before it was stopped.
    pub refined_idea: Option<String>,
    /// Run that stopped.
    pub run_id: Option<String>,
    /// Phase that stopped it.
    pub source_phase: String,
    /// Why.
    pub reason: String,
    /// Months after which to look again.
    pub revisit_estimate_months: Option<u32>,
    /// Why then.
    pub revisit_estimate_note: Option<String>,
    /// JSON object: phase to the first 500 characters of its artifact.
    pub artifact_summary: Option<String>,
    /// When it was parked.
    pub created_at: i64,
    /// Run that it was promoted to; an idea is promoted once.
    pub promoted_run_id: Option<String>,
}
