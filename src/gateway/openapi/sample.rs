//! Examples of bodies and answers, put together from the examples of their fields.

use serde_json::{Map, Value};

/// How deep an example goes into schemas that hold schemas.
const DEPTH_MAX: usize = 12;

/// Gives each JSON body and answer without an example one.
pub(super) fn fill(document: &mut Value) {
    let schemas = document["components"]["schemas"].clone();
    let Some(paths) = document["paths"].as_object_mut() else {
        return;
    };
    let operations = paths
        .values_mut()
        .filter_map(Value::as_object_mut)
        .flat_map(|item| item.values_mut());
    for operation in operations {
        if let Some(contents) = operation.pointer_mut("/requestBody/content") {
            fill_contents(contents, &schemas);
        }
        let answers = operation["responses"]
            .as_object_mut()
            .into_iter()
            .flat_map(|map| map.values_mut());
        for answer in answers {
            if let Some(contents) = answer.get_mut("content") {
                fill_contents(contents, &schemas);
            }
        }
    }
}

fn fill_contents(contents: &mut Value, schemas: &Value) {
    let Some(contents) = contents.as_object_mut() else {
        return;
    };
    for (media_type, content) in contents {
        let Some(content) = content.as_object_mut() else {
            continue;
        };
        if media_type.ends_with("json") && !content.contains_key("example") {
            let example = of(content.get("schema").unwrap_or(&Value::Null), schemas, 0);
            content.insert("example".to_owned(), example);
        }
    }
}

/// A value that a schema describes.
fn of(schema: &Value, schemas: &Value, depth: usize) -> Value {
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    if let Some(example) = schema.get("example").or_else(|| schema["examples"].get(0)) {
        return example.clone();
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return of(&schemas[name], schemas, depth + 1);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let mut whole = Map::new();
        for part in parts {
            if let Value::Object(members) = of(part, schemas, depth + 1) {
                whole.extend(members);
            }
        }
        return Value::Object(whole);
    }
    if let Some(choices) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
        // The more telling one of a value and its absence.
        let first = choices.iter().find(|choice| choice["type"] != "null");
        return first.map_or(Value::Null, |choice| of(choice, schemas, depth + 1));
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.first().cloned().unwrap_or_default();
    }
    let kind = schema["type"].as_str().or_else(|| {
        let kinds = schema["type"].as_array()?;
        // What may be absent is so in an example, unless it says how it looks.
        kinds.iter().any(|kind| kind == "null").then_some("null")
    });
    match kind {
        Some("object") => Value::Object(members(schema, schemas, depth)),
        Some("array") => match schema.get("items") {
            Some(items) => Value::from(vec![of(items, schemas, depth + 1)]),
            None => Value::from(Vec::<Value>::new()),
        },
        Some("string") => Value::from("text"),
        Some("integer") => schema.get("minimum").cloned().unwrap_or_else(|| Value::from(0)),
        Some("number") => Value::from(7.5),
        Some("boolean") => Value::from(false),
        Some(_) | None => Value::Null,
    }
}

fn members(schema: &Value, schemas: &Value, depth: usize) -> Map<String, Value> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let needed = |name: &str| {
        schema["required"]
            .as_array()
            .is_some_and(|required| required.iter().any(|needed| needed == name))
    };
    properties
        .filter_map(|(name, property)| {
            let value = of(property, schemas, depth + 1);
            (!value.is_null() || needed(name)).then(|| (name.clone(), value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_example_has_what_the_schema_asks_for() {
        let schemas = json!({
            "Role": { "type": "string", "enum": ["operator", "admin"] },
            "Member": {
                "type": "object",
                "required": ["user", "role"],
                "properties": {
                    "user": { "type": "string", "example": "ann" },
                    "role": { "$ref": "#/components/schemas/Role" },
                    "left": { "type": ["integer", "null"] },
                },
            },
        });
        let page = json!({ "type": "object", "properties": { "items": { "type": "array", "items": {
            "allOf": [{ "$ref": "#/components/schemas/Member" }, { "type": "object", "properties": { "since": {
                "type": "integer", "minimum": 1 } } }] } } } });
        assert_eq!(
            of(&page, &schemas, 0),
            json!({ "items": [{ "user": "ann", "role": "operator", "since": 1 }] })
        );
    }

    #[test]
    fn a_schema_that_holds_itself_comes_to_an_end() {
        let schemas = json!({ "Tree": { "type": "array", "items": { "$ref": "#/components/schemas/Tree" } } });
        assert!(of(&json!({ "$ref": "#/components/schemas/Tree" }), &schemas, 0).is_array());
    }
}
