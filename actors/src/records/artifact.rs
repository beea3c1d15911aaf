//! A phase artifact: the seed's table `planning_artifacts`, and what its review found.

use serde::{Deserialize, Serialize};

use crate::ports::{Profile, Usage};

/// One version of a phase's output. The first nine fields are the columns of the seed's `planning_artifacts`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanningArtifact {
    /// UUID of the artifact.
    pub id: String,
    /// Run of the artifact.
    pub run_id: String,
    /// Phase identifier.
    pub phase: String,
    /// 1 for the first version of this phase in this run, one more for each later one, attempts included.
    pub version: u32,
    /// The output as compact JSON text.
    pub content: String,
    /// How review, or the kill test, decided; empty where review was off.
    pub review_verdict: Option<ReviewVerdict>,
    /// Reviews of this version's line of drafts; 1 where review was off.
    pub review_iterations: u32,
    /// Mean of the review scores, 0 to 10; empty where nothing was assessed.
    pub overall_score: Option<f64>,
    /// When it was accepted, Unix seconds.
    pub created_at: i64,
    /// Pivots before it.
    pub attempt: u32,
    /// Version of the phase's schema.
    pub schema_version: u32,
    /// Profile it was validated against.
    pub profile: Profile,
    /// Model that wrote it.
    pub model: String,
    /// Tokens spent on it.
    pub usage: Usage,
    /// Per-criterion scores of the last review.
    pub scores: Vec<ReviewScore>,
    /// Claims of the artifact and the fetched sources that support them.
    pub evidence: Vec<Evidence>,
    /// Object key of the stored copy.
    pub object_key: String,
    /// SHA-256 of the stored copy.
    pub sha256: String,
    /// Milliseconds from the start of the phase to acceptance.
    pub duration_ms: u64,
}

/// The score of one criterion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReviewScore {
    /// Criterion, for example `completeness`.
    pub criterion: String,
    /// 0 to 10.
    pub score: f64,
}

/// A claim and what supports it. No sources means that it is assumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The claim.
    pub claim: String,
    /// Addresses of fetched pages that support it.
    pub sources: Vec<String>,
}

/// How an artifact was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ReviewVerdict {
    /// All scores are at least 7, or the tiebreaker accepted.
    Accept,
    /// A score is below 7.
    Revise,
    /// A score is below 4.
    Reject,
    /// Kill test: go on.
    Go,
    /// Kill test: start again.
    Pivot,
    /// Kill test: stop.
    Kill,
}
