//! Methods as tools. The protocol wants an object on both sides: what is none stands in one, under a name.

use std::sync::Arc;

use actors::agents::MethodInfo;
use rmcp::model::{CallToolResult, JsonObject, Tool};
use serde_json::{Map, Value, json};

/// The arguments of a method that takes no object.
const ARGS: &str = "args";
/// The answer of a method that gives no object.
const RESULT: &str = "result";
/// The answer of a method that gives parts.
const PARTS: &str = "parts";

/// A method as clients see it.
pub(super) fn tool(method: &MethodInfo) -> Tool {
    let about = method.about.clone();
    Tool::new(method.name, about, Arc::new(input(&method.args))).with_raw_output_schema(Arc::new(output(method)))
}

/// What a method is called with, as a list.
pub(super) fn arguments(method: &MethodInfo, mut given: JsonObject) -> Vec<Value> {
    match type_of(&method.args) {
        "object" => vec![Value::Object(given)],
        "null" => Vec::new(),
        _ => vec![given.remove(ARGS).unwrap_or_default()],
    }
}

/// What a method answered.
pub(super) fn result(method: &MethodInfo, answer: Value) -> CallToolResult {
    let name = match (method.is_streaming, type_of(&method.reply)) {
        (true, _) => PARTS,
        (false, "object") => return CallToolResult::structured(answer),
        (false, _) => RESULT,
    };
    CallToolResult::structured(json!({ name: answer }))
}

fn input(args: &Value) -> JsonObject {
    match (type_of(args), args) {
        ("object", Value::Object(schema)) => {
            let mut schema = schema.clone();
            // Some clients take nothing else for a tool.
            schema.entry("properties").or_insert_with(|| json!({}));
            schema
        }
        ("null", _) => object(Map::new(), None),
        _ => wrapped(ARGS, args, |schema| schema),
    }
}

fn output(method: &MethodInfo) -> JsonObject {
    match (method.is_streaming, type_of(&method.reply), &method.reply) {
        (true, _, reply) => wrapped(PARTS, reply, |part| json!({ "type": "array", "items": part })),
        (false, "object", Value::Object(schema)) => schema.clone(),
        (false, _, reply) => wrapped(RESULT, reply, |schema| schema),
    }
}

/// The type that a schema names; none if it names several, or says it otherwise.
fn type_of(schema: &Value) -> &str {
    schema["type"].as_str().unwrap_or_default()
}

/// The schema of an object with one member. What a schema refers to by its place stays where it was.
fn wrapped(name: &str, schema: &Value, place: impl FnOnce(Value) -> Value) -> JsonObject {
    let mut schema = schema.clone();
    let definitions = schema.as_object_mut().and_then(|schema| {
        schema.remove("$schema");
        schema.remove("$defs")
    });
    let mut members = Map::new();
    members.insert(name.to_owned(), place(schema));
    object(members, definitions)
}

fn object(members: JsonObject, definitions: Option<Value>) -> JsonObject {
    let required: Vec<_> = members.keys().cloned().map(Value::from).collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), Value::Object(members));
    schema.insert("required".to_owned(), Value::Array(required));
    schema.insert("additionalProperties".to_owned(), false.into());
    if let Some(definitions) = definitions {
        schema.insert("$defs".to_owned(), definitions);
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    fn method(args: Value, reply: Value, is_streaming: bool) -> MethodInfo {
        MethodInfo {
            name: "do",
            about: "Does it.".to_owned(),
            args,
            reply,
            is_streaming,
        }
    }

    fn given(value: Value) -> JsonObject {
        match value {
            Value::Object(object) => object,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn objects_are_taken_and_given_as_they_are() {
        let schema = json!({ "type": "object", "properties": { "a": { "type": "integer" } } });
        let method = method(schema.clone(), schema.clone(), false);
        let tool = tool(&method);
        assert_eq!(Value::Object((*tool.input_schema).clone()), schema);
        assert_eq!(Value::Object((*tool.output_schema.unwrap()).clone()), schema);
        assert_eq!(arguments(&method, given(json!({ "a": 1 }))), [json!({ "a": 1 })]);
        let result = result(&method, json!({ "a": 2 }));
        assert_eq!(result.structured_content, Some(json!({ "a": 2 })));
    }

    #[test]
    fn what_is_no_object_stands_in_one() {
        let pair =
            json!({ "type": "array", "items": { "$ref": "#/$defs/N" }, "$defs": { "N": { "type": "integer" } } });
        let method = method(pair, json!({ "type": "integer" }), false);
        let tool = tool(&method);
        assert_eq!(tool.input_schema["required"], json!(["args"]));
        assert_eq!(
            tool.input_schema["properties"]["args"]["items"],
            json!({ "$ref": "#/$defs/N" })
        );
        assert_eq!(tool.input_schema["$defs"], json!({ "N": { "type": "integer" } }));
        assert_eq!(arguments(&method, given(json!({ "args": [1, 2] }))), [json!([1, 2])]);
        assert_eq!(arguments(&method, given(json!({}))), [Value::Null]);
        assert_eq!(
            result(&method, json!(3)).structured_content,
            Some(json!({ "result": 3 }))
        );
    }

    #[test]
    fn a_method_without_arguments_takes_none() {
        let method = method(json!({ "type": "null" }), json!({ "type": "null" }), false);
        assert_eq!(tool(&method).input_schema["properties"], json!({}));
        assert!(arguments(&method, given(json!({}))).is_empty());
        assert_eq!(
            result(&method, Value::Null).structured_content,
            Some(json!({ "result": null }))
        );
    }

    #[test]
    fn parts_are_given_together() {
        let method = method(json!({ "type": "integer" }), json!({ "type": "integer" }), true);
        let schema = tool(&method).output_schema.unwrap();
        let parts = json!({ "type": "array", "items": { "type": "integer" } });
        assert_eq!(schema["properties"]["parts"], parts);
        let result = result(&method, json!([1, 2]));
        assert_eq!(result.structured_content, Some(json!({ "parts": [1, 2] })));
    }
}
