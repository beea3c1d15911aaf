//! What a phase is told: what was decided before, what is related, what was found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    RunParams, document,
    evidence::{self, Sources},
    phase::PhaseId,
    plan::Plan,
    prompt::{Section, list},
    record::cut,
};
use crate::{
    ports::{LiveUpdate, VectorMatch, VectorQuery, VectorScope},
    workflows::{StepError, WorkError},
};

/// Characters of one related artifact in a prompt.
const MATCH_CHARS: usize = 500;
/// Characters of the text that is embedded for a phase.
const INDEXED_CHARS: usize = 8_000;

/// An abandoned attempt, as later attempts are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct History {
    pub(super) attempt: u32,
    pub(super) idea: String,
    pub(super) reason: String,
    pub(super) brief: Option<String>,
}

/// What was looked up for a phase.
#[derive(Debug, Clone, Default)]
pub(super) struct Gathered {
    pub(super) matches: Vec<Related>,
    pub(super) sources: Sources,
}

impl Gathered {
    /// The nearest artifact of the attempt itself that is of none of these phases.
    pub(super) fn nearest(&self, known: &[PhaseId]) -> Option<Section> {
        let is_known = |name: &str| known.iter().any(|id| id.as_str() == name);
        let related = self.matches.iter().find(|found| found.own && !is_known(&found.phase))?;
        Some(Section::new("Related parts of this plan", related.text.as_str()))
    }
}

/// A related artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Related {
    phase: String,
    /// Whether it belongs to the attempt itself.
    own: bool,
    text: String,
}

/// How many passages the stored output of the step `context` holds.
pub(crate) fn passages(output: &str) -> u32 {
    serde_json::from_str::<Vec<Related>>(output).map_or(0, |related| related.len() as u32)
}

impl Related {
    fn new(found: VectorMatch, own: bool) -> Self {
        Self {
            phase: found.phase,
            own,
            text: cut(&found.text, MATCH_CHARS),
        }
    }
}

/// Looks up related artifacts and sources.
pub(super) async fn gather(plan: &Plan, id: PhaseId) -> Result<Gathered, StepError> {
    let matches = related(plan, id).await?;
    let sources = evidence::sources(plan, id).await?;
    Ok(Gathered { matches, sources })
}

/// Related artifacts of the attempt and of other runs of the tenant, filtered inside the index.
async fn related(plan: &Plan, id: PhaseId) -> Result<Vec<Related>, StepError> {
    let text = (id.phase().query)(plan.idea());
    let run = || {
        let (env, params, text, attempt) = (plan.env.clone(), plan.params.clone(), text.clone(), plan.attempt);
        async move {
            live(&env, &params, id, "context");
            let embedded = env.embedder.embed(vec![text]).await;
            let embedding = embedded
                .map_err(|error| WorkError::retryable(error.to_string()))?
                .into_iter()
                .next();
            let embedding = embedding.ok_or_else(|| WorkError::retryable("the embedding model answered nothing"))?;
            let run_id = params.run_id.clone();
            let scopes = [
                VectorScope::Attempt {
                    run_id: run_id.clone(),
                    attempt,
                },
                VectorScope::OtherRuns { run_id },
            ];
            let mut related = Vec::new();
            for (scope, own) in scopes.into_iter().zip([true, false]) {
                let limit = env.planning.matches;
                let query = VectorQuery {
                    tenant: params.tenant.clone(),
                    scope,
                    embedding: embedding.clone(),
                    limit,
                };
                let found = env
                    .vectors
                    .query(query)
                    .await
                    .map_err(|error| WorkError::retryable(error.to_string()))?;
                let near = found
                    .into_iter()
                    .filter(|found| own || found.score >= env.planning.min_similarity);
                related.extend(near.map(|found| Related::new(found, own)));
            }
            Ok(related)
        }
    };
    plan.steps
        .run(&plan.step(id, "context"), plan.env.planning.step, |_| run())
        .await
}

