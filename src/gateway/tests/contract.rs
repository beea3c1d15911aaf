//! Holds every answer of every test against the API's document: its status is told there, and its body fits.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock},
};

use jsonschema::Validator;
use serde_json::{Value, json};

use super::bench::Answer;
use crate::gateway::openapi::{self, CODES};

/// The document, with objects in answers closed, so that members which are not told are found too.
pub(super) fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let mut document = openapi::document();
        let mut parts = Vec::new();
        parts_of_others(&document["components"]["schemas"], &mut parts);
        let schemas = document["components"]["schemas"].as_object_mut().unwrap();
        for (name, schema) in schemas {
            close(schema, parts.contains(name));
        }
        document
    })
}

/// The schemas that others are made of; what they leave open the others close.
fn parts_of_others(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            for part in members.get("allOf").and_then(Value::as_array).into_iter().flatten() {
                if let Some(reference) = part["$ref"].as_str() {
                    found.push(reference.rsplit('/').next().unwrap().to_owned());
                }
            }
            members.values().for_each(|member| parts_of_others(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| parts_of_others(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn close(schema: &mut Value, is_part: bool) {
    let Some(members) = schema.as_object_mut() else {
        return;
    };
    if !is_part && (members.contains_key("properties") || members.contains_key("allOf")) {
        members.insert("unevaluatedProperties".to_owned(), Value::Bool(false));
    }
    for (name, member) in members {
        match (name.as_str(), member) {
            ("properties", Value::Object(properties)) => properties.values_mut().for_each(|one| close(one, false)),
            ("items", items) => close(items, false),
            ("allOf", Value::Array(parts)) => parts.iter_mut().for_each(|part| close(part, true)),
            ("oneOf" | "anyOf", Value::Array(choices)) => choices.iter_mut().for_each(|choice| close(choice, false)),
            (_, _) => {}
        }
    }
}

/// The faults of a value by the schema at a place of the document.
pub(super) fn faults(place: &str, value: &Value) -> Vec<String> {
    static VALIDATORS: OnceLock<Mutex<HashMap<String, Arc<Validator>>>> = OnceLock::new();
    let validators = VALIDATORS.get_or_init(Mutex::default);
    let validator = {
        let mut validators = validators.lock().unwrap();
        let made = validators.entry(place.to_owned()).or_insert_with(|| {
            let schema = document()
                .pointer(place)
                .unwrap_or_else(|| panic!("nothing at {place}"));
            let mut schema = schema.clone();
            schema["components"] = document()["components"].clone();
            Arc::new(jsonschema::validator_for(&schema).unwrap())
        });
        Arc::clone(made)
    };
    validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// A path as one step of a JSON pointer.
pub(super) fn step(path: &str) -> String {
    path.replace('~', "~0").replace('/', "~1")
}

/// Asserts that an answer is one that the document tells; pages and addresses that do not exist are not in it.
#[track_caller]
pub(super) fn check(method: &str, pattern: Option<&str>, answer: &Answer) {
    let Some(pattern) = pattern else {
        return;
    };
    let operation = format!("/paths/{}/{}", step(pattern), method.to_lowercase());
    if document().pointer(&operation).is_none() {
        return;
    }
    let what = format!("{method} {pattern}: {} {:?}", answer.status, answer.body);
    let place = format!("{operation}/responses/{}", answer.status.as_u16());
    let told = document().pointer(&place);
    let told = told.unwrap_or_else(|| panic!("the document does not tell of {what}"));
    let kind = answer.header("content-type");
    let Some(contents) = told["content"].as_object() else {
        assert!(answer.body.is_empty(), "the document tells of no body: {what}");
        return;
    };
    let (media_type, content) = contents
        .iter()
        .find(|(media_type, _)| essence(media_type) == essence(kind))
        .unwrap_or_else(|| panic!("the document does not tell of {kind}: {what}"));
    if essence(kind).ends_with("json") {
        let place = format!("{place}/content/{}/schema", step(media_type));
        assert!(content["example"] != Value::Null, "no example: {what}");
        let faults = faults(&place, &answer.json());
        assert!(faults.is_empty(), "{faults:?}: {what}");
    }
    if essence(kind) == "application/problem+json" {
        let code = &answer.json()["code"];
        let codes = told[CODES].as_array().unwrap();
        assert!(codes.contains(code), "{code} is not among {}: {what}", json!(codes));
    }
}

fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}
