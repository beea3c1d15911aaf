//! One execution of a run: the phases of each attempt, and what is known of them.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{
    Planning, RunParams,
    context::{self, History},
    draft::Draft,
    effect::{Accepted, Applied, Effect},
    memory, opportunity,
    phase::{self, PhaseId},
    review, store,
    verdict::{self, KillAssessment},
    workflow::MAX_PIVOTS,
};
use crate::{
    env::Env,
    records::{Evidence, KillVerdict, PlanningArtifact, ReviewScore, ReviewVerdict},
    workflows::{StepError, Steps},
};

/// One execution of the workflow. Everything in it follows from the parameters and from the results of steps.
pub(super) struct Plan {
    pub(super) params: Arc<RunParams>,
    pub(super) env: Env,
    pub(super) steps: Steps<Planning>,
    /// Pivots so far.
    pub(super) attempt: u32,
    /// Accepted artifacts of the present attempt.
    pub(super) accepted: BTreeMap<PhaseId, PlanningArtifact>,
    /// Their contents.
    pub(super) contents: BTreeMap<PhaseId, Value>,
    pub(super) refined_idea: Option<String>,
    /// Why earlier attempts were abandoned.
    pub(super) history: Vec<History>,
    pub(super) kill: Option<KillAssessment>,
    versions: BTreeMap<PhaseId, u32>,
}

/// A draft and what its review found.
pub(super) struct Reviewed {
    pub(super) draft: Draft,
    pub(super) verdict: Option<ReviewVerdict>,
    pub(super) iterations: u32,
    pub(super) overall: Option<f64>,
    pub(super) scores: Vec<ReviewScore>,
}

impl Plan {
    pub(super) fn new(params: RunParams, env: Env, steps: Steps<Planning>) -> Self {
        Self {
            params: Arc::new(params),
            env,
            steps,
            attempt: 0,
            accepted: BTreeMap::new(),
            contents: BTreeMap::new(),
            refined_idea: None,
            history: Vec::new(),
            kill: None,
            versions: BTreeMap::new(),
        }
    }

    /// The idea that phases plan for.
    pub(super) fn idea(&self) -> &str {
        self.refined_idea.as_deref().unwrap_or(&self.params.idea)
    }

    /// The name of a step of a phase in the present attempt.
    pub(super) fn step(&self, phase: PhaseId, step: &str) -> String {
        format!("{}/{}/{step}", self.attempt, phase.as_str())
    }

    /// Works through the phases, up to the last one or to a kill test that does not say GO.
    pub(super) async fn attempt(&mut self) -> Result<KillVerdict, StepError> {
        for phase in PhaseId::ALL {
            let verdict = self.phase(phase).await?;
            if verdict != KillVerdict::Go {
                return Ok(verdict);
            }
        }
        Ok(KillVerdict::Go)
    }

    async fn phase(&mut self, id: PhaseId) -> Result<KillVerdict, StepError> {
        let started = Effect::PhaseStarted {
            phase: id.as_str().to_owned(),
        };
        self.steps.record(&self.step(id, "start"), &started).await?;
        let gathered = context::gather(self, id).await?;
        let Reviewed {
            draft,
            verdict,
            iterations,
            overall,
            scores,
        } = review::write(self, id, &gathered).await?;

        let fetched = gathered.sources.urls();
        let content: Value = serde_json::from_str(&draft.content)
            .map_err(|error| StepError::run(format!("the draft of {} cannot be read: {error}", id.as_str())))?;
        let evidence: Vec<Evidence> = phase::evidence(&content, &fetched);
        let kill = (id == PhaseId::KillTest).then(|| verdict::assess(draft.profile, &content));
        let version = self.versions.get(&id).copied().unwrap_or_default() + 1;
        let mut artifact = PlanningArtifact {
            id: store::artifact_id(&self.params, id, version),
            run_id: self.params.run_id.clone(),
            phase: id.as_str().to_owned(),
            version,
            content: draft.content,
            review_verdict: kill.as_ref().map_or(verdict, |kill| Some(gate_verdict(kill.verdict))),
            review_iterations: iterations,
            overall_score: kill.as_ref().map_or(overall, |kill| kill.score),
            created_at: 0,
            attempt: self.attempt,
            schema_version: id.phase().schema_version,
            profile: draft.profile,
            model: draft.model,
            usage: draft.usage,
            scores: kill.as_ref().map_or(scores, gate_scores),
            evidence,
            object_key: String::new(),
            sha256: String::new(),
            duration_ms: 0,
        };
        let stored = store::artifact(self, id, &artifact).await?;
        (artifact.object_key, artifact.sha256) = (stored.key, stored.sha256);
        let verdict = kill.as_ref().map_or(KillVerdict::Go, |kill| kill.verdict);
        if verdict == KillVerdict::Pivot && self.attempt < MAX_PIVOTS {
            // Before the pivot is recorded: whatever ends the run in between, no abandoned attempt is ever found by others.
            memory::forget_attempt(self).await?;
        }
        if id == PhaseId::Opportunity {
            self.refined_idea = Some(opportunity::refined_idea(&content)).filter(|idea| !idea.is_empty());
        }
        let opportunity = (id == PhaseId::Opportunity).then_some(&content);
        let accepted = Accepted {
            artifact: artifact.clone(),
            refined_idea: opportunity.and_then(|_| self.refined_idea.clone()),
            revenue_potential: opportunity.map(opportunity::revenue_potential),
            kill: kill.clone(),
        };
        let accept = Effect::PhaseAccepted(Box::new(accepted));
        if let Applied::Accepted {
            created_at,
            duration_ms,
        } = self.steps.record(&self.step(id, "accept"), &accept).await?
        {
            (artifact.created_at, artifact.duration_ms) = (created_at, duration_ms);
        }
        if verdict != KillVerdict::Pivot {
            memory::indexed(self, id, version).await?;
        }
        self.versions.insert(id, version);
        self.accepted.insert(id, artifact);
        self.contents.insert(id, content);
        if kill.is_some() {
            self.kill = kill;
        }
        Ok(match verdict {
            KillVerdict::Pivot if self.attempt >= MAX_PIVOTS => KillVerdict::PivotExhausted,
            KillVerdict::Go | KillVerdict::Pivot | KillVerdict::Kill | KillVerdict::PivotExhausted => verdict,
        })
    }

    /// Forgets the present attempt but for why it was abandoned.
    pub(super) fn begin_next_attempt(&mut self) {
        let kill = self.kill.take();
        self.history.push(History {
            attempt: self.attempt,
            idea: self.idea().to_owned(),
            reason: kill.as_ref().map(|kill| kill.reason.clone()).unwrap_or_default(),
            brief: kill.and_then(|kill| kill.pivot_brief),
        });
        self.attempt += 1;
        self.accepted.clear();
        self.contents.clear();
        self.refined_idea = None;
    }
}

/// How the kill test decided, in the words of an artifact.
fn gate_verdict(verdict: KillVerdict) -> ReviewVerdict {
    match verdict {
        KillVerdict::Go => ReviewVerdict::Go,
        KillVerdict::Pivot | KillVerdict::PivotExhausted => ReviewVerdict::Pivot,
        KillVerdict::Kill => ReviewVerdict::Kill,
    }
}

/// The scored criteria of the kill test.
fn gate_scores(kill: &KillAssessment) -> Vec<ReviewScore> {
    let scored = kill.criteria.iter().filter_map(|criterion| {
        Some(ReviewScore {
            criterion: criterion.name.clone(),
            score: criterion.score?,
        })
    });
    scored.collect()
}
