//! What is asked of a run.

use cluster::prelude::Message;
use serde::{Deserialize, Serialize};

use super::detail::{PackageKeys, RunDetail};
use crate::records::{Mode, PlanningArtifact, PlanningRun, RunConfig, RunEvent, RunStatus};

/// Shortest idea after trimming, in characters.
pub const IDEA_MIN: usize = 10;
/// Longest idea after trimming, in characters.
pub const IDEA_MAX: usize = 5_000;
/// Longest comment of an approval or a rejection, in characters.
pub const COMMENT_MAX: usize = 2_000;
/// Most events of one page.
pub const EVENTS_MAX: u32 = 200;

/// Creates the run with the name of this actor. The same request again gets the same answer, another one is a conflict: whoever
/// derives the name from an idempotency key may repeat it safely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Message)]
#[message(name = "run.start", reply = Started)]
pub struct StartRun {
    /// The idea, 10 to 5,000 characters after trimming.
    pub idea: String,
    /// Who produces the phases.
    pub mode: Mode,
    /// Options.
    pub config: RunConfig,
    /// The parked idea that it continues.
    pub origin: Option<Origin>,
}

/// The parked idea that a run continues: what was learnt is told to the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Id of the parked idea.
    pub parked_idea_id: String,
    /// Why it was parked.
    pub reason: String,
    /// The idea as refined before it was parked.
    pub refined_idea: Option<String>,
    /// JSON object: phase to the beginning of its artifact.
    pub summary: Option<String>,
}

/// A run exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Id of the run.
    pub id: String,
    /// The idea, trimmed.
    pub idea: String,
    /// Where it stands.
    pub status: RunStatus,
    /// Who produces the phases.
    pub mode: Mode,
    /// Identifier of the workflow instance.
    pub workflow_instance_id: String,
    /// Whether this request created it.
    pub created: bool,
}

/// Reads the columns of the run.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "run.get", reply = PlanningRun)]
pub struct GetRun;

/// Reads all that the page of a run shows.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "run.detail", reply = RunDetail)]
pub struct GetRunDetail;

/// Lists artifacts without their content, in the order of acceptance: of the present attempt, or of all.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "run.artifacts", reply = Vec<PlanningArtifact>)]
pub struct ListArtifacts {
    /// Whether abandoned attempts are listed too.
    pub all_attempts: bool,
}

/// Reads an artifact.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "run.artifact", reply = PlanningArtifact)]
pub struct GetArtifact {
    /// Phase identifier.
    pub phase: String,
    /// A version, or the latest.
    pub version: Option<u32>,
}

/// Reads events in order.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "run.events", reply = Vec<RunEvent>)]
pub struct ListRunEvents {
    /// Sequence number after which to begin; 0 for the first event.
    pub after: u64,
    /// Most events returned, 1 to [`EVENTS_MAX`].
    pub limit: u32,
}

/// Reads where the package is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "run.package", reply = PackageKeys)]
pub struct GetPackage;

/// Stops the run between two steps.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "run.pause", reply = RunState)]
pub struct PauseRun;

/// Lets a paused run go on.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "run.resume", reply = RunState)]
pub struct ResumeRun;

/// Ends the run and aborts the model call it waits for.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "run.cancel", reply = RunState)]
pub struct CancelRun;

/// Removes the run from listings and from the memory of other runs. Its artifacts stay readable by id.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, Message)]
#[message(name = "run.delete", reply = RunState)]
pub struct DeleteRun;

/// Sends the texts of the run to the tenant's index again; its rebuild asks for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Message)]
#[message(name = "run.send-texts")]
pub struct SendTexts {
    /// Number of the rebuild.
    pub rebuild: u64,
}

/// Lets a run that waits for approval make its package.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "run.approve", reply = RunState)]
pub struct ApproveRun {
    /// Why.
    pub comment: Option<String>,
}

/// Ends a run that waits for approval.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "run.reject", reply = RunState)]
pub struct RejectRun {
    /// Why.
    pub comment: Option<String>,
}

/// Where a run stands after a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunState {
    /// Id of the run.
    pub id: String,
    /// Its status.
    pub status: RunStatus,
}
