//! Whether a valid answer says anything: placeholders, echoes of the idea, the same text again and again.

use std::collections::HashMap;

use serde_json::Value;

use crate::{ports::Profile, workflows::planning::schema::NOT_ASSESSED};

/// Words that stand where an answer should be.
const PLACEHOLDERS: &[&str] = &[
    "tbd",
    "tba",
    "todo",
    "n a",
    "na",
    "none",
    "nil",
    "null",
    "undefined",
    "unknown",
    "string",
    "text",
    "example",
    "placeholder",
    "xxx",
    "foo",
    "bar",
    "lorem",
    "ipsum",
    "lorem ipsum",
    "sample text",
    "insert text here",
    "your text here",
    "your answer",
    "your answer here",
    "to be determined",
    "to be defined",
    "to be decided",
    "to be done",
    "coming soon",
    "not applicable",
    "not available",
    NOT_ASSESSED,
];

/// Parts that only unfinished text has.
const MARKS: &[&str] = &[
    "lorem ipsum",
    "[insert",
    "<insert",
    "{{",
    "placeholder text",
    "your text here",
    "<your ",
    "[your ",
];

/// Text this long must have this many different characters.
const VARIED_FROM: usize = 24;
const VARIED: usize = 6;

/// An idea shorter than this is expected to reappear inside sentences.
const MIN_ECHO_WORDS: usize = 6;

/// One text of the answer.
struct Leaf<'a> {
    path: String,
    kind: &'a str,
    least: u64,
    text: &'a str,
    own: &'a str,
}

/// Says what is wrong with a valid answer, as lines of the form `path: message`.
pub(super) fn check(annotated: &Value, answer: &Value, profile: Profile, idea: &str) -> Vec<String> {
    let mut leaves = Vec::new();
    collect(annotated, answer, String::new(), &mut leaves);
    let idea = words(idea);
    let mut errors = Vec::new();
    for leaf in &leaves {
        if let Some(message) = fault(leaf, profile, &idea) {
            errors.push(format!("{}: {message}", leaf.path));
        }
    }
    errors.extend(repetition(&leaves));
    errors
}

fn fault(leaf: &Leaf<'_>, profile: Profile, idea: &[String]) -> Option<&'static str> {
    let trimmed = leaf.text.trim();
    if (trimmed.chars().count() as u64) < leaf.least {
        return Some("is too short without the spaces around it");
    }
    if is_placeholder(trimmed) || is_placeholder(leaf.own.trim()) {
        return Some("is a placeholder, say something specific");
    }
    if trimmed.chars().count() >= VARIED_FROM && distinct(trimmed) < VARIED {
        return Some("is not a sentence");
    }
    if leaf.kind == "text" && is_echo(profile, &words(leaf.own), idea) {
        return Some("repeats the idea, say something about it");
    }
    None
}

fn distinct(text: &str) -> usize {
    text.chars().collect::<std::collections::HashSet<_>>().len()
}

fn is_placeholder(text: &str) -> bool {
    let lower = text.to_lowercase();
    if MARKS.iter().any(|mark| lower.contains(mark)) {
        return true;
    }
    let enclosed = |open, close| lower.starts_with(open) && lower.ends_with(close);
    if enclosed('<', '>') || enclosed('[', ']') {
        return true;
    }
    let words = words(text);
    let joined = words.join(" ");
    words.is_empty() && !text.starts_with('/')
        || PLACEHOLDERS.contains(&joined.as_str())
        || words.len() > 1 && words.iter().all(|word| PLACEHOLDERS.contains(&word.as_str()))
        || words.len() > 2 && words.iter().all(|word| *word == words[0])
}

/// The idea itself, or the idea with a few words around it. In the full profile also most of the idea: the embedded model
/// cannot but lean on its words.
fn is_echo(profile: Profile, text: &[String], idea: &[String]) -> bool {
    if text.is_empty() || idea.is_empty() {
        return false;
    }
    let most = match profile {
        Profile::Full => text.len() >= MIN_ECHO_WORDS && text.len() * 5 >= idea.len() * 3,
        Profile::Embedded => false,
    };
    text == idea
        || idea.len() >= MIN_ECHO_WORDS && text.len() * 2 < idea.len() * 3 && within(text, idea)
        || most && within(idea, text)
}

fn within(whole: &[String], part: &[String]) -> bool {
    whole.windows(part.len()).any(|window| window == part)
}

fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// The same text in more than a third of the fields.
fn repetition(leaves: &[Leaf<'_>]) -> Option<String> {
    let prose: Vec<&Leaf<'_>> = leaves
        .iter()
        .filter(|leaf| matches!(leaf.kind, "text" | "label"))
        .collect();
    let mut seen: HashMap<Vec<String>, (usize, &str)> = HashMap::new();
    for leaf in &prose {
        seen.entry(words(leaf.own)).or_insert((0, &leaf.path)).0 += 1;
    }
    let (count, path) = seen
        .into_values()
        .max_by_key(|(count, path)| (*count, std::cmp::Reverse(*path)))?;
    (count > 1 && count * 3 > prose.len()).then(|| {
        format!(
            "{path}: the same text stands in {count} of {} fields, give each its own",
            prose.len()
        )
    })
}

fn collect<'a>(schema: &'a Value, value: &'a Value, path: String, leaves: &mut Vec<Leaf<'a>>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                collect(&schema["properties"][name], field, format!("{path}/{name}"), leaves);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(&schema["items"], item, format!("{path}/{index}"), leaves);
            }
        }
        Value::String(text) => {
            let kind = schema["x-kind"].as_str().unwrap_or_default();
            if !matches!(kind, "choice" | "url") {
                // The embedded model writes shorter texts than the strict schema asks for; its pattern bounds them.
                let least = schema["minLength"].as_u64().unwrap_or(1).min(VARIED_FROM as u64);
                // What was given to begin with is not the model's own.
                let own = schema["x-lead"]
                    .as_str()
                    .and_then(|lead| text.strip_prefix(lead))
                    .unwrap_or(text);
                leaves.push(Leaf {
                    path,
                    kind,
                    least,
                    text,
                    own,
                });
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDEA: &str = "A tool that helps small farms plan when to water each field";

    fn echo(text: &str) -> bool {
        is_echo(Profile::Full, &words(text), &words(IDEA))
    }

    #[test]
    fn echoes_are_told_from_statements_about_the_idea() {
        assert!(echo(IDEA));
        assert!(echo("a tool that helps small farms plan, when to water each field!"));
        assert!(echo(
            "The idea: a tool that helps small farms plan when to water each field."
        ));
        assert!(echo("Helps small farms plan when to water each field."));
        assert!(!echo(
            "Small farms lose a third of their water because nobody measures the soil."
        ));
        assert!(!echo("A tool that helps small farms."));
        let most = words("helps small farms plan when to water each field");
        assert!(!is_echo(Profile::Embedded, &most, &words(IDEA)));
        assert!(is_echo(Profile::Embedded, &words(IDEA), &words(IDEA)));
    }

    #[test]
    fn placeholders_are_told_from_answers() {
        for text in [
            "TBD",
            "n/a",
            "...",
            "-----",
            "Lorem ipsum dolor sit amet",
            "string",
            "<name>",
            "[insert name]",
            "TBD, TODO, tbd",
            "word word word word",
            "{{customer}}",
            "Not assessed.",
        ] {
            assert!(is_placeholder(text), "{text}");
        }
        for text in [
            "Volunteers",
            "/",
            "A string quartet needs music",
            "None of the tools track parts",
            "Text messages",
        ] {
            assert!(!is_placeholder(text), "{text}");
        }
    }
}
