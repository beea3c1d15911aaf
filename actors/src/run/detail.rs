//! What a run tells of itself beyond its columns.

use serde::{Deserialize, Serialize};

use crate::{
    ports::{Profile, Usage},
    records::{PlanningRun, ReviewVerdict, RunConfig},
    workflows::planning::verdict::KillAssessment,
};

/// All that the page of a run shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunDetail {
    /// The columns.
    pub run: PlanningRun,
    /// What it was created with.
    pub config: RunConfig,
    /// Why it failed.
    pub error: Option<String>,
    /// Pivots before the present attempt.
    pub attempt: u32,
    /// All 15 phases of the present attempt, in order.
    pub phases: Vec<PhaseProgress>,
    /// What the phase is at: `context`, `sources`, `draft`, `review`, `store` or `index`. Empty between steps.
    pub current_step: Option<String>,
    /// Drafts of the present phase that were begun, revisions included; 0 before the first.
    pub drafts: u32,
    /// What was gathered for the present phase, once it was.
    pub gathered: Option<GatheredCounts>,
    /// Attempts that a pivot abandoned, the first one first.
    pub earlier: Vec<EarlierAttempt>,
    /// The latest kill test.
    pub kill: Option<KillAssessment>,
    /// Months after which the idea of a killed run is looked at again.
    pub revisit_months: Option<u32>,
    /// What a person decided.
    pub approval: Option<Approval>,
    /// Tokens of all accepted phases, earlier attempts included.
    pub usage: Usage,
    /// The model of the latest phase.
    pub model: Option<String>,
    /// The profile of the latest phase.
    pub profile: Option<Profile>,
    /// The package, once completed.
    pub package: Option<PackageKeys>,
    /// Number of the latest event.
    pub last_event: u64,
    /// The clock of the run, Unix milliseconds, to compare the other times with.
    pub now_ms: i64,
}

/// What a phase is told besides its instructions, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatheredCounts {
    /// Earlier phases of this attempt whose decisions it is given.
    pub phases: u32,
    /// Passages of this and of other plans that the index found.
    pub passages: u32,
    /// Fetched pages; empty where none were looked for or the search is under way.
    pub pages: Option<u32>,
}

/// How far a phase is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseProgress {
    /// Phase identifier.
    pub phase: String,
    /// 1 to 15.
    pub number: u32,
    /// How far it is.
    pub status: PhaseStatus,
    /// Pivots before it.
    pub attempt: u32,
    /// Version of its artifact.
    pub version: Option<u32>,
    /// How review, or the kill test, decided.
    pub review_verdict: Option<ReviewVerdict>,
    /// Mean of the scores.
    pub overall_score: Option<f64>,
    /// Drafts that its artifact took; 0 until it is accepted.
    pub drafts: u32,
    /// When it was begun, Unix milliseconds.
    pub started_at_ms: Option<i64>,
    /// When its artifact was accepted, Unix milliseconds.
    pub finished_at_ms: Option<i64>,
}

/// How far a phase is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhaseStatus {
    /// Not begun.
    Pending,
    /// Being worked on, or stopped while it was.
    InProgress,
    /// Its artifact was accepted.
    Completed,
    /// It failed for good.
    Failed,
}

/// An attempt that a pivot abandoned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EarlierAttempt {
    /// Pivots before it.
    pub attempt: u32,
    /// The idea as that attempt had refined it.
    pub refined_idea: Option<String>,
    /// Why it was abandoned.
    pub reason: String,
    /// What was to change.
    pub brief: Option<String>,
    /// Its phases.
    pub phases: Vec<PhaseProgress>,
}

/// What a person decided about a run that waited for approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The decision.
    pub decision: Decision,
    /// Why.
    pub comment: Option<String>,
    /// When, Unix seconds.
    pub at: i64,
}

/// A decision about a run that waited for approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The package is made.
    Approved,
    /// The run is cancelled.
    Rejected,
}

/// Where the package of a run is in the object store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageKeys {
    /// Key of the JSON document.
    pub json_key: String,
    /// Its SHA-256.
    pub json_sha256: String,
    /// Key of the Markdown document.
    pub markdown_key: String,
    /// Its SHA-256.
    pub markdown_sha256: String,
}
