//! What runs tell a tenant, and what is asked of it.

use cluster::prelude::Message;
use serde::{Deserialize, Serialize};

use crate::{
    ports::Profile,
    records::{ParkedIdea, PlanningRun, RunConfig, RunStatus},
};

/// A run as the index keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The columns of the run. The idea is cut to 500 characters; the run itself has it whole.
    pub run: PlanningRun,
    /// What the run was created with.
    pub config: RunConfig,
    /// Raised with each change; an older summary never replaces a newer one.
    pub revision: u64,
    /// When the run was created, Unix milliseconds.
    pub created_ms: i64,
    /// Phases that have an artifact in the present attempt.
    pub phases_done: u32,
    /// The profile of the latest phase.
    pub profile: Option<Profile>,
    /// Score of the latest kill test, where it was assessed.
    pub verdict_score: Option<f64>,
    /// Months after which the idea is looked at again, once the run was killed.
    pub revisit_months: Option<u32>,
    /// Why it stands where it stands, in words for people.
    pub reason: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
}

/// How long a phase took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseTiming {
    /// Phase identifier.
    pub phase: String,
    /// From its start to acceptance.
    pub duration_ms: u64,
}

/// A run was created or has changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Message)]
#[message(name = "tenant.run-changed")]
pub struct RunChanged {
    /// The run.
    pub summary: RunSummary,
    /// The phase that was just accepted.
    pub timing: Option<PhaseTiming>,
}

/// Lists runs, newest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Message)]
#[message(name = "tenant.runs", reply = RunPage)]
pub struct ListRuns {
    /// Only runs with this status. Deleted runs are left out unless asked for.
    pub status: Option<RunStatus>,
    /// Cursor of the page before.
    pub after: Option<String>,
    /// Most runs returned, 1 to 100.
    pub limit: u32,
}

/// A page of runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunPage {
    /// Newest first.
    pub items: Vec<RunSummary>,
    /// Cursor of the next page, if there may be more.
    pub next: Option<String>,
}

/// Parks an idea. A repetition replaces it, unless it was promoted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Message)]
#[message(name = "tenant.park")]
pub struct Park {
    /// The idea.
    pub idea: ParkedIdea,
}

/// Lists parked ideas, newest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Message)]
#[message(name = "tenant.parked", reply = ParkedPage)]
pub struct ListParked {
    /// Only ideas parked by this phase.
    pub source: Option<String>,
    /// Cursor of the page before.
    pub after: Option<String>,
    /// Most ideas returned, 1 to 100.
    pub limit: u32,
}

/// A page of parked ideas.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParkedPage {
    /// Newest first.
    pub items: Vec<ParkedIdea>,
    /// Cursor of the next page, if there may be more.
    pub next: Option<String>,
}

/// Reads one parked idea.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "tenant.parked-idea", reply = ParkedIdea)]
pub struct GetParked {
    /// Id of the parked idea.
    pub id: String,
}

/// Starts a run from a parked idea. An idea is promoted once; the reason it was parked for is kept.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "tenant.promote", reply = Promoted)]
pub struct Promote {
    /// Id of the parked idea.
    pub id: String,
    /// Options of the new run.
    pub config: RunConfig,
    /// Id of the new run, for whoever derives it from an idempotency key: the same request again gets the same answer.
    pub run_id: Option<String>,
}

/// A parked idea became a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promoted {
    /// Id of the parked idea.
    pub parked_idea_id: String,
    /// The run; it answers as soon as the durable message that starts it has arrived.
    pub new_run_id: String,
}

/// Removes a parked idea.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "tenant.delete-parked")]
pub struct DeleteParked {
    /// Id of the parked idea.
    pub id: String,
}

/// Asks what the tenant has that people look after.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "tenant.counts", reply = Counts)]
pub struct GetCounts;

/// What a tenant has that people look after.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Runs that wait for approval.
    pub awaiting: u32,
    /// Parked ideas that were not promoted.
    pub parked: u32,
}

/// Asks how long phases usually take.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "tenant.timings", reply = Vec<PhaseMedian>)]
pub struct Timings;

/// How long a phase usually takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseMedian {
    /// Phase identifier.
    pub phase: String,
    /// Median of the latest samples.
    pub seconds: f64,
    /// Number of samples.
    pub samples: u32,
}
