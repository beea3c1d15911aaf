//! What a reader of fields takes, told by the reader itself: it runs once over nothing, and each field that it asks for is
//! noted with its bounds. The schemas in the API's document are made of this, so they cannot differ from what is checked.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};
use utoipa::openapi::{
    RefOr, Schema,
    schema::{AdditionalProperties, ArrayBuilder, Object, ObjectBuilder, SchemaFormat, SchemaType, Type},
};

use super::Fields;

/// One character that is neither U+0000 nor white space: what a text needs to be more than blank.
const INK: &str = r"[^\u0000\u0009-\u000d\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]";

/// Any character but U+0000.
const ANY: &str = r"[^\u0000]";

/// White space, as it is cut off at both ends of a text.
const BLANK: &str = r"[\u0009-\u000d\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]";

/// One character that is neither a control character nor white space.
const LETTER: &str = r"[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]";

/// One character of a line.
const LINE: &str = r"[^\u0000-\u001f\u007f-\u009f]";

/// Fields by their names, as the schema of an object.
#[derive(Clone, PartialEq)]
pub(crate) struct Description {
    object: Object,
    is_text: bool,
}

impl std::fmt::Debug for Description {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.object.properties.keys()).finish()
    }
}

/// The schema of the JSON object that a reader takes.
pub(crate) fn of_body<T>(read: impl FnOnce(&mut Fields) -> T) -> Object {
    Description::of(false, read).object
}

/// The schema of the query that a reader takes.
pub(crate) fn of_query<T>(read: impl FnOnce(&mut Fields) -> T) -> Object {
    Description::of(true, read).object
}

impl Description {
    fn of<T>(is_text: bool, read: impl FnOnce(&mut Fields) -> T) -> Self {
        let mut fields = Fields::new(Map::new(), is_text);
        fields.description = Some(Self::new(is_text));
        read(&mut fields);
        fields.description.unwrap_or_else(|| Self::new(is_text))
    }

