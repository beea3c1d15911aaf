//! The constraint on an answer: a JSON schema compiled to what may come next.

use actors::ports::ModelError;
use llguidance::{Matcher, ParserFactory, api::TopLevelGrammar};
use serde_json::{Value, json};
use toktrie::{SimpleVob, TokEnv};

use super::engine::EngineError;

/// Compiles schemas for one vocabulary.
pub(super) struct Grammars {
    factory: ParserFactory,
}

impl std::fmt::Debug for Grammars {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grammars").finish_non_exhaustive()
    }
}

impl Grammars {
    /// For the tokens of one vocabulary.
    pub(super) fn new(environment: TokEnv) -> Result<Self, EngineError> {
        let mut factory =
            ParserFactory::new_simple(&environment).map_err(|error| EngineError::Grammar(error.to_string()))?;
        factory.quiet();
        Ok(Self { factory })
    }

    /// Compiles `schema`.
    pub(super) fn constraint(&self, schema: &Value) -> Result<Constraint, ModelError> {
        let refuse =
            |error: String| ModelError::Refused(format!("the schema cannot constrain the embedded model: {error}"));
        let grammar = TopLevelGrammar::from_json_schema(prepared(schema));
        let matcher = Matcher::new(self.factory.create_parser(grammar));
        match matcher.get_error() {
            Some(error) => Err(refuse(error)),
            None => Ok(Constraint { matcher }),
        }
    }
}

/// What may come next in one answer.
pub(super) struct Constraint {
    matcher: Matcher,
}

impl Constraint {
    /// The tokens that may come next, the end of the answer among them where it is whole.
    pub(super) fn allowed(&mut self) -> Result<SimpleVob, ModelError> {
        self.matcher.compute_mask_or_eos().map_err(|error| broken(&error))
    }

    /// Takes the token that was chosen.
    pub(super) fn accept(&mut self, token: u32) -> Result<(), ModelError> {
        self.matcher.consume_token(token).map_err(|error| broken(&error))
    }

    /// Tokens that can only come next in this order, already taken.
    pub(super) fn forced(&mut self) -> Vec<u32> {
        self.matcher.consume_ff_tokens()
    }

    /// Says whether the answer is whole and nothing can follow.
    pub(super) fn is_finished(&self) -> bool {
        self.matcher.is_stopped()
    }
}

fn broken(error: &impl std::fmt::Display) -> ModelError {
    ModelError::Unavailable(format!("the constraint on the answer failed: {error}"))
}

/// `schema` with the whitespace fixed (a small model loops on free whitespace) and without our own annotations, which
/// the compiler does not know.
fn prepared(schema: &Value) -> Value {
    let mut schema = schema.clone();
    strip(&mut schema);
    if let Some(object) = schema.as_object_mut() {
        let layout = json!({ "whitespace_flexible": false, "item_separator": ", ", "key_separator": ": " });
        object.insert("x-guidance".to_owned(), layout);
    }
    schema
}

/// Takes annotations out of a schema and every schema in it.
fn strip(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    object.retain(|key, _| !key.starts_with("x-"));
    for (key, value) in object {
        match key.as_str() {
            // The keys of these are names, not keywords.
            "properties" | "$defs" | "definitions" => {
                value
                    .as_object_mut()
                    .into_iter()
                    .flatten()
                    .for_each(|(_, schema)| strip(schema));
            }
            "anyOf" | "oneOf" | "allOf" | "prefixItems" => {
                value.as_array_mut().into_iter().flatten().for_each(strip);
            }
            "items" | "additionalProperties" | "not" => strip(value),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use actors::{ports::Profile, workflows::planning::phase::PhaseId};
    use toktrie::ApproximateTokEnv;

    use super::*;

    /// Whether a schema compiles does not depend on the tokens, so single bytes will do.
    fn grammars() -> Grammars {
        Grammars::new(ApproximateTokEnv::single_byte_env()).unwrap()
    }

    #[test]
    fn every_phase_can_be_asked_of_the_embedded_model() {
        let grammars = grammars();
        for id in PhaseId::ALL {
            let schema = id.phase().schema_for(Profile::Embedded);
            let mut constraint = grammars
                .constraint(&schema)
                .unwrap_or_else(|error| panic!("{}: {error}", id.as_str()));
            let allowed = constraint.allowed().unwrap();
            let first: Vec<u32> = (0..256).filter(|token| allowed.is_allowed(*token)).collect();
            assert_eq!(first, [u32::from(b'{')], "{}", id.as_str());
        }
    }

    #[test]
    fn a_pattern_that_cannot_be_compiled_is_refused() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "^(?=b)(a)\\1$"}}});
        assert!(matches!(grammars().constraint(&schema), Err(ModelError::Refused(_))));
    }

    #[test]
    fn annotations_go_and_properties_of_the_same_spelling_stay() {
        let schema = json!({
            "type": "object",
            "x-judgement": "neutral",
            "properties": {
                "x-height": { "type": "integer", "x-judgement": 5 },
                "list": { "type": "array", "items": { "anyOf": [{ "x-a": 1, "type": "string" }] } },
            },
        });
        let prepared = prepared(&schema);
        assert_eq!(prepared["properties"]["x-height"], json!({ "type": "integer" }));
        assert_eq!(
            prepared["properties"]["list"]["items"]["anyOf"][0],
            json!({ "type": "string" })
        );
        assert_eq!(prepared.get("x-judgement"), None);
        assert_eq!(prepared["x-guidance"]["whitespace_flexible"], false);
    }
}
