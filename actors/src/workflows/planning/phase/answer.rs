//! From a model's text to the content of an artifact.

use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use serde_json::Value;

use crate::{ports::Profile, workflows::planning::schema};

mod sense;

/// Most errors that are reported at once: enough to correct an answer, short enough for a prompt.
const MAX_ERRORS: usize = 10;

/// Most places at which a JSON object is looked for in one text.
const MAX_STARTS: usize = 64;

const NO_OBJECT: &str = "answer: no complete JSON object was found";

/// See `Phase::accept`.
pub(super) fn accept(
    annotated: &Value,
    validator: &Validator,
    profile: Profile,
    idea: &str,
    text: &str,
) -> Result<Value, Vec<String>> {
    let Some(mut answer) = extract(text) else {
        return Err(vec![NO_OBJECT.to_owned()]);
    };
    let given = given(annotated);
    if let Some(fields) = answer.as_object_mut() {
        for name in &given {
            fields.shift_remove(name);
        }
    }
    let mut errors: Vec<String> = validator
        .iter_errors(&answer)
        .flat_map(|error| describe(&error))
        .take(MAX_ERRORS)
        .collect();
    if errors.is_empty() {
        errors = sense::check(annotated, &answer, profile, idea);
        errors.truncate(MAX_ERRORS);
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    // Also puts the fields in the order of the schema, whatever order a model chose.
    let mut content = match profile {
        Profile::Full => ordered(annotated, answer),
        Profile::Embedded => schema::fill(annotated, answer),
    };
    for name in given {
        content[&name] = Value::String(idea.to_owned());
    }
    Ok(content)
}

/// The JSON object of a text that is validated and not an artifact, for example a review.
pub(super) fn parse(validator: &Validator, text: &str) -> Result<Value, Vec<String>> {
    let Some(answer) = extract(text) else {
        return Err(vec![NO_OBJECT.to_owned()]);
    };
    let errors: Vec<String> = validator
        .iter_errors(&answer)
        .flat_map(|error| describe(&error))
        .take(MAX_ERRORS)
        .collect();
    if errors.is_empty() { Ok(answer) } else { Err(errors) }
}

/// Names of the top-level fields that we fill in ourselves.
fn given(annotated: &Value) -> Vec<String> {
    let fields = annotated["properties"].as_object().into_iter().flatten();
    fields
        .filter(|(_, node)| node.get("x-given").is_some())
        .map(|(name, _)| name.clone())
        .collect()
}

/// The same value with the fields of every object in schema order. Given fields keep their place.
fn ordered(schema: &Value, value: Value) -> Value {
    match value {
        Value::Object(mut fields) => {
            let names = schema["properties"].as_object().into_iter().flatten();
            names
                .filter_map(|(name, node)| {
                    let value = match fields.shift_remove(name) {
                        Some(value) => ordered(node, value),
                        None => node.get("x-given").map(|_| Value::Null)?,
                    };
                    Some((name.clone(), value))
                })
                .collect()
        }
        Value::Array(items) => items.into_iter().map(|item| ordered(&schema["items"], item)).collect(),
        leaf @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => leaf,
    }
}

/// The JSON object in a text: in a fence, else the first balanced one.
fn extract(text: &str) -> Option<Value> {
    text.split("```")
        .skip(1)
        .step_by(2)
        .chain([text])
        .find_map(first_object)
}

fn first_object(text: &str) -> Option<Value> {
    text.match_indices('{').take(MAX_STARTS).find_map(|(start, _)| {
        // The stream stops after the first value, so that words after the object do no harm.
        let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
        values.next()?.ok().filter(Value::is_object)
    })
}

/// A validation error as lines of the form `path: message`.
fn describe(error: &ValidationError<'_>) -> Vec<String> {
    let path = error.instance_path().to_string();
    let line = |message: String| vec![format!("{}: {message}", if path.is_empty() { "answer" } else { &path })];
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            vec![format!("{path}/{}: is missing", property.as_str().unwrap_or_default())]
        }
        ValidationErrorKind::AdditionalProperties { unexpected } => unexpected
            .iter()
            .map(|name| format!("{path}/{}: is not part of the schema", clipped(name)))
            .collect(),
        ValidationErrorKind::MinLength { limit } => {
            line(format!("is too short, at least {limit} characters are needed"))
        }
        ValidationErrorKind::MaxLength { limit } => {
            line(format!("is too long, at most {limit} characters are allowed"))
        }
        ValidationErrorKind::MinItems { limit } => line(format!("has too few items, at least {limit} are needed")),
        ValidationErrorKind::MaxItems { limit } => line(format!("has too many items, at most {limit} are allowed")),
        ValidationErrorKind::Minimum { limit } => line(format!("must be at least {limit}")),
        ValidationErrorKind::Maximum { limit } => line(format!("must be at most {limit}")),
        ValidationErrorKind::Enum { options } => line(format!("must be one of {options}")),
        ValidationErrorKind::Pattern { pattern } => line(format!("must match {pattern}")),
        // The library's words for everything else, without the value, which may be long.
        _ => line(error.masked().to_string()),
    }
}

/// A name from an answer, short enough for an error message.
fn clipped(name: &str) -> String {
    name.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_is_found_wherever_a_model_puts_it() {
        let wanted = Some(json!({"a": "}{"}));
        for text in [
            r#"{"a": "}{"}"#,
            "Here it is:\n```json\n{\"a\": \"}{\"}\n```\nDone.",
            "```\n[1]\n```\nbut then {\"a\": \"}{\"} and {more}",
            "Use {braces} like {\"a\": \"}{\"}",
        ] {
            assert_eq!(extract(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_cut_answer_is_no_object() {
        for text in ["", "{\"a\": \"b", "[1, 2]", "no json", "```json\n{\"a\":\n```"] {
            assert_eq!(extract(text), None, "{text}");
        }
    }
}
