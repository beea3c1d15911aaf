//! What other runs and later phases remember of a run: the texts of its artifacts in the tenant's index.
//!
//! Texts are sent to the index actor durably, in the turn that accepts an artifact, and in order with what the index is told
//! to forget. Steps wait until the index shows what was sent, because the next phase reads it.

use std::time::Duration;

use cluster::prelude::{Ctx, List, Result};

use super::{
    context::{index_text, live},
    effect::Effect,
    phase::PhaseId,
    plan::Plan,
    record::{ARTIFACTS, Record},
};
use crate::{
    ports::VectorEntry,
    records::{PlanningArtifact, ReviewVerdict, RunStatus},
    run::Run,
    vectors::{self, Forget, GetIndexStatus, IndexedText, Put, VectorIndex},
    workflows::{StepError, WorkError},
};

/// Pause before the index is looked at again; it doubles each time.
const PAUSE: Duration = Duration::from_millis(20);
/// Longest such pause.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// What the index keeps of an artifact: nothing of a kill test that led away from the attempt.
fn text(artifact: &PlanningArtifact) -> Option<IndexedText> {
    let phase = PhaseId::parse(&artifact.phase)?;
    if phase == PhaseId::KillTest && artifact.review_verdict == Some(ReviewVerdict::Pivot) {
        return None;
    }
    let content = serde_json::from_str(&artifact.content).ok()?;
    Some(IndexedText {
        run_id: artifact.run_id.clone(),
        phase: artifact.phase.clone(),
        attempt: artifact.attempt,
        version: artifact.version,
        text: index_text(phase, &content),
    })
}

/// Sends the text of an accepted artifact to the index, in this turn.
pub(super) fn put(artifact: &PlanningArtifact, ctx: &mut Ctx<Run>) -> Result<()> {
    let Some(text) = text(artifact) else { return Ok(()) };
    let index = ctx.get::<VectorIndex>(vectors::NAME);
    ctx.send(&index, Put { text })
}

/// Has the index forget an attempt, or all of the run, in this turn.
pub(crate) fn forget(record: &Record, attempt: Option<u32>, ctx: &mut Ctx<Run>) -> Result<()> {
    let index = ctx.get::<VectorIndex>(vectors::NAME);
    let run_id = record.run.id.clone();
    ctx.send(&index, Forget { run_id, attempt })
}

/// Every text that the index should have of a run.
pub(crate) async fn texts(record: &Record, ctx: &mut Ctx<Run>) -> Result<Vec<IndexedText>> {
    if record.run.status == RunStatus::Deleted {
        return Ok(Vec::new());
    }
    let artifacts = ctx.storage().list(&ARTIFACTS, List::default()).await?;
    let present = artifacts
        .iter()
        .map(|(_, artifact)| artifact)
        .filter(|artifact| artifact.attempt == record.attempt);
    Ok(present.filter_map(text).collect())
}

/// Waits until the index shows the text of an accepted artifact.
pub(super) async fn indexed(plan: &Plan, id: PhaseId, version: u32) -> Result<(), StepError> {
    let is_there = |entries: &[VectorEntry]| {
        let shown = |entry: &VectorEntry| entry.phase == id.as_str() && entry.version >= version;
        entries.iter().any(shown)
    };
    let work = |_| async {
        live(&plan.env, &plan.params, id, "index");
        shows(plan, &is_there).await
    };
    plan.steps
        .run(&plan.step(id, "index"), plan.env.planning.step, work)
        .await
}

/// Removes the texts of the present attempt from the index.
pub(super) async fn forget_attempt(plan: &Plan) -> Result<(), StepError> {
    let step = |name| plan.step(PhaseId::KillTest, name);
    plan.steps
        .record(&step("forget-begin"), &Effect::AttemptForgotten)
        .await?;
    let work = |_| shows(plan, &|entries: &[VectorEntry]| entries.is_empty());
    plan.steps.run(&step("forget"), plan.env.planning.step, work).await
}

/// Looks at the index until it shows what is expected of the present attempt, or says why it cannot.
async fn shows(plan: &Plan, is_expected: &(impl Fn(&[VectorEntry]) -> bool + Sync)) -> Result<(), WorkError> {
    let (params, index) = (&plan.params, plan.steps.others());
    let mut pause = PAUSE;
    loop {
        let listed = plan
            .env
            .vectors
            .listed(params.tenant.clone(), params.run_id.clone(), plan.attempt)
            .await
            .map_err(|error| WorkError::retryable(error.to_string()))?;
        if is_expected(&listed) {
            return Ok(());
        }
        // Should the index not answer, it is looked at again all the same; the time-out of the step bounds that.
        if let Ok(status) = index.clone().ask(GetIndexStatus).await
            && let Some(reason) = status.failure
        {
            return Err(WorkError::retryable(reason));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}
