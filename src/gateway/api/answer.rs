//! The shapes of the planning API's answers, field names as the seed has them.

use actors::{
    ports::{Profile, Usage},
    records::{
        Evidence, KillVerdict, Mode, ParkedIdea, PlanningArtifact, PlanningRun, RevenuePotential, ReviewScore,
        ReviewVerdict, RunConfig, RunStatus,
    },
    run::{PhaseStatus, RunState},
};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::gateway::words::{
    KillVerdictWord, ModeWord, PhaseStatusWord, ProfileWord, RevenuePotentialWord, ReviewVerdictWord, RunStatusWord,
};

/// A run was created, or existed already.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Created {
    #[schema(example = "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b90")]
    pub(super) id: String,
    #[schema(example = "A shared tool library for apartment houses")]
    pub(super) idea: String,
    #[schema(value_type = RunStatusWord)]
    pub(super) status: RunStatus,
    #[schema(value_type = ModeWord)]
    pub(super) mode: Mode,
    #[schema(example = "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b90")]
    pub(super) workflow_instance_id: String,
    /// What happened, for people.
    #[schema(example = "the run was created")]
    pub(super) message: &'static str,
}

/// Where a run stands after it was told something.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StateBody {
    #[schema(example = "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b90")]
    id: String,
    #[schema(value_type = RunStatusWord)]
    status: RunStatus,
}

impl From<RunState> for StateBody {
    fn from(state: RunState) -> Self {
        Self {
            id: state.id,
            status: state.status,
        }
    }
}

/// What a person decided.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DecisionBody {
    #[schema(example = "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b90")]
    pub(super) id: String,
    #[schema(value_type = RunStatusWord)]
    pub(super) status: RunStatus,
    /// What happened, for people.
    #[schema(example = "the run was approved")]
    pub(super) message: &'static str,
}

/// A run is gone.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeletedBody {
    #[schema(example = "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b90")]
    pub(super) id: String,
    #[schema(example = true)]
    pub(super) deleted: bool,
}

/// A parked idea became a run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PromotedBody {
    #[schema(example = true)]
    pub(super) promoted: bool,
    #[schema(example = "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b91")]
    pub(super) parked_idea_id: String,
    #[schema(example = "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b90")]
    pub(super) new_run_id: String,
    #[schema(example = "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b90")]
    pub(super) workflow_instance_id: String,
}

/// What a run was asked to do.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConfigBody {
    /// Review each artifact and revise it up to three times.
    require_review: bool,
    /// Wait for a person after a GO, before the package is made.
    require_approval: bool,
}

/// A run in a list or alone. Times are Unix seconds.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunBody {
    #[schema(example = "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b90")]
    id: String,
    /// The idea as it was given.
    #[schema(example = "A shared tool library for apartment houses")]
    idea: String,
    /// The idea as the opportunity phase refined it.
    refined_idea: Option<String>,
    #[schema(value_type = RunStatusWord)]
    status: RunStatus,
    /// The phase being worked on, or the last one.
    #[schema(example = "opportunity")]
    current_phase: Option<String>,
    #[schema(value_type = ModeWord)]
    mode: Mode,
    /// Mean of the phases' overall scores, 0 to 10; empty where nothing was assessed.
    quality_score: Option<f64>,
    #[schema(value_type = Option<RevenuePotentialWord>)]
    revenue_potential: Option<RevenuePotential>,
    #[schema(example = "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b90")]
    workflow_instance_id: String,
    #[schema(value_type = Option<KillVerdictWord>)]
    kill_verdict: Option<KillVerdict>,
    /// Pivots so far, 0 to 3.
    pivot_count: u32,
    /// Key of the package in the object store.
    package_key: Option<String>,
    #[schema(example = 1_790_000_000)]
    created_at: i64,
    #[schema(example = 1_790_000_000)]
    updated_at: i64,
    config: ConfigBody,
    /// Why it failed.
    error: Option<String>,
}

impl RunBody {
    pub(super) fn new(run: PlanningRun, config: RunConfig, error: Option<String>) -> Self {
        Self {
            id: run.id,
            idea: run.idea,
            refined_idea: run.refined_idea,
            status: run.status,
            current_phase: run.current_phase,
            mode: run.mode,
            quality_score: run.quality_score,
            revenue_potential: run.revenue_potential,
            workflow_instance_id: run.workflow_instance_id,
            kill_verdict: run.kill_verdict,
            pivot_count: run.pivot_count,
            package_key: run.package_key,
            created_at: run.created_at,
            updated_at: run.updated_at,
            config: ConfigBody {
                require_review: config.require_review,
                require_approval: config.require_approval,
            },
            error,
        }
    }
}

