//! From the domain's values to the views of the UI plane: field by field, without a decision but what a word is for.

use std::collections::BTreeMap;

use actors::{
    ports::Profile,
    records::{
        KillVerdict, ParkedIdea, PlanningArtifact, PlanningRun, RevenuePotential, RunEvent, RunEventKind, RunStatus,
    },
    run::{EarlierAttempt, PhaseProgress, PhaseStatus, RunDetail},
    tenant::{PhaseMedian, RunSummary as ListedRun},
    workflows::planning::{document, phase::PhaseId, verdict},
};
use serde_json::Value;

use super::shell::sentence;
use crate::planes::{
    events::Live,
    ui::{
        ApprovalView, ArtifactView, AttemptView, Block, ChapterView, CriterionView, EventKind, EventView, EvidenceView,
        NowView, ParkedIdeaView, PhaseView, RunState, RunSummary, RunView, StepName, StoneState, VerdictKind,
        VerdictView, VersionView,
    },
};

/// Risks beside a decision.
const RISKS_SHOWN: usize = 4;

/// Fewest samples from which a time is estimated.
const SAMPLES_MIN: u32 = 1;

/// A run in a list.
pub(super) fn listed(item: &ListedRun, timings: &[PhaseMedian], live: Option<&Live>, is_embedded: bool) -> RunSummary {
    let is_embedded = of_profile(item.profile, is_embedded);
    let rest = PhaseId::ALL
        .iter()
        .skip(item.phases_done as usize)
        .map(|id| id.as_str());
    let eta_ms = estimate_of(rest, timings);
    let mut summary = columns(&item.run, is_embedded);
    if let Some(live) = live.filter(|live| summary.state == RunState::Running && live.queue > 0) {
        summary.state = RunState::Queued { ahead: live.queue };
    }
    RunSummary {
        reason: match item.run.status {
            RunStatus::Failed => item.reason.as_deref().map(sentence),
            RunStatus::Running
            | RunStatus::AwaitingApproval
            | RunStatus::Paused
            | RunStatus::Completed
            | RunStatus::Killed
            | RunStatus::Cancelled
            | RunStatus::Deleted => item.reason.clone(),
        },
        verdict_score: item.verdict_score,
        revisit_months: item.revisit_months,
        eta_ms,
        ..summary
    }
}

/// Whether the built-in model drafts a run: as its latest phase says, or, before the first one, the model of the server.
fn of_profile(profile: Option<Profile>, is_embedded: bool) -> bool {
    profile.map_or(is_embedded, |profile| profile == Profile::Embedded)
}

/// The head of a run's own pages.
pub(super) fn summary(detail: &RunDetail, timings: &[PhaseMedian], is_embedded: bool) -> RunSummary {
    let is_embedded = of_profile(detail.profile, is_embedded);
    let kill = detail.kill.as_ref();
    let comment = detail.approval.as_ref().and_then(|approval| approval.comment.clone());
    let reason = match detail.run.status {
        RunStatus::Failed => detail.error.as_deref().map(sentence),
        RunStatus::Killed => kill.map(|kill| kill.reason.clone()),
        RunStatus::Cancelled => comment,
        RunStatus::Running
        | RunStatus::AwaitingApproval
        | RunStatus::Paused
        | RunStatus::Completed
        | RunStatus::Deleted => None,
    };
    RunSummary {
        reason,
        verdict_score: kill.filter(|kill| kill.assessed).and_then(|kill| kill.score),
        revisit_months: detail.revisit_months,
        eta_ms: rest(detail, timings),
        ..columns(&detail.run, is_embedded)
    }
}

fn columns(run: &PlanningRun, embedded: bool) -> RunSummary {
    RunSummary {
        id: run.id.clone(),
        idea: run.idea.clone(),
        refined_idea: run.refined_idea.clone(),
        state: state(run),
        phase: run.current_phase.clone(),
        pivots: run.pivot_count,
        quality: run.quality_score,
        verdict: run.kill_verdict.map(verdict_kind),
        verdict_score: None,
        reason: None,
        eta_ms: None,
        revisit_months: None,
        created_at: run.created_at,
        updated_at: run.updated_at,
        embedded,
    }
}

