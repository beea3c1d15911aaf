//! How a small model is asked: it writes free notes first, and fills the form of the phase from them.
//!
//! A model of 135 million parameters follows no instructions, copies every example, and loses its subject inside a form. In
//! free text it stays with it. So it is told the idea and what was decided in whole sentences, writes a paragraph, and that
//! paragraph is what the form is filled from.

use serde::{Deserialize, Serialize};

use super::{
    context::{self, Gathered, live},
    draft::complete,
    phase::PhaseId,
    plan::Plan,
    prompt::{self, Section},
    record::cut,
};
use crate::{
    ports::{ModelRequest, Role, Slot, Turn, Usage},
    workflows::StepError,
};

/// Longest notes in tokens.
const TOKENS: u32 = 120;
/// For notes and form alike: above it the model leaves its subject, below it says everything twice.
pub(super) const TEMPERATURE: f32 = 0.5;
/// Characters of the idea: a longer one would leave no room for anything else.
const IDEA_CHARS: usize = 400;
/// Characters of everything that was looked up or happened before.
const BACKGROUND_CHARS: usize = 320;
/// Decisions of each upstream phase, and from how many such phases on it is one.
const DECISIONS: usize = 2;
const MANY: usize = 5;

const SYSTEM: &str = "You are a helpful business expert. Answer in plain, concrete sentences.";

/// What a model wrote about a phase before it filled the form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Notes {
    text: String,
    pub(super) usage: Usage,
}

/// Has the notes written, in a step of their own: a form that has to be filled again does not need them again.
pub(super) async fn write(
    plan: &Plan,
    id: PhaseId,
    gathered: &Gathered,
    feedback: &[String],
) -> Result<Notes, StepError> {
    let request = ModelRequest {
        label: format!("{}/notes", id.as_str()),
        slot: Slot::Generator,
        system: SYSTEM.to_owned(),
        turns: vec![Turn {
            role: Role::User,
            text: question(plan, id, gathered, feedback),
        }],
        schema: None,
        max_tokens: TOKENS,
        temperature: TEMPERATURE,
        deadline: plan.env.planning.model_deadline,
        idempotency_key: String::new(),
    };
    let work = |attempt: crate::workflows::Attempt| {
        let (env, params, mut request) = (&plan.env, &plan.params, request.clone());
        async move {
            live(env, params, id, "draft");
            request.idempotency_key = format!("{}/{}/1", attempt.idempotency_key, attempt.number);
            let reply = complete(env, params, id, request).await?;
            Ok(Notes {
                text: sentences(&reply.text),
                usage: reply.usage,
            })
        }
    };
    plan.steps
        .run(&plan.step(id, "notes"), plan.env.planning.model_step(1), work)
        .await
}

/// The idea and what was decided, then the question.
fn question(plan: &Plan, id: PhaseId, gathered: &Gathered, feedback: &[String]) -> String {
    let phase = id.phase();
    let most = if phase.upstream.len() < MANY { DECISIONS } else { 1 };
    let mut text = business(&plan.params.idea);
    for decision in context::decided(id, &plan.contents).flat_map(|(_, lines)| lines.into_iter().take(most)) {
        text.push('\n');
        text.push_str(&decision);
    }
    let background = prompt::assemble(&background(plan, id, gathered, feedback), BACKGROUND_CHARS);
    if !background.is_empty() {
        text.push_str("\n\n");
        text.push_str(&background);
    }
    format!(
        "{text}\n\nWrite a short paragraph about its {}: {}",
        phase.title.to_lowercase(),
        phase.purpose
    )
}

/// What came before, what was found, and the nearest part of this plan that is not among the decisions. Parts of other plans
/// are left out: a small model takes their business for its own.
fn background(plan: &Plan, id: PhaseId, gathered: &Gathered, feedback: &[String]) -> Vec<Section> {
    let mut sections = context::past(plan, feedback);
    sections.extend(gathered.sources.fetched());
    sections.extend(gathered.nearest(id.phase().upstream));
    sections
}

/// The system text and the question of the form.
pub(super) fn form(plan: &Plan, id: PhaseId, notes: &Notes) -> (String, String) {
    // Only the idea stands in both texts: what both name is what the embedded model holds for its subject.
    let system = format!(
        "You plan how to make this idea real: {}. Give one plain sentence for each field about it.",
        bare(&plan.params.idea)
    );
    let notes = if notes.text.is_empty() {
        String::new()
    } else {
        format!("\n\n{}", notes.text)
    };
    let text = format!(
        "{}{notes}\n\nWrite the {} of my business.",
        business(&plan.params.idea),
        id.phase().title.to_lowercase()
    );
    (system, text)
}

fn business(idea: &str) -> String {
    format!("My business: {}.", bare(idea))
}

/// The idea on one line and without its full stop, so that it can stand in a sentence.
fn bare(idea: &str) -> String {
    let line = idea.split_whitespace().collect::<Vec<_>>().join(" ");
    cut(&line, IDEA_CHARS).trim_end_matches(['.', ' ']).to_owned()
}

/// The whole sentences of notes that were cut at their limit; all of it if there is none.
fn sentences(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.rfind(['.', '!', '?']) {
        Some(end) => text[..=end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_end_with_a_whole_sentence() {
        assert_eq!(sentences("One thing.\n\nAnother! And a"), "One thing. Another!");
        assert_eq!(sentences("no end"), "no end");
        assert_eq!(sentences(" \n"), "");
    }

    #[test]
    fn an_idea_stands_in_a_sentence_whatever_its_form() {
        assert_eq!(business("A tool\n for\tfarms. "), "My business: A tool for farms.");
        assert!(business(&"long ".repeat(500)).len() < 420);
    }
}
