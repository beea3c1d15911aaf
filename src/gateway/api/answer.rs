//! The shapes of the planning API's answers, field names as the seed has them.

use actors::{
    ports::{Profile, Usage},
    records::{
        Evidence, Mode, ParkedIdea, PlanningArtifact, PlanningRun, ReviewScore, ReviewVerdict, RunConfig, RunStatus,
    },
    run::PhaseStatus,
};
use serde::Serialize;
use serde_json::value::RawValue;

/// A run was created, or existed already.
#[derive(Debug, Serialize)]
pub(super) struct Created<'a> {
    pub(super) id: &'a str,
    pub(super) idea: &'a str,
    pub(super) status: RunStatus,
    pub(super) mode: Mode,
    pub(super) workflow_instance_id: &'a str,
    pub(super) message: &'static str,
}

/// A run in a list or alone: its columns and why it failed.
#[derive(Debug, Serialize)]
pub(super) struct RunBody {
    #[serde(flatten)]
    pub(super) run: PlanningRun,
    pub(super) config: RunConfig,
    pub(super) error: Option<String>,
}

/// The phases of a run.
#[derive(Debug, Serialize)]
pub(super) struct Phases {
    #[serde(rename = "runId")]
    pub(super) run_id: String,
    pub(super) current_phase: Option<String>,
    pub(super) run_status: RunStatus,
    pub(super) phases: Vec<PhaseBody>,
}

/// One phase of a run.
#[derive(Debug, Serialize)]
pub(super) struct PhaseBody {
    pub(super) phase: String,
    pub(super) status: PhaseStatus,
    pub(super) version: Option<u32>,
    pub(super) review_verdict: Option<ReviewVerdict>,
    pub(super) overall_score: Option<f64>,
    pub(super) created_at: Option<i64>,
}

/// An artifact with its content as JSON, or without it in a list.
#[derive(Debug, Serialize)]
pub(super) struct ArtifactBody<'a> {
    pub(super) id: &'a str,
    pub(super) run_id: &'a str,
    pub(super) phase: &'a str,
    pub(super) version: u32,
    pub(super) attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<&'a RawValue>,
    pub(super) review_verdict: Option<ReviewVerdict>,
    pub(super) review_iterations: u32,
    pub(super) overall_score: Option<f64>,
    pub(super) scores: &'a [ReviewScore],
    pub(super) evidence: &'a [Evidence],
    pub(super) schema_version: u32,
    pub(super) profile: Profile,
    pub(super) model: &'a str,
    pub(super) usage: Usage,
    pub(super) object_key: &'a str,
    pub(super) sha256: &'a str,
    pub(super) duration_ms: u64,
    pub(super) created_at: i64,
}

impl<'a> ArtifactBody<'a> {
    pub(super) fn new(artifact: &'a PlanningArtifact, content: Option<&'a RawValue>) -> Self {
        Self {
            id: &artifact.id,
            run_id: &artifact.run_id,
            phase: &artifact.phase,
            version: artifact.version,
            attempt: artifact.attempt,
            content,
            review_verdict: artifact.review_verdict,
            review_iterations: artifact.review_iterations,
            overall_score: artifact.overall_score,
            scores: &artifact.scores,
            evidence: &artifact.evidence,
            schema_version: artifact.schema_version,
            profile: artifact.profile,
            model: &artifact.model,
            usage: artifact.usage,
            object_key: &artifact.object_key,
            sha256: &artifact.sha256,
            duration_ms: artifact.duration_ms,
            created_at: artifact.created_at,
        }
    }
}

/// What the index found.
#[derive(Debug, Serialize)]
pub(super) struct ContextBody {
    #[serde(rename = "runId")]
    pub(super) run_id: String,
    pub(super) idea: String,
    #[serde(rename = "refinedIdea")]
    pub(super) refined_idea: Option<String>,
    pub(super) results: Vec<ContextResult>,
}

/// One artifact that the index found.
#[derive(Debug, Serialize)]
pub(super) struct ContextResult {
    pub(super) phase: String,
    pub(super) content: String,
    pub(super) score: f32,
}

/// A parked idea in a list, without the summary of its artifacts.
#[derive(Debug, Serialize)]
pub(super) struct ParkedBody {
    pub(super) id: String,
    pub(super) idea: String,
    pub(super) refined_idea: Option<String>,
    pub(super) run_id: Option<String>,
    pub(super) source_phase: String,
    pub(super) reason: String,
    pub(super) revisit_estimate_months: Option<u32>,
    pub(super) revisit_estimate_note: Option<String>,
    pub(super) created_at: i64,
    pub(super) promoted_run_id: Option<String>,
}

impl From<ParkedIdea> for ParkedBody {
    fn from(idea: ParkedIdea) -> Self {
        Self {
            id: idea.id,
            idea: idea.idea,
            refined_idea: idea.refined_idea,
            run_id: idea.run_id,
            source_phase: idea.source_phase,
            reason: idea.reason,
            revisit_estimate_months: idea.revisit_estimate_months,
            revisit_estimate_note: idea.revisit_estimate_note,
            created_at: idea.created_at,
            promoted_run_id: idea.promoted_run_id,
        }
    }
}