fn state(run: &PlanningRun) -> RunState {
    match run.status {
        RunStatus::Running => RunState::Running,
        RunStatus::AwaitingApproval => RunState::AwaitingApproval,
        RunStatus::Paused => RunState::Paused,
        RunStatus::Completed => RunState::Completed,
        RunStatus::Killed if run.kill_verdict == Some(KillVerdict::PivotExhausted) => RunState::PivotsUsedUp,
        RunStatus::Killed => RunState::Killed,
        RunStatus::Failed => RunState::Failed,
        RunStatus::Cancelled | RunStatus::Deleted => RunState::Cancelled,
    }
}

fn verdict_kind(verdict: KillVerdict) -> VerdictKind {
    match verdict {
        KillVerdict::Go => VerdictKind::Go,
        KillVerdict::Pivot => VerdictKind::Pivot,
        KillVerdict::Kill => VerdictKind::Kill,
        KillVerdict::PivotExhausted => VerdictKind::PivotExhausted,
    }
}

/// The median of a phase, in milliseconds.
fn median(phase: &str, timings: &[PhaseMedian]) -> Option<u64> {
    let median = timings
        .iter()
        .find(|median| median.phase == phase && median.samples >= SAMPLES_MIN)?;
    let millis = median.seconds * 1000.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a sane, positive number"
    )]
    (millis.is_finite() && (0.0..1e12).contains(&millis)).then_some(millis as u64)
}

/// What is known of a run besides its own detail.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) timings: &'a [PhaseMedian],
    pub(super) live: Option<Live>,
    pub(super) is_embedded: bool,
    /// Name of the server's model, for a run that has not used one yet.
    pub(super) model: &'a str,
    /// Phases that look for sources.
    pub(super) searches: Vec<&'static str>,
    /// Risks of the plan, where it waits for a decision.
    pub(super) risks: Vec<String>,
}

/// Fewest phases of a run from which its further ones are estimated, where no earlier run tells.
const OWN_SAMPLES_MIN: usize = 2;

/// How long a phase of this run takes: the median of earlier ones, else the mean of its own phases so far.
fn estimate(phase: &str, detail: &RunDetail, timings: &[PhaseMedian]) -> Option<u64> {
    median(phase, timings).or_else(|| {
        let took = |phase: &PhaseProgress| u64::try_from(phase.finished_at_ms? - phase.started_at_ms?).ok();
        let own: Vec<u64> = detail.phases.iter().filter_map(took).collect();
        (own.len() >= OWN_SAMPLES_MIN).then(|| own.iter().sum::<u64>() / own.len() as u64)
    })
}

fn estimate_of<'a>(mut phases: impl Iterator<Item = &'a str>, timings: &[PhaseMedian]) -> Option<u64> {
    phases.try_fold(0_u64, |sum, phase| Some(sum + median(phase, timings)?))
}

/// How long the rest of a run takes: the medians of what is not accepted, less what the present phase has taken.
fn rest(detail: &RunDetail, timings: &[PhaseMedian]) -> Option<u64> {
    let open = detail
        .phases
        .iter()
        .filter(|phase| phase.status != PhaseStatus::Completed);
    let sum = open
        .map(|phase| estimate(&phase.phase, detail, timings))
        .try_fold(0_u64, |sum, estimate| Some(sum + estimate?))?;
    let spent = detail
        .phases
        .iter()
        .filter(|phase| phase.status == PhaseStatus::InProgress)
        .filter_map(|phase| u64::try_from(detail.now_ms - phase.started_at_ms?).ok())
        .sum();
    Some(sum.saturating_sub(spent))
}

/// Everything on the page of a run.
pub(super) fn run(detail: &RunDetail, context: Context<'_>, events: Vec<RunEvent>) -> RunView {
    let timings = context.timings;
    let is_known = |phase: &PhaseProgress| median(&phase.phase, timings).is_some();
    RunView {
        summary: summary(detail, timings, context.is_embedded),
        require_review: detail.config.require_review,
        require_approval: detail.config.require_approval,
        phases: detail
            .phases
            .iter()
            .map(|phase| self::phase(phase, detail, timings))
            .collect(),
        eta_basis: if detail.phases.iter().all(is_known) {
            "from the phases of earlier runs".to_owned()
        } else {
            "from the phases so far".to_owned()
        },
        now: now(detail, &context),
        approval: approval(detail, context.risks),
        verdict: detail.kill.as_ref().map(self::verdict),
        attempts: detail
            .earlier
            .iter()
            .map(|attempt| self::attempt(attempt, detail, timings))
            .collect(),
        events: events.into_iter().map(event).collect(),
        last_event: detail.last_event,
        revenue_potential: detail.run.revenue_potential.and_then(revenue),
        parked: detail.run.status == RunStatus::Killed,
    }
}

