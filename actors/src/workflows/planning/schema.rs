//! Schemas of phase answers: a small set of builders, and the forms that a schema takes for each kind of model.
//!
//! A phase is described once, with annotations (`x-…`) that no provider sees. From that come the strict schema ([`full`]),
//! what the embedded model is asked ([`embedded`]) and how its answer is completed ([`fill`]), and what strict remote
//! providers accept ([`remote`]). Property order carries meaning: a model writes the reasons before what follows from them.

use serde_json::{Map, Value, json};

pub(super) mod form;

pub use form::{asked_leaves, embedded, fill, full, longest_answer, neutral, remote, stored};

/// What stands in a text field that nobody judged.
pub const NOT_ASSESSED: &str = "not assessed";

/// The same in a field whose values are written in capitals.
pub const NOT_ASSESSED_UPPER: &str = "NOT_ASSESSED";

/// Most addresses that one claim may cite.
const MAX_URLS: u32 = 5;

/// Free text of `min` to `max` characters.
#[must_use]
pub fn text(min: u32, max: u32) -> Value {
    json!({"type": "string", "minLength": min, "maxLength": max, "x-kind": "text"})
}

/// One sentence or two.
#[must_use]
pub fn sentence() -> Value {
    text(24, 320)
}

/// A paragraph.
#[must_use]
pub fn paragraph() -> Value {
    text(80, 1200)
}

/// A name or a short phrase.
#[must_use]
pub fn label() -> Value {
    json!({"type": "string", "minLength": 2, "maxLength": 90, "x-kind": "label"})
}

/// The path of a page or a route, starting with a slash.
#[must_use]
pub fn path() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": 120, "pattern": "^/[^\\s]*$", "x-kind": "path"})
}

/// A name in lower case with underscores, as an event or a setting has.
#[must_use]
pub fn identifier() -> Value {
    json!({"type": "string", "minLength": 3, "maxLength": 60, "pattern": "^[A-Za-z][A-Za-z0-9_.-]*$", "x-kind": "identifier"})
}

/// Literal text such as a table definition, of `min` to `max` characters. The embedded model is not asked for it.
#[must_use]
pub fn code(min: u32, max: u32) -> Value {
    json!({"type": "string", "minLength": min, "maxLength": max, "x-kind": "code", "x-asked": false})
}

/// Addresses of pages. An empty list says that there are none, never that they were forgotten.
#[must_use]
pub fn urls() -> Value {
    json!({
        "type": "array", "minItems": 0, "maxItems": MAX_URLS, "x-asked": false,
        "items": {"type": "string", "minLength": 10, "maxLength": 500, "pattern": "^https?://[^\\s]+$", "x-kind": "url"},
    })
}

/// A list of `min` to `max` items.
#[must_use]
pub fn list(min: u32, max: u32, item: Value) -> Value {
    json!({"type": "array", "minItems": min, "maxItems": max, "items": item})
}

/// An object with exactly these properties.
#[must_use]
pub fn object<const N: usize>(properties: [(&str, Value); N]) -> Value {
    let required: Vec<&str> = properties.iter().map(|(name, _)| *name).collect();
    let required = json!(required);
    let properties: Map<String, Value> = properties
        .into_iter()
        .map(|(name, node)| (name.to_owned(), node))
        .collect();
    json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties})
}

/// One of a few words. Choosing is judging, so the embedded model is not asked.
#[must_use]
pub fn one_of(options: &[&str]) -> Value {
    let upper = options
        .first()
        .is_some_and(|option| option.chars().all(|c| c.is_ascii_uppercase() || c == '_'));
    let neutral = if upper { NOT_ASSESSED_UPPER } else { NOT_ASSESSED };
    json!({"type": "string", "enum": options, "x-kind": "choice", "x-asked": false, "x-neutral": neutral})
}

/// A mark from 0 to 10.
#[must_use]
pub fn score() -> Value {
    json!({"type": "number", "minimum": 0, "maximum": 10, "x-asked": false})
}

/// A share from 0 to 1.
#[must_use]
pub fn share() -> Value {
    json!({"type": "number", "minimum": 0, "maximum": 1, "x-asked": false})
}

/// An amount of money or of anything else that is not negative.
#[must_use]
pub fn amount() -> Value {
    json!({"type": "number", "minimum": 0, "maximum": 1_000_000_000_000_u64, "x-asked": false})
}

/// A whole number from `min` to `max`.
#[must_use]
pub fn count(min: u32, max: u32) -> Value {
    json!({"type": "integer", "minimum": min, "maximum": max, "x-asked": false})
}

/// Yes or no.
#[must_use]
pub fn flag() -> Value {
    json!({"type": "boolean", "x-asked": false})
}

/// Claims and the pages that support them; no pages means that the claim is assumed.
#[must_use]
pub fn citations(min: u32) -> Value {
    detail(list(min, 12, object([("claim", sentence()), ("urls", urls())])))
}

/// Notes and amounts under free names, for example costs by service.
#[must_use]
pub fn entries(min: u32, max: u32) -> Value {
    list(min, max, object([("name", label()), ("value", text(2, 240))]))
}

/// A field beyond the embedded model: it is not asked there, and says so.
#[must_use]
pub fn detail(mut node: Value) -> Value {
    node["x-asked"] = json!(false);
    node
}

/// The same field with another neutral value.
#[must_use]
pub fn or(mut node: Value, neutral: Value) -> Value {
    node["x-asked"] = json!(false);
    node["x-neutral"] = neutral;
    node
}

/// A text or a name that the embedded model does not begin itself: `lead` is given, and it goes on from there to a sentence. A model this small stays
/// with its subject only when it is led, and different beginnings keep its answers apart.
#[must_use]
pub fn led(lead: &str, mut node: Value) -> Value {
    node["x-lead"] = json!(lead);
    node
}

/// A list of which the embedded model is asked for one item only.
#[must_use]
pub fn single(mut node: Value) -> Value {
    node["x-most"] = json!(1);
    node
}

/// The idea itself: no model is asked to repeat it, it is filled in.
#[must_use]
pub fn given() -> Value {
    json!({"type": "string", "minLength": 1, "x-given": true})
}
