//! The forms of an annotated schema.

use serde_json::{Map, Value, json};

use super::NOT_ASSESSED;

/// How a sentence of the embedded model goes on and ends: plain words, one full stop, bounded. Digits are left out, because
/// a small model numbers its sentences where it can.
pub(in crate::workflows::planning) const TAIL: &str = "[A-Za-z ,'-]{15,74}[a-z]\\.$";
const TAIL_MAX: usize = 76;
const TAIL_MIN: usize = 18;

/// A text that is shorter than the longest by less than this was cut as well: the next word did not fit.
const NEARLY: usize = 6;

/// Words that no sentence ends with.
const LOOSE: &[&str] = &[
    "a", "an", "and", "because", "but", "if", "its", "my", "or", "our", "than", "the", "their", "which", "your",
];

/// Words that a sentence seldom ends with unless it was cut.
const CUT: &[&str] = &[
    "any", "are", "as", "at", "by", "can", "for", "from", "has", "have", "in", "is", "it", "more", "not", "of", "on",
    "so", "such", "that", "they", "to", "we", "when", "who", "will", "with", "would",
];

/// A sentence without a given beginning.
const OPEN: &str = "^[A-Z]";

/// A name of the embedded model: up to four words without a full stop.
pub(in crate::workflows::planning) const LABEL: &str = "^[A-Z][a-z]{1,12}( [a-z]{1,12}){0,3}$";
const LABEL_MAX: usize = 52;

pub(in crate::workflows::planning) const PATH: &str = "^/[a-z]{2,14}(/[a-z]{2,14})?$";
const PATH_MAX: usize = 30;

pub(in crate::workflows::planning) const IDENTIFIER: &str = "^[a-z]{3,12}_[a-z]{3,12}$";
const IDENTIFIER_MAX: usize = 25;

/// Objects with at most this many texts come in pairs, larger ones alone.
const PAIR_LEAVES: usize = 3;

/// The strict schema: every field required, every length and count bounded, no annotations.
#[must_use]
pub fn full(schema: &Value) -> Value {
    plain(schema, &mut |_| {})
}

/// The schema for providers that refuse limits: types, enumerations and required fields only. The limits move into the
/// description, where the model can still read them, and are checked by us.
#[must_use]
pub fn remote(schema: &Value) -> Value {
    plain(schema, &mut |node| {
        let mut limits = Vec::new();
        for (least, most, unit) in [
            ("minLength", "maxLength", "characters"),
            ("minItems", "maxItems", "items"),
            ("minimum", "maximum", ""),
        ] {
            let range = match (node.shift_remove(least), node.shift_remove(most)) {
                (Some(least), Some(most)) if least == most => format!("{least} {unit}"),
                (Some(least), Some(most)) => format!("{least} to {most} {unit}"),
                (Some(least), None) => format!("at least {least} {unit}"),
                (None, Some(most)) => format!("at most {most} {unit}"),
                (None, None) => continue,
            };
            limits.push(range.trim_end().to_owned());
        }
        if let Some(pattern) = node.shift_remove("pattern") {
            limits.push(format!("matching {}", pattern.as_str().unwrap_or_default()));
        }
        for keyword in ["format", "uniqueItems", "x-guidance"] {
            node.shift_remove(keyword);
        }
        if !limits.is_empty() {
            node.insert("description".to_owned(), json!(limits.join(", ")));
        }
    })
}

/// What the embedded model is asked: texts under a pattern, one or two items per list, nothing that needs judgement.
#[must_use]
pub fn embedded(schema: &Value) -> Value {
    let mut asked =
        ask(schema).unwrap_or_else(|| json!({"type": "object", "additionalProperties": false, "properties": {}}));
    asked["x-guidance"] = json!({"whitespace_flexible": false, "item_separator": ", ", "key_separator": ": "});
    asked
}