fn phase(progress: &PhaseProgress, detail: &RunDetail, timings: &[PhaseMedian]) -> PhaseView {
    let is_gate = progress.phase == PhaseId::KillTest.as_str();
    let kill = detail
        .kill
        .as_ref()
        .filter(|_| is_gate && progress.status == PhaseStatus::Completed);
    let duration = match (progress.started_at_ms, progress.finished_at_ms) {
        (Some(start), Some(end)) => u64::try_from(end - start).ok(),
        (None | Some(_), None) | (None, Some(_)) => None,
    };
    PhaseView {
        state: stone(progress, detail),
        duration_ms: duration,
        started_at: progress.started_at_ms.map(|ms| ms.div_euclid(1000)),
        estimate_ms: estimate(&progress.phase, detail, timings).filter(|_| !detail.run.status.is_final()),
        score: progress.overall_score,
        verdict: kill.map(|kill| verdict_kind(kill.verdict)),
        drafts: progress.drafts,
        version: progress.version,
    }
}

fn stone(progress: &PhaseProgress, detail: &RunDetail) -> StoneState {
    let is_stopped_here = detail.run.status == RunStatus::Killed && progress.phase == PhaseId::KillTest.as_str();
    match (progress.status, detail.run.status) {
        (PhaseStatus::Completed, _) if is_stopped_here => StoneState::Stopped,
        (PhaseStatus::Completed, _) => StoneState::Done,
        (PhaseStatus::Pending, _) => StoneState::Todo,
        (PhaseStatus::Failed, _) => StoneState::Stopped,
        (PhaseStatus::InProgress, RunStatus::Running) => StoneState::Running,
        (PhaseStatus::InProgress, RunStatus::AwaitingApproval) => StoneState::Waiting,
        (PhaseStatus::InProgress, RunStatus::Paused) => StoneState::Paused,
        (
            PhaseStatus::InProgress,
            RunStatus::Completed | RunStatus::Killed | RunStatus::Failed | RunStatus::Cancelled | RunStatus::Deleted,
        ) => StoneState::Stopped,
    }
}

fn attempt(attempt: &EarlierAttempt, detail: &RunDetail, timings: &[PhaseMedian]) -> AttemptView {
    let phases = attempt.phases.iter().map(|progress| {
        let is_gate = progress.phase == PhaseId::KillTest.as_str() && progress.status == PhaseStatus::Completed;
        let state = match progress.status {
            PhaseStatus::Completed if is_gate => StoneState::Pivoted,
            PhaseStatus::Completed => StoneState::Done,
            PhaseStatus::Pending => StoneState::Todo,
            PhaseStatus::InProgress | PhaseStatus::Failed => StoneState::Stopped,
        };
        PhaseView {
            state,
            verdict: is_gate.then_some(VerdictKind::Pivot),
            ..phase(progress, detail, timings)
        }
    });
    AttemptView {
        number: attempt.attempt + 1,
        reason: attempt.reason.clone(),
        phases: phases.collect(),
    }
}

