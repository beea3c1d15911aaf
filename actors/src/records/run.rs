//! A planning run: the seed's table `planning_runs`.

use serde::{Deserialize, Serialize};

/// One planning run. Field names are the columns of the seed's `planning_runs`; times are Unix seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanningRun {
    /// UUID of the run.
    pub id: String,
    /// The idea as it was given.
    pub idea: String,
    /// The idea as the opportunity phase refined it.
    pub refined_idea: Option<String>,
    /// Where the run stands.
    pub status: RunStatus,
    /// Phase being worked on, or the last one.
    pub current_phase: Option<String>,
    /// Who produces the phases.
    pub mode: Mode,
    /// Mean of the phases' overall scores, 0 to 10; empty where nothing was assessed.
    pub quality_score: Option<f64>,
    /// Revenue potential of the chosen opportunity.
    pub revenue_potential: Option<RevenuePotential>,
    /// Identifier of the workflow instance.
    pub workflow_instance_id: String,
    /// Verdict of the kill test.
    pub kill_verdict: Option<KillVerdict>,
    /// Pivots so far, 0 to 3.
    pub pivot_count: u32,
    /// Key of the package in the object store.
    pub package_key: Option<String>,
    /// When the run was created.
    pub created_at: i64,
    /// When it last changed.
    pub updated_at: i64,
}

/// Where a run stands. The only vocabulary for it, in storage, API and pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Phases are being worked on, or wait for the model.
    Running,
    /// A person must approve or reject before the package is made.
    AwaitingApproval,
    /// Stopped between two steps until resumed.
    Paused,
    /// The package is ready.
    Completed,
    /// Stopped by the kill test, or out of pivots.
    Killed,
    /// A step failed for good; the error is kept.
    Failed,
    /// Stopped by a person, or rejected.
    Cancelled,
    /// Removed by a person.
    Deleted,
}

impl RunStatus {
    /// The name in storage, API and pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Killed => "killed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Deleted => "deleted",
        }
    }

    /// Says whether nothing more will happen by itself or by approval.
    #[must_use]
    pub fn is_final(self) -> bool {
        match self {
            Self::Running | Self::AwaitingApproval | Self::Paused => false,
            Self::Completed | Self::Killed | Self::Failed | Self::Cancelled | Self::Deleted => true,
        }
    }
}

/// Who produces the phases of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// This server's workflow.
    Cloud,
    /// A program outside that posts artifacts. Not available yet.
    Local,
}

/// Verdict of the kill test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum KillVerdict {
    /// Go on.
    Go,
    /// Start again with another angle.
    Pivot,
    /// Stop and park the idea.
    Kill,
    /// A pivot was due but three had been used.
    PivotExhausted,
}

impl KillVerdict {
    /// The name in storage, API and pages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Go => "GO",
            Self::Pivot => "PIVOT",
            Self::Kill => "KILL",
            Self::PivotExhausted => "PIVOT_EXHAUSTED",
        }
    }
}

/// Revenue potential of an opportunity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RevenuePotential {
    /// Very high.
    VeryHigh,
    /// High.
    High,
    /// Medium.
    Medium,
    /// Low.
    Low,
    /// The model could not judge it.
    NotAssessed,
}

/// Options of a run, given when it is created.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RunConfig {
    /// Review each artifact and revise it up to three times.
    pub require_review: bool,
    /// Wait for a person after a GO, before the package is made.
    pub require_approval: bool,
}