/// Tells watchers what a phase is at.
pub(super) fn live(env: &crate::env::Env, params: &RunParams, id: PhaseId, step: &str) {
    let update = LiveUpdate::Step {
        phase: id.as_str().to_owned(),
        step: step.to_owned(),
    };
    env.events.live(&params.tenant, &params.run_id, update);
}

/// The text of an artifact that the index keeps and prompts of later phases show: its decisions, then all of it, readable.
pub(super) fn index_text(id: PhaseId, content: &Value) -> String {
    let phase = id.phase();
    let decisions = (phase.decisions)(content).join("\n");
    let document = document::markdown(&(phase.document)(content));
    cut(&format!("{}\n{decisions}\n\n{document}", phase.title), INDEXED_CHARS)
}

/// What a phase is told, the most important first.
pub(super) fn sections(plan: &Plan, id: PhaseId, gathered: &Gathered, feedback: &[String]) -> Vec<Section> {
    let idea = Section::new("Idea", plan.params.idea.as_str());
    let refined = plan.refined_idea.clone().unwrap_or_default();
    let mut sections = vec![idea, Section::new("Idea as refined, which is what is planned", refined)];
    sections.extend(past(plan, feedback));
    let decided = decided(id, &plan.contents);
    sections.extend(decided.map(|(title, lines)| Section::new(format!("Decided in {title}"), list(&lines))));
    sections.extend(gathered.sources.section(id));
    for (own, title) in [
        (true, "Related parts of this plan"),
        (false, "Related parts of other plans"),
    ] {
        let matches = gathered.matches.iter().filter(|related| related.own == own);
        let lines: Vec<String> = matches
            .map(|related| format!("[{}]: {}", related.phase, related.text))
            .collect();
        sections.push(Section::new(title, lines.join("\n\n")));
    }
    sections
}

/// What went before: a reviewer's wishes, abandoned attempts, and what was found out before the idea was parked.
pub(super) fn past(plan: &Plan, feedback: &[String]) -> Vec<Section> {
    let mut sections = Vec::new();
    if !feedback.is_empty() {
        sections.push(Section::new("A reviewer asks to change this", list(feedback)));
    }
    sections.push(Section::new(
        "Abandoned attempts; do not propose them again",
        history(&plan.history),
    ));
    if let Some(origin) = &plan.params.origin {
        sections.push(Section::new(
            "The idea was parked before because",
            origin.reason.as_str(),
        ));
        let learnt = origin.summary.clone().unwrap_or_default();
        sections.push(Section::new(
            "What was found out before it was parked",
            cut(&learnt, 4 * MATCH_CHARS),
        ));
    }
    sections
}

/// The decisions of the declared upstream phases, each with the title of its phase.
pub(super) fn decided(
    id: PhaseId,
    contents: &BTreeMap<PhaseId, Value>,
) -> impl Iterator<Item = (&'static str, Vec<String>)> {
    let upstream = id
        .phase()
        .upstream
        .iter()
        .filter_map(|upstream| Some((upstream.phase(), contents.get(upstream)?)));
    upstream.map(|(phase, content)| (phase.title, (phase.decisions)(content)))
}

fn history(history: &[History]) -> String {
    // The latest attempt first: should the text be cut, it is the oldest that goes.
    let attempts = history.iter().rev().map(|past| {
        let brief = past
            .brief
            .as_deref()
            .map(|brief| format!("\nChange this time: {brief}"))
            .unwrap_or_default();
        format!(
            "Attempt {}: {}\nAbandoned because: {}{brief}",
            past.attempt + 1,
            past.idea,
            past.reason
        )
    });
    attempts.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_abandoned_attempt_is_told_first() {
        let past = |attempt| History {
            attempt,
            idea: format!("idea {attempt}"),
            reason: format!("reason {attempt}"),
            brief: Some(format!("brief {attempt}")),
        };
        let text = history(&[past(0), past(1)]);
        assert!(text.find("reason 1").unwrap() < text.find("reason 0").unwrap());
        assert!(text.contains("Change this time: brief 0"));
    }
}