fn now(detail: &RunDetail, context: &Context<'_>) -> Option<NowView> {
    if detail.run.status != RunStatus::Running {
        return None;
    }
    let progress = detail
        .phases
        .iter()
        .find(|phase| phase.status == PhaseStatus::InProgress)?;
    let live = context.live.as_ref().filter(|live| live.phase == progress.phase);
    // Between two steps, and while a draft is checked, the live updates know more than the stored steps.
    let told = live.and_then(|live| StepName::parse(live.step.as_deref()?));
    // The built-in model cannot review, and the kill test is judged by its own scores.
    let is_embedded = of_profile(detail.profile, context.is_embedded);
    let reviews = detail.config.require_review && !is_embedded && progress.phase != PhaseId::KillTest.as_str();
    let last = if reviews { StepName::Review } else { StepName::Schema };
    let step = match detail.current_step.as_deref() {
        Some("store" | "index") => last,
        Some("tiebreak") => StepName::Review,
        Some("draft") if told == Some(StepName::Schema) => StepName::Schema,
        Some(step) => StepName::parse(step).unwrap_or(StepName::Context),
        None if detail.drafts > 0 => last,
        None => told.unwrap_or(StepName::Context),
    };
    Some(NowView {
        phase: progress.phase.clone(),
        started_at: progress.started_at_ms.unwrap_or(detail.now_ms).div_euclid(1000),
        step,
        reviews,
        searches: context.searches.contains(&progress.phase.as_str()),
        details: details(detail, live),
        queue: live.map(|live| live.queue).filter(|ahead| *ahead > 0),
        draft: detail.drafts.max(1),
        model: detail.model.clone().unwrap_or_else(|| context.model.to_owned()),
    })
}

/// A few words about each step of the phase being worked on.
fn details(detail: &RunDetail, live: Option<&Live>) -> [String; 5] {
    let mut details: [String; 5] = Default::default();
    let Some(gathered) = detail.gathered else {
        return details;
    };
    details[0] = match (gathered.phases, gathered.passages) {
        (0, 0) => "the idea".to_owned(),
        (phases, 0) => count(phases, "phase"),
        (0, passages) => count(passages, "passage"),
        (phases, passages) => format!("{}, {}", count(phases, "phase"), count(passages, "passage")),
    };
    details[1] = gathered.pages.map(|pages| count(pages, "page")).unwrap_or_default();
    let words = live.map_or(0, |live| live.draft.split_whitespace().count());
    if words > 0 {
        details[2] = count(u32::try_from(words).unwrap_or(u32::MAX), "word");
    }
    details
}

