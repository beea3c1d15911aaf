//! What a phase is told: assembled in the order of importance, under a budget of tokens.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    document,
    evidence::{self, Sources},
    phase::PhaseId,
    record::cut,
    workflow::{Plan, RunParams},
};
use crate::{
    ports::{LiveUpdate, ModelInfo, Profile, VectorMatch, VectorQuery, VectorScope},
    workflows::{StepError, WorkError},
};

/// Characters of one related artifact in a prompt.
const MATCH_CHARS: usize = 500;
/// Characters that one token stands for, at least: text is counted rather too long than too short.
const CHARS_PER_TOKEN: usize = 3;
/// Most tokens of the text that a small model is told: its attention ends earlier than its window.
const EMBEDDED_TOKENS: u32 = 600;
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

/// A related artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Related {
    phase: String,
    /// Whether it belongs to the attempt itself.
    own: bool,
    text: String,
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

/// The longest answer to ask a model for.
pub(super) fn answer_tokens(id: PhaseId, info: &ModelInfo) -> u32 {
    let most = id.phase().max_tokens_for(info.profile);
    match info.profile {
        Profile::Full => most.min(info.context_tokens / 2),
        Profile::Embedded => most,
    }
}

/// Characters that the text for a model may have beside `fixed` characters and an answer of `answer` tokens.
pub(super) fn budget(info: &ModelInfo, most: u32, answer: u32, fixed: usize) -> usize {
    let most = match info.profile {
        Profile::Full => most,
        Profile::Embedded => most.min(EMBEDDED_TOKENS),
    };
    let window = (info.context_tokens.saturating_sub(answer) as usize * CHARS_PER_TOKEN).saturating_sub(fixed);
    window.min(most as usize * CHARS_PER_TOKEN)
}

/// A part of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    title: String,
    body: String,
}

impl Section {
    pub(super) fn new(title: impl Into<String>, body: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            body: body.into(),
        }
    }
}

/// Puts sections together until the budget is used up. The first ones matter most; a section that does not fit is cut between
/// two lines, or between two words, and says so.
pub(super) fn assemble(sections: &[Section], budget: usize) -> String {
    let mut prompt = String::new();
    for Section { title, body } in sections {
        let body = body.trim();
        if body.is_empty() {
            continue;
        }
        let used = prompt.chars().count();
        let frame = title.chars().count() + 6;
        let Some(room) = budget.checked_sub(used + frame).filter(|room| *room > 0) else {
            break;
        };
        if !prompt.is_empty() {
            prompt.push_str("\n\n");
        }
        prompt.push_str(title);
        prompt.push_str(":\n");
        prompt.push_str(&fit(body, room));
    }
    prompt
}

fn fit(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    let beginning = cut(text, room.saturating_sub(2));
    let end = beginning
        .rfind('\n')
        .or_else(|| beginning.rfind(' '))
        .unwrap_or(beginning.len());
    format!("{} …", beginning[..end].trim_end())
}

/// What a phase is told, the most important first.
pub(super) fn sections(plan: &Plan, id: PhaseId, gathered: &Gathered, feedback: &[String]) -> Vec<Section> {
    let idea = Section::new("Idea", plan.params.idea.as_str());
    let refined = plan.refined_idea.clone().unwrap_or_default();
    let mut sections = vec![idea, Section::new("Idea as refined, which is what is planned", refined)];
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
    sections.extend(decisions(id, &plan.contents));
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

/// The decisions of the declared upstream phases.
fn decisions(id: PhaseId, contents: &BTreeMap<PhaseId, Value>) -> impl Iterator<Item = Section> {
    let upstream = id
        .phase()
        .upstream
        .iter()
        .filter_map(|upstream| Some((upstream.phase(), contents.get(upstream)?)));
    upstream
        .map(|(phase, content)| Section::new(format!("Decided in {}", phase.title), list(&(phase.decisions)(content))))
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

pub(super) fn list(lines: &[String]) -> String {
    lines
        .iter()
        .map(|line| format!("- {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_never_passes_its_budget_and_keeps_the_first_sections() {
        let sections: Vec<Section> = (0..20)
            .map(|n| Section::new(format!("Part {n}"), format!("word{n} ").repeat(40)))
            .collect();
        for budget in [0, 10, 50, 333, 1_000, 5_000, 100_000] {
            let prompt = assemble(&sections, budget);
            assert!(prompt.chars().count() <= budget, "{budget}: {}", prompt.chars().count());
        }
        assert!(assemble(&sections, 333).starts_with("Part 0:\nword0 word0"));
        assert!(!assemble(&sections, 333).contains("Part 2"));
    }

    #[test]
    fn a_section_is_cut_between_lines_and_says_so() {
        let section = Section::new("List", "- the first line\n- the second line\n- the third line");
        assert_eq!(assemble(&[section], 52), "List:\n- the first line\n- the second line …");
    }

    #[test]
    fn empty_sections_leave_no_trace() {
        assert_eq!(
            assemble(&[Section::new("A", " "), Section::new("B", "b")], 100),
            "B:\nb"
        );
    }

    #[test]
    fn a_small_model_is_told_little() {
        let info = |profile, context_tokens| ModelInfo {
            id: String::new(),
            profile,
            context_tokens,
        };
        assert_eq!(budget(&info(Profile::Full, 128_000), 12_000, 4_000, 3_000), 36_000);
        assert_eq!(budget(&info(Profile::Full, 8_000), 12_000, 4_000, 3_000), 9_000);
        assert_eq!(budget(&info(Profile::Embedded, 4_096), 12_000, 1_024, 3_000), 1_800);
        assert_eq!(budget(&info(Profile::Embedded, 1_024), 12_000, 1_024, 3_000), 0);
    }

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