    fn new(is_text: bool) -> Self {
        let object = ObjectBuilder::new().additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)));
        Self {
            object: object.build(),
            is_text,
        }
    }

    /// Notes a field that may be absent, and in JSON also `null`.
    fn optional(&mut self, name: &str, kind: Type, mut schema: Object) {
        if self.is_text {
            schema.schema_type = SchemaType::Type(kind);
        } else {
            schema.schema_type = SchemaType::Array(vec![kind, Type::Null]);
            if let Some(values) = &mut schema.enum_values {
                values.push(Value::Null);
            }
        }
        self.note(name, Schema::Object(schema));
    }

    fn note(&mut self, name: &str, schema: Schema) {
        self.object.properties.insert(name.to_owned(), RefOr::T(schema));
    }

    pub(super) fn says(&mut self, name: &str, about: &str, example: Value) {
        // What has no example is left out of those of the whole.
        let examples: Vec<_> = Some(example).filter(|example| !example.is_null()).into_iter().collect();
        let property = self.object.properties.get_mut(name);
        debug_assert!(property.is_some(), "{name} is explained before it is taken");
        match property {
            Some(RefOr::T(Schema::Object(schema))) => {
                schema.description = Some(about.to_owned());
                schema.examples = examples;
            }
            Some(RefOr::T(Schema::Array(schema))) => {
                schema.description = Some(about.to_owned());
                schema.examples = examples;
            }
            Some(_) | None => {}
        }
    }

    pub(super) fn needs_only(&mut self, name: &str) {
        self.object.required.retain(|needed| needed == name);
    }

    pub(super) fn anything(&mut self) {
        self.object.additional_properties = None;
    }

    pub(super) fn text(&mut self, name: &str, min: usize, max: usize) {
        let pattern = match min {
            0 | 1 => format!("^{ANY}*{INK}{ANY}*$"),
            // White space at the ends does not count.
            min => format!("^{ANY}*{INK}{ANY}{{{},}}{INK}{ANY}*$", min - 2),
        };
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(min.max(1)))
            .max_length(Some(max))
            .pattern(Some(pattern));
        self.needed(name, schema.build());
    }

    pub(super) fn line(&mut self, name: &str, max: usize) {
        let schema = ObjectBuilder::new()
            .min_length(Some(1))
            .max_length(Some(max))
            .pattern(Some(format!("^{BLANK}*{LETTER}(?:{LINE}*{LETTER})?{BLANK}*$")));
        self.needed(name, schema.schema_type(Type::String).build());
    }

    pub(super) fn secret(&mut self, name: &str, max: usize) {
        let schema = ObjectBuilder::new()
            .format(Some(SchemaFormat::Custom("password".to_owned())))
            .min_length(Some(1))
            .max_length(Some(max));
        self.needed(name, schema.schema_type(Type::String).build());
    }

    pub(super) fn email(&mut self, name: &str, max: usize) {
        let schema = ObjectBuilder::new()
            .format(Some(SchemaFormat::Custom("email".to_owned())))
            .max_length(Some(max));
        self.needed(name, schema.schema_type(Type::String).build());
    }

    fn needed(&mut self, name: &str, schema: Object) {
        self.note(name, Schema::Object(schema));
        self.object.required.push(name.to_owned());
    }

    pub(super) fn optional_text(&mut self, name: &str, max: usize) {
        let schema = ObjectBuilder::new()
            .max_length(Some(max))
            .pattern(Some(format!("^{ANY}*$")));
        self.optional(name, Type::String, schema.build());
    }

    pub(super) fn choice<'a>(&mut self, name: &str, names: impl Iterator<Item = &'a str>) {
        let schema = ObjectBuilder::new().enum_values(Some(names));
        self.optional(name, Type::String, schema.build());
    }

    pub(super) fn needed_choice<'a>(&mut self, name: &str, names: impl Iterator<Item = &'a str>) {
        let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
        self.needed(name, schema.build());
    }

    pub(super) fn flag(&mut self, name: &str) {
        self.optional(name, Type::Boolean, Object::new());
    }

    pub(super) fn integer(&mut self, name: &str, range: &RangeInclusive<u64>) {
        let schema = ObjectBuilder::new()
            .minimum(Some(*range.start()))
            .maximum(Some(*range.end()));
        self.optional(name, Type::Integer, schema.build());
    }

    pub(super) fn texts(&mut self, name: &str, most: usize, max: usize) {
        let item = ObjectBuilder::new()
            .schema_type(Type::String)
            .max_length(Some(max))
            .build();
        let mut schema = ArrayBuilder::new().items(item).max_items(Some(most)).build();
        if !self.is_text {
            schema.schema_type = SchemaType::Array(vec![Type::Array, Type::Null]);
        }
        self.note(name, Schema::Array(schema));
    }

    pub(super) fn object<T>(&mut self, name: &str, read: impl FnOnce(&mut Fields) -> T) -> T {
        let mut inner = Fields::new(Map::new(), self.is_text);
        inner.description = Some(Self::new(self.is_text));
        let value = read(&mut inner);
        if let Some(description) = inner.description {
            self.optional(name, Type::Object, description.object);
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        let read = |fields: &mut Fields| {
            fields.text("name", 5);
            fields.says("name", "What it is called", "Ann");
            fields.text_within("idea", 3, 9);
            fields.choice("role", &[("a", 1), ("b", 2)]);
            fields.integer("days", 1..=9);
            fields.texts("words", 2, 3);
            fields.object("config", |config| config.flag("quick"));
        };
        serde_json::to_value(of_body(read)).unwrap()
    }

    #[test]
    fn a_reader_tells_its_fields_with_their_bounds() {
        let schema = schema();
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["required"], json!(["name", "idea"]));
        let properties = &schema["properties"];
        assert_eq!(properties["name"]["maxLength"], 5);
        assert_eq!(properties["name"]["description"], "What it is called");
        assert_eq!(properties["role"]["enum"], json!(["a", "b", null]));
        assert_eq!(
            (&properties["days"]["minimum"], &properties["days"]["maximum"]),
            (&json!(1), &json!(9))
        );
        assert_eq!(properties["words"]["maxItems"], 2);
        assert_eq!(properties["config"]["additionalProperties"], false);
        assert_eq!(
            properties["config"]["properties"]["quick"]["type"],
            json!(["boolean", "null"])
        );
    }

    #[test]
    fn the_schema_takes_what_the_reader_takes() {
        let validator = jsonschema::validator_for(&schema()).unwrap();
        let body = |name: &str, idea: &str| json!({ "name": name, "idea": idea });
        for (instance, is_valid) in [
            (body("Ann", "abc"), true),
            (body(" a ", "  a c  "), true),
            (body("\u{1c}", "öäü"), true),
            (body(" \u{2003} ", "abc"), false),
            (body("Ann", "  a  "), false),
            (body("An\u{0}", "abc"), false),
            (body("Annabel", "abc"), false),
        ] {
            assert_eq!(validator.is_valid(&instance), is_valid, "{instance}");
            let Value::Object(values) = instance.clone() else {
                panic!("an object")
            };
            let mut fields = Fields::new(values, false);
            fields.text("name", 5);
            fields.text_within("idea", 3, 9);
            assert_eq!(fields.finish().is_ok(), is_valid, "{instance}");
        }
    }
}