/// Completes an answer of the embedded model: what it was not asked gets its neutral value.
#[must_use]
pub fn fill(schema: &Value, answer: Value) -> Value {
    if !is_asked(schema) {
        return neutral(schema);
    }
    match answer {
        Value::Object(mut fields) => Value::Object(
            properties(schema)
                .map(|(name, node)| {
                    let value = fields.shift_remove(name);
                    (
                        name.clone(),
                        value.map_or_else(|| neutral(node), |value| fill(node, value)),
                    )
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| fill(&schema["items"], item)).collect()),
        Value::String(text) if schema["x-kind"] == "text" || schema.get("x-lead").is_some() => {
            json!(finished(&text, schema["x-lead"].as_str().map_or(0, str::len)))
        }
        leaf @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => leaf,
    }
}

/// A sentence of the embedded model without a loose end. Its length is bounded, and what does not fit is cut in the middle.
fn finished(text: &str, lead: usize) -> String {
    let whole = text.trim_end_matches('.');
    let mut kept = whole;
    let mut cut = whole.len() + NEARLY >= lead + TAIL_MAX;
    // Whatever follows the last comma of a sentence of full length was cut.
    if cut && let Some((before, _)) = whole.rsplit_once(',') {
        kept = before;
    }
    while let Some((before, last)) = kept.rsplit_once(' ') {
        let last = last.trim_end_matches(',');
        if !(LOOSE.contains(&last) || cut && CUT.contains(&last)) {
            break;
        }
        (kept, cut) = (before, true);
    }
    let kept = kept.trim_end_matches([',', ' ', '-', '\'']);
    // The sentence must stay one.
    if kept.len() < lead + TAIL_MIN {
        text.to_owned()
    } else {
        format!("{kept}.")
    }
}

/// The value of a field that nobody judged.
#[must_use]
pub fn neutral(schema: &Value) -> Value {
    if let Some(value) = schema.get("x-neutral") {
        return value.clone();
    }
    match schema["type"].as_str() {
        Some("object") => properties(schema)
            .map(|(name, node)| (name.clone(), neutral(node)))
            .collect(),
        Some("array") => json!([]),
        Some("string") => json!(NOT_ASSESSED),
        Some(_) | None => Value::Null,
    }
}

/// What a completed answer of the embedded model satisfies: as asked, and the neutral value everywhere else.
#[must_use]
pub fn stored(schema: &Value) -> Value {
    if schema.get("x-given").is_some() {
        return json!({"type": "string", "minLength": 1});
    }
    if !is_asked(schema) {
        return json!({"const": neutral(schema)});
    }
    match schema["type"].as_str() {
        Some("object") => closed(
            properties(schema)
                .map(|(name, node)| (name.clone(), stored(node)))
                .collect(),
        ),
        Some("array") => {
            let mut asked = ask(schema).unwrap_or_else(|| json!({"const": []}));
            if asked.get("items").is_some() {
                asked["items"] = stored(&schema["items"]);
            }
            asked
        }
        Some(_) | None => ask(schema).unwrap_or_else(|| json!({"const": neutral(schema)})),
    }
}

/// Texts in the longest answer to an embedded schema.
#[must_use]
pub fn asked_leaves(asked: &Value) -> usize {
    match asked["type"].as_str() {
        Some("object") => properties(asked).map(|(_, node)| asked_leaves(node)).sum(),
        Some("array") => most(asked) * asked_leaves(&asked["items"]),
        Some(_) | None => 1,
    }
}

/// Characters of the longest answer to an embedded schema, punctuation and names included.
#[must_use]
pub fn longest_answer(asked: &Value) -> usize {
    match asked["type"].as_str() {
        Some("object") => {
            2 + properties(asked)
                .map(|(name, node)| name.len() + 6 + longest_answer(node))
                .sum::<usize>()
        }
        Some("array") => 2 + most(asked) * (2 + longest_answer(&asked["items"])),
        Some(_) | None => {
            2 + match asked["pattern"].as_str() {
                Some(LABEL) => LABEL_MAX,
                Some(PATH) => PATH_MAX,
                Some(IDENTIFIER) => IDENTIFIER_MAX,
                Some(sentence) => sentence.strip_suffix(TAIL).map_or(0, str::len) + TAIL_MAX,
                None => 0,
            }
        }
    }
}

fn most(list: &Value) -> usize {
    list["maxItems"]
        .as_u64()
        .map_or(0, |most| usize::try_from(most).unwrap_or(usize::MAX))
}

fn is_asked(node: &Value) -> bool {
    node.get("x-asked").is_none_or(|asked| asked != &json!(false)) && node.get("x-given").is_none()
}

fn properties(node: &Value) -> impl Iterator<Item = (&String, &Value)> {
    node["properties"].as_object().into_iter().flatten()
}

/// An object schema in which every property is required.
fn closed(properties: Map<String, Value>) -> Value {
    let required: Vec<&String> = properties.keys().collect();
    json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties})
}