fn count(number: u32, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

fn approval(detail: &RunDetail, mut risks: Vec<String>) -> Option<ApprovalView> {
    risks.truncate(RISKS_SHOWN);
    (detail.run.status == RunStatus::AwaitingApproval).then(|| ApprovalView {
        waiting_since: detail.run.updated_at,
        consequence: "All 15 phases are done. Approving makes the package.".to_owned(),
        risks,
    })
}

fn verdict(kill: &verdict::KillAssessment) -> VerdictView {
    let is_final = matches!(kill.verdict, KillVerdict::Kill | KillVerdict::PivotExhausted);
    VerdictView {
        kind: verdict_kind(kill.verdict),
        assessed: kill.assessed,
        score: kill.score,
        criteria: kill
            .criteria
            .iter()
            .map(|criterion| CriterionView {
                name: criterion.name.clone(),
                score: criterion.score,
                why: criterion.why.clone(),
            })
            .collect(),
        reason: kill.reason.clone(),
        pivot_brief: kill.pivot_brief.clone(),
        revisit_months: is_final.then_some(kill.revisit_months),
        revisit_note: is_final.then(|| kill.revisit_note.clone()),
    }
}

fn revenue(potential: RevenuePotential) -> Option<String> {
    let word = match potential {
        RevenuePotential::VeryHigh => "Very high",
        RevenuePotential::High => "High",
        RevenuePotential::Medium => "Medium",
        RevenuePotential::Low => "Low",
        RevenuePotential::NotAssessed => return None,
    };
    Some(word.to_owned())
}

fn event(event: RunEvent) -> EventView {
    let kind = match event.kind {
        RunEventKind::RunStarted => EventKind::RunStarted,
        RunEventKind::PhaseStarted => EventKind::PhaseStarted,
        RunEventKind::PhaseCompleted => EventKind::PhaseCompleted,
        RunEventKind::PivotTriggered => EventKind::PivotTriggered,
        RunEventKind::ApprovalRequested => EventKind::ApprovalRequested,
        RunEventKind::RunApproved => EventKind::RunApproved,
        RunEventKind::RunRejected => EventKind::RunRejected,
        RunEventKind::RunKilled => EventKind::RunKilled,
        RunEventKind::RunCompleted => EventKind::RunCompleted,
        RunEventKind::RunFailed => EventKind::RunFailed,
        RunEventKind::RunCancelled => EventKind::RunCancelled,
        RunEventKind::RunPaused => EventKind::RunPaused,
        RunEventKind::RunResumed => EventKind::RunResumed,
        RunEventKind::IdeaParked => EventKind::IdeaParked,
        RunEventKind::IdeaPromoted => EventKind::IdeaPromoted,
    };
    EventView {
        seq: event.seq,
        kind,
        phase: event.phase,
        verdict: event.verdict,
        score: event.score,
        pivot_count: event.pivot_count,
        reason: event.reason,
        timestamp: event.timestamp,
    }
}

/// One artifact as a chapter with what is known of it.
pub(super) fn artifact(
    run: RunSummary,
    detail: &RunDetail,
    artifact: &PlanningArtifact,
    all: &[PlanningArtifact],
    phase: PhaseId,
    content: &Value,
) -> ArtifactView {
    let mut versions: BTreeMap<u32, VersionView> = BTreeMap::new();
    for other in all.iter().filter(|other| other.phase == artifact.phase) {
        versions.insert(
            other.version,
            VersionView {
                version: other.version,
                attempt: other.attempt,
                score: other.overall_score,
                created_at: other.created_at,
            },
        );
    }
    let is_gate = phase == PhaseId::KillTest;
    let kill = is_gate.then(|| verdict::assess(artifact.profile, content));
    let review = artifact.review_verdict.filter(|_| !is_gate);
    ArtifactView {
        run,
        phase: artifact.phase.clone(),
        purpose: phase.phase().purpose.to_owned(),
        version: artifact.version,
        blocks: blocks(phase, content),
        review: review.and_then(|review| serde_json::to_value(review).ok()?.as_str().map(str::to_owned)),
        reviews: artifact.review_iterations,
        score: artifact.overall_score,
        scores: artifact
            .scores
            .iter()
            .map(|score| (score.criterion.clone(), score.score))
            .collect(),
        verdict: kill.as_ref().map(self::verdict),
        evidence: evidence(artifact),
        versions: versions.into_values().rev().collect(),
        readable: detail
            .phases
            .iter()
            .filter(|phase| phase.version.is_some())
            .map(|phase| phase.phase.clone())
            .collect(),
        model: artifact.model.clone(),
        tokens: artifact.usage.input_tokens + artifact.usage.output_tokens,
        duration_ms: artifact.duration_ms,
        created_at: artifact.created_at,
        sha256: artifact.sha256.clone(),
    }
}

/// One phase of the plan.
pub(super) fn chapter(artifact: &PlanningArtifact, phase: PhaseId, content: &Value) -> ChapterView {
    ChapterView {
        phase: artifact.phase.clone(),
        title: phase.phase().title.to_owned(),
        score: artifact.overall_score,
        blocks: blocks(phase, content),
        evidence: evidence(artifact),
    }
}

fn evidence(artifact: &PlanningArtifact) -> Vec<EvidenceView> {
    let view = |evidence: &actors::records::Evidence| EvidenceView {
        claim: evidence.claim.clone(),
        sources: evidence.sources.clone(),
    };
    artifact.evidence.iter().map(view).collect()
}

fn blocks(phase: PhaseId, content: &Value) -> Vec<Block> {
    (phase.phase().document)(content).into_iter().map(block).collect()
}

fn block(block: document::Block) -> Block {
    match block {
        document::Block::Heading(level, text) => Block::Heading(level, text),
        document::Block::Paragraph(text) => Block::Paragraph(text),
        document::Block::List(items) => Block::List(items),
        document::Block::Numbered(items) => Block::Numbered(items),
        document::Block::Table { head, rows } => Block::Table { head, rows },
        document::Block::Facts(facts) => Block::Facts(facts),
        document::Block::Quote(text) => Block::Quote(text),
        document::Block::Code(text) => Block::Code(text),
        document::Block::Note(text) => Block::Note(text),
    }
}

/// A parked idea.
pub(super) fn parked(idea: ParkedIdea) -> ParkedIdeaView {
    ParkedIdeaView {
        id: idea.id,
        idea: idea.idea,
        refined_idea: idea.refined_idea,
        run_id: idea.run_id,
        source_phase: idea.source_phase,
        reason: idea.reason,
        revisit_months: idea.revisit_estimate_months,
        revisit_note: idea.revisit_estimate_note,
        created_at: idea.created_at,
        promoted_run_id: idea.promoted_run_id,
    }
}