/// The phases of a run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Phases {
    #[serde(rename = "runId")]
    pub(super) run_id: String,
    pub(super) current_phase: Option<String>,
    #[schema(value_type = RunStatusWord)]
    pub(super) run_status: RunStatus,
    pub(super) phases: Vec<PhaseBody>,
}

/// One phase of a run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PhaseBody {
    #[schema(example = "opportunity")]
    pub(super) phase: String,
    #[schema(value_type = PhaseStatusWord)]
    pub(super) status: PhaseStatus,
    /// The version of its artifact.
    pub(super) version: Option<u32>,
    #[schema(value_type = Option<ReviewVerdictWord>)]
    pub(super) review_verdict: Option<ReviewVerdict>,
    pub(super) overall_score: Option<f64>,
    pub(super) created_at: Option<i64>,
}

/// The score of one criterion.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ScoreBody<'a> {
    #[schema(example = "completeness")]
    criterion: &'a str,
    /// 0 to 10.
    score: f64,
}

impl<'a> From<&'a ReviewScore> for ScoreBody<'a> {
    fn from(score: &'a ReviewScore) -> Self {
        Self {
            criterion: &score.criterion,
            score: score.score,
        }
    }
}

/// A claim and what supports it. No sources means that it is assumed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EvidenceBody<'a> {
    claim: &'a str,
    /// Addresses of fetched pages.
    sources: &'a [String],
}

impl<'a> From<&'a Evidence> for EvidenceBody<'a> {
    fn from(evidence: &'a Evidence) -> Self {
        Self {
            claim: &evidence.claim,
            sources: &evidence.sources,
        }
    }
}

/// Tokens that were read and written.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageBody {
    input_tokens: u64,
    output_tokens: u64,
}

impl From<Usage> for UsageBody {
    fn from(usage: Usage) -> Self {
        Self {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
        }
    }
}

/// An artifact with its content as JSON, or without it in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ArtifactBody<'a> {
    #[schema(example = "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b92")]
    id: &'a str,
    #[schema(example = "01985f3e-7c1a-7b22-9d53-0f6a4c1e2b90")]
    run_id: &'a str,
    #[schema(example = "opportunity")]
    phase: &'a str,
    #[schema(minimum = 1)]
    version: u32,
    /// Pivots before it.
    attempt: u32,
    /// What the phase's schema describes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    content: Option<&'a RawValue>,
    #[schema(value_type = Option<ReviewVerdictWord>)]
    review_verdict: Option<ReviewVerdict>,
    review_iterations: u32,
    /// Mean of the review scores, 0 to 10; empty where nothing was assessed.
    overall_score: Option<f64>,
    scores: Vec<ScoreBody<'a>>,
    evidence: Vec<EvidenceBody<'a>>,
    /// Version of the phase's schema.
    schema_version: u32,
    #[schema(value_type = ProfileWord)]
    profile: Profile,
    /// The model that wrote it.
    model: &'a str,
    usage: UsageBody,
    /// Key of the stored copy in the object store.
    object_key: &'a str,
    /// Of the stored copy.
    sha256: &'a str,
    duration_ms: u64,
    /// Unix seconds.
    #[schema(example = 1_790_000_000)]
    created_at: i64,
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
            scores: artifact.scores.iter().map(ScoreBody::from).collect(),
            evidence: artifact.evidence.iter().map(EvidenceBody::from).collect(),
            schema_version: artifact.schema_version,
            profile: artifact.profile,
            model: &artifact.model,
            usage: UsageBody::from(artifact.usage),
            object_key: &artifact.object_key,
            sha256: &artifact.sha256,
            duration_ms: artifact.duration_ms,
            created_at: artifact.created_at,
        }
    }
}

/// What the index found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ContextBody {
    #[serde(rename = "runId")]
    pub(super) run_id: String,
    pub(super) idea: String,
    #[serde(rename = "refinedIdea")]
    pub(super) refined_idea: Option<String>,
    pub(super) results: Vec<ContextResult>,
}

/// One artifact that the index found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ContextResult {
    #[schema(example = "opportunity")]
    pub(super) phase: String,
    pub(super) content: String,
    /// Nearness, at most 1.
    pub(super) score: f32,
}

/// A parked idea in a list, without the summary of its artifacts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ParkedBody {
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