/// The schema without annotations and without what is given, each node passed through `change`.
fn plain(schema: &Value, change: &mut dyn FnMut(&mut Map<String, Value>)) -> Value {
    let mut node = match schema["type"].as_str() {
        Some("object") => {
            let kept: Map<String, Value> = properties(schema)
                .filter(|(_, node)| node.get("x-given").is_none())
                .map(|(name, node)| (name.clone(), plain(node, change)))
                .collect();
            closed(kept)
        }
        Some(_) | None => schema.clone(),
    };
    if let Some(items) = schema.get("items") {
        node["items"] = plain(items, change);
    }
    if let Some(fields) = node.as_object_mut() {
        fields.retain(|name, _| !name.starts_with("x-") || name == "x-guidance");
        change(fields);
    }
    node
}

fn ask(node: &Value) -> Option<Value> {
    if !is_asked(node) {
        return None;
    }
    match node["type"].as_str() {
        Some("object") => {
            let asked: Map<String, Value> = properties(node)
                .filter_map(|(name, node)| Some((name.clone(), ask(node)?)))
                .collect();
            (!asked.is_empty()).then(|| closed(asked))
        }
        Some("array") => {
            let items = ask(&node["items"])?;
            let pair = node.get("x-most").is_none() && asked_leaves(&items) <= PAIR_LEAVES;
            Some(json!({"type": "array", "minItems": 1, "maxItems": if pair { 2 } else { 1 }, "items": items}))
        }
        Some("string") => {
            let pattern = match node["x-kind"].as_str() {
                // Led, a name becomes a sentence: alone, the model breaks names off in the middle.
                Some("label") if node.get("x-lead").is_none() => LABEL.to_owned(),
                Some("path") => PATH.to_owned(),
                Some("identifier") => IDENTIFIER.to_owned(),
                Some(_) | None => match node["x-lead"].as_str() {
                    Some(lead) => format!("^{lead} {TAIL}"),
                    None => format!("{OPEN}{TAIL}"),
                },
            };
            Some(json!({"type": "string", "pattern": pattern}))
        }
        Some(_) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loose_ends_are_cut() {
        let lead = "People want this because".len();
        for (text, wanted) in [
            (
                "People want this because they save water in every season.",
                "People want this because they save water in every season.",
            ),
            (
                "People want this because they save water in every season, so that the.",
                "People want this because they save water in every season.",
            ),
            (
                "People want this because they save water in every season, and they may also grow rather muc.",
                "People want this because they save water in every season, and they may also grow rather muc.",
            ),
            (
                "People want this because they save water in every season, and they may also grow very much more of it.",
                "People want this because they save water in every season.",
            ),
            (
                "People want this because it is so that the.",
                "People want this because it is so that the.",
            ),
        ] {
            assert_eq!(finished(text, lead), wanted);
        }
    }
}
