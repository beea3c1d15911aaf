//! Made-up answers that satisfy the schemas, for tests: what a scripted model says.

use serde_json::{Value, json};

use super::{
    phase::{Phase, PhaseId},
    schema::form::{IDENTIFIER, LABEL, PATH, TAIL},
    verdict::CRITERIA,
};
use crate::ports::Profile;

const SUBJECTS: [&str; 11] = [
    "A local owner",
    "The first customer",
    "Every small team",
    "An early partner",
    "The support desk",
    "A careful buyer",
    "One good reviewer",
    "The whole group",
    "Each new member",
    "A busy manager",
    "The next visitor",
];
const VERBS: [&str; 13] = [
    "compares",
    "orders",
    "tests",
    "explains",
    "records",
    "repairs",
    "shares",
    "measures",
    "renews",
    "questions",
    "plans",
    "keeps",
    "reviews",
];
const OBJECTS: [&str; 17] = [
    "two prices",
    "a short list",
    "the weekly report",
    "every message",
    "one clear offer",
    "the open question",
    "a plain page",
    "the old contract",
    "a small order",
    "three samples",
    "the main figure",
    "a signed form",
    "the shared plan",
    "each note",
    "a fair rule",
    "the spare part",
    "one real case",
];
const ENDS: [&str; 7] = [
    "before lunch",
    "on Monday",
    "without help",
    "in one hour",
    "during the trial",
    "with a friend",
    "after a call",
];

/// An answer of `phase` in the full profile. Its sentences are all different, and differ between seeds.
#[must_use]
pub fn full(phase: &Phase, seed: usize) -> Value {
    let mut maker = Maker { next: seed * 7919 };
    maker.value(&phase.schema_for(Profile::Full), &(phase.schema)())
}

/// An answer of `phase` as the embedded model is asked for it.
#[must_use]
pub fn embedded(phase: &Phase, seed: usize) -> Value {
    let mut maker = Maker { next: seed * 7919 };
    let asked = phase.schema_for(Profile::Embedded);
    maker.value(&asked, &asked)
}

/// An answer of the kill test with these scores, in the order of [`CRITERIA`].
#[must_use]
pub fn kill_test(scores: [f64; 6], seed: usize) -> Value {
    let mut answer = full(PhaseId::KillTest.phase(), seed);
    for ((field, ..), score) in CRITERIA.iter().zip(scores) {
        answer["criteria"][*field]["score"] = json!(score);
    }
    answer
}

/// A review of `phase` that gives every criterion the same score.
#[must_use]
pub fn review(phase: &Phase, score: f64, seed: usize) -> Value {
    let mut maker = Maker { next: seed * 7919 };
    let scores: serde_json::Map<String, Value> = phase
        .criteria()
        .map(|name| (name.to_owned(), json!({"why": maker.sentence(), "score": score})))
        .collect();
    json!({"scores": scores, "feedback": [maker.sentence()]})
}

struct Maker {
    next: usize,
}

impl Maker {
    fn number(&mut self) -> usize {
        self.next += 1;
        self.next
    }

    fn sentence(&mut self) -> String {
        // The list lengths have no common factor, so that 17017 numbers in a row give different sentences.
        let n = self.number();
        let (subject, verb) = (SUBJECTS[n % SUBJECTS.len()], VERBS[n % VERBS.len()]);
        format!(
            "{subject} {verb} {} {}.",
            OBJECTS[n % OBJECTS.len()],
            ENDS[n % ENDS.len()]
        )
    }

    fn label(&mut self) -> String {
        let sentence = self.sentence();
        sentence
            .trim_end_matches('.')
            .split_whitespace()
            .skip(1)
            .take(3)
            .enumerate()
            .fold(String::new(), |label, (index, word)| {
                if index == 0 {
                    word[..1].to_uppercase() + &word[1..]
                } else {
                    format!("{label} {word}")
                }
            })
    }

    fn value(&mut self, schema: &Value, annotated: &Value) -> Value {
        match schema["type"].as_str() {
            Some("object") => schema["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, node)| (name.clone(), self.value(node, &annotated["properties"][name])))
                .collect(),
            Some("array") => {
                let count = schema["minItems"].as_u64().unwrap_or(0).max(1);
                (0..count)
                    .map(|_| self.value(&schema["items"], &annotated["items"]))
                    .collect()
            }
            Some("string") => json!(self.text(schema, annotated)),
            Some("integer") => {
                let (least, most) = (
                    schema["minimum"].as_u64().unwrap_or(0),
                    schema["maximum"].as_u64().unwrap_or(9),
                );
                json!(least + self.number() as u64 % (most - least + 1).min(5))
            }
            Some("number") if schema["maximum"] == json!(1) => json!(0.5),
            Some("number") if schema["maximum"] == json!(10) => json!(7.5),
            Some("number") => json!(self.number() % 90 + 10),
            Some("boolean") => json!(self.number().is_multiple_of(2)),
            Some(_) | None => Value::Null,
        }
    }

    fn text(&mut self, schema: &Value, annotated: &Value) -> String {
        if let Some(options) = schema["enum"].as_array() {
            return options[self.number() % options.len()]
                .as_str()
                .unwrap_or_default()
                .to_owned();
        }
        let kind = match schema["pattern"].as_str() {
            Some(sentence) if sentence.ends_with(TAIL) => return self.led(sentence),
            Some(LABEL) => "label",
            Some(PATH) => "path",
            Some(IDENTIFIER) => "identifier",
            Some(_) | None => annotated["x-kind"].as_str().unwrap_or("text"),
        };
        match kind {
            "label" => self.label(),
            "path" => format!(
                "/{}",
                self.label()
                    .to_lowercase()
                    .split(' ')
                    .take(2)
                    .collect::<Vec<_>>()
                    .join("/")
            ),
            "identifier" => self
                .label()
                .to_lowercase()
                .split(' ')
                .rev()
                .take(2)
                .collect::<Vec<_>>()
                .join("_"),
            "url" => format!("https://example.org/page/{}", self.number()),
            "code" => format!(
                "create table sample_{} (id text primary key, tenant text);",
                self.number()
            ),
            _ => self.prose(&schema["minLength"], &schema["maxLength"]),
        }
    }

    /// A sentence under a pattern of the embedded profile, with the beginning that it gives.
    fn led(&mut self, pattern: &str) -> String {
        let sentence = self.sentence();
        match pattern.strip_suffix(TAIL).and_then(|lead| lead.strip_prefix('^')) {
            Some(lead) if lead.ends_with(' ') => format!("{lead}{}{}", sentence[..1].to_lowercase(), &sentence[1..]),
            Some(_) | None => sentence,
        }
    }

    fn prose(&mut self, least: &Value, most: &Value) -> String {
        let least = usize::try_from(least.as_u64().unwrap_or(24)).unwrap_or(24);
        let most = usize::try_from(most.as_u64().unwrap_or(97)).unwrap_or(97);
        let mut text = if most < 60 { self.label() } else { self.sentence() };
        while text.len() < least {
            text = format!("{text} {}", self.sentence());
        }
        text.truncate(most);
        text.trim().to_owned()
    }
}
