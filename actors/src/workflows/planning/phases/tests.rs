//! What must hold for every phase.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    ports::Profile,
    workflows::planning::{
        document::{Block, escape, markdown, readable},
        phase::{Phase, PhaseId, evidence, keep_fetched},
        sample,
        schema::{asked_leaves, form::TAIL, longest_answer, remote, stored},
    },
};

mod refusals;

/// Long enough to pass as a sentence or a paragraph, so that only the echo is wrong with it.
const IDEA: &str = "A neighbourhood service that lends ladders, saws and pumps to the people of one street, tracks who has which \
    tool, reminds them kindly when somebody else waits for it, and orders repairs before a tool fails for good, so that a \
    shed which stands on common ground replaces twenty private ones";

/// Characters per token of English JSON, on the low side.
const CHARS_PER_TOKEN: usize = 4;

fn phases() -> impl Iterator<Item = &'static Phase> {
    PhaseId::ALL.into_iter().map(PhaseId::phase)
}

fn accepted(phase: &Phase, profile: Profile) -> Value {
    let answer = match profile {
        Profile::Full => sample::full(phase, 3),
        Profile::Embedded => sample::embedded(phase, 3),
    };
    phase
        .accept(profile, IDEA, &answer.to_string())
        .unwrap_or_else(|errors| panic!("{:?}: {errors:#?}", phase.id))
}

/// Every text of a value with its pointer.
fn texts(value: &Value) -> Vec<(String, String)> {
    fn walk(value: &Value, path: &str, found: &mut Vec<(String, String)>) {
        match value {
            Value::String(text) => found.push((path.to_owned(), text.clone())),
            Value::Array(items) => {
                items
                    .iter()
                    .enumerate()
                    .for_each(|(index, item)| walk(item, &format!("{path}/{index}"), found));
            }
            Value::Object(fields) => fields
                .iter()
                .for_each(|(name, item)| walk(item, &format!("{path}/{name}"), found)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut found = Vec::new();
    walk(value, "", &mut found);
    found
}

/// The schema node at a pointer into a value.
fn node<'a>(schema: &'a Value, path: &str) -> &'a Value {
    path.split('/').skip(1).fold(schema, |node, part| {
        if part.parse::<usize>().is_ok() {
            &node["items"]
        } else {
            &node["properties"][part]
        }
    })
}

#[test]
fn each_phase_is_found_under_its_name_and_number() {
    for (index, id) in PhaseId::ALL.into_iter().enumerate() {
        assert_eq!(id.phase().id, id);
        assert_eq!(id.number() as usize, index + 1);
        assert_eq!(PhaseId::parse(id.as_str()), Some(id));
    }
    assert_eq!(PhaseId::parse("gtm"), None);
}

#[test]
fn upstream_phases_come_earlier_and_once() {
    for phase in phases() {
        assert!(
            phase.upstream.iter().all(|upstream| *upstream < phase.id),
            "{:?}",
            phase.id
        );
        assert!(phase.upstream.is_sorted_by(|a, b| a < b), "{:?}", phase.id);
        assert_eq!(phase.upstream.is_empty(), phase.id == PhaseId::Opportunity);
    }
    let stages: Vec<_> = phases().map(|phase| phase.stage).collect();
    assert!(stages.is_sorted());
}

#[test]
fn a_small_model_gets_a_short_question_and_room_for_its_answer() {
    for phase in phases() {
        // The purpose is all that a small model is told of the phase.
        let words = phase.purpose.split_whitespace().count();
        assert!((6..=24).contains(&words), "{:?} has {words} words", phase.id);
        assert!(
            phase.max_tokens_for(Profile::Embedded) as usize > longest_answer(&phase.schema_for(Profile::Embedded)) / 3
        );
        assert_eq!(phase.max_tokens_for(Profile::Full), phase.max_tokens);
    }
}

#[test]
fn instructions_are_neither_thin_nor_long() {
    for phase in phases() {
        let words = phase.instructions.split_whitespace().count();
        assert!((120..=300).contains(&words), "{:?} has {words} words", phase.id);
    }
}

#[test]
fn completed_answers_of_the_embedded_model_satisfy_what_is_stored() {
    for phase in phases() {
        let content = accepted(phase, Profile::Embedded);
        let validator = jsonschema::validator_for(&stored(&(phase.schema)())).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&content)
            .map(|e| format!("{}: {e}", e.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{:?}: {errors:#?}", phase.id);
    }
}

#[test]
fn generated_answers_are_accepted_in_both_profiles_for_many_seeds() {
    for phase in phases() {
        for seed in 0..8 {
            let full = sample::full(phase, seed);
            let answers = [
                (Profile::Full, full),
                (Profile::Embedded, sample::embedded(phase, seed)),
            ];
            for (profile, answer) in answers {
                let content = phase.accept(profile, IDEA, &format!("```json\n{answer:#}\n```"));
                assert!(
                    content.is_ok(),
                    "{:?}, seed {seed}: {:#?}",
                    phase.id,
                    content.unwrap_err()
                );
            }
        }
    }
}

#[test]
fn accepted_content_is_accepted_again() {
    for phase in phases() {
        let content = accepted(phase, Profile::Full);
        assert_eq!(
            phase.accept(Profile::Full, IDEA, &content.to_string()).as_ref(),
            Ok(&content),
            "{:?}",
            phase.id
        );
    }
}

#[test]
fn the_idea_is_filled_in_and_not_asked() {
    let content = accepted(PhaseId::Opportunity.phase(), Profile::Full);
    assert_eq!(content["originalIdea"], IDEA);
    assert_eq!(content.as_object().unwrap().keys().next().unwrap(), "originalIdea");
    assert!(
        PhaseId::Opportunity.phase().schema_for(Profile::Full)["properties"]
            .get("originalIdea")
            .is_none()
    );
}

#[test]
fn documents_show_every_text_and_no_data() {
    for phase in phases() {
        for profile in [Profile::Full, Profile::Embedded] {
            let content = accepted(phase, profile);
            let blocks = (phase.document)(&content);
            let text = markdown(&blocks);
            for (path, leaf) in texts(&content) {
                let is_code = node(&(phase.schema)(), &path)["x-kind"] == "code";
                let wanted = if is_code { leaf.clone() } else { escape(readable(&leaf)) };
                if readable(&leaf) == "not assessed" {
                    assert!(text.to_lowercase().contains("not assessed"), "{:?} {path}", phase.id);
                } else {
                    assert!(
                        text.contains(&wanted),
                        "{:?}: {path} ({wanted}) is not shown:\n{text}",
                        phase.id
                    );
                }
            }
            for trace in ["{", "}", "null", "NOT_ASSESSED", "\":"] {
                assert!(
                    !text.contains(trace),
                    "{:?} in {profile:?} shows {trace}:\n{text}",
                    phase.id
                );
            }
            let mut level = 1;
            for block in &blocks {
                if let Block::Heading(deeper, title) = block {
                    assert!(
                        (2..=5).contains(deeper) && *deeper <= level + 1,
                        "{:?}: {title} jumps to {deeper}",
                        phase.id
                    );
                    level = *deeper;
                }
            }
        }
    }
}

#[test]
fn what_nobody_judged_is_said() {
    for phase in phases() {
        let text = markdown(&(phase.document)(&accepted(phase, Profile::Embedded)));
        assert!(text.to_lowercase().contains("not assessed"), "{:?}", phase.id);
    }
    let text = markdown(&(PhaseId::KillTest.phase().document)(&accepted(
        PhaseId::KillTest.phase(),
        Profile::Embedded,
    )));
    assert!(text.contains("GO, not assessed"), "{text}");
}

#[test]
fn decisions_are_few_and_short() {
    for phase in phases() {
        for profile in [Profile::Full, Profile::Embedded] {
            let lines = (phase.decisions)(&accepted(phase, profile));
            assert!((1..=6).contains(&lines.len()), "{:?}: {lines:?}", phase.id);
            for line in lines {
                assert!(
                    line.chars().count() <= 220 && !line.contains('\n'),
                    "{:?}: {line}",
                    phase.id
                );
                assert!(
                    profile == Profile::Full || phase.id == PhaseId::KillTest || !line.contains("not assessed"),
                    "{line}"
                );
            }
        }
        assert!((phase.decisions)(&json!({})).len() <= 6);
    }
}

#[test]
fn the_embedded_model_is_asked_for_little() {
    let mut total = 0;
    for phase in phases() {
        let asked = phase.schema_for(Profile::Embedded);
        let (leaves, tokens) = (asked_leaves(&asked), longest_answer(&asked) / CHARS_PER_TOKEN);
        assert!(leaves <= 18, "{:?} asks for {leaves} texts", phase.id);
        assert!(tokens <= 500, "{:?} may take {tokens} tokens", phase.id);
        total += tokens;
    }
    assert!(total <= 5_500, "all phases may take {total} tokens");
}

#[test]
fn everything_that_the_embedded_model_is_asked_is_bounded() {
    fn check(schema: &Value, path: &str) {
        let allowed: &[&str] = match schema["type"].as_str() {
            Some("object") => {
                assert_eq!(schema["additionalProperties"], json!(false), "{path}");
                assert_eq!(
                    schema["required"].as_array().unwrap().len(),
                    schema["properties"].as_object().unwrap().len()
                );
                schema["properties"]
                    .as_object()
                    .unwrap()
                    .iter()
                    .for_each(|(name, node)| check(node, &format!("{path}/{name}")));
                &["type", "properties", "required", "additionalProperties", "x-guidance"]
            }
            Some("array") => {
                assert!((1..=2).contains(&schema["maxItems"].as_u64().unwrap()), "{path}");
                check(&schema["items"], path);
                &["type", "items", "minItems", "maxItems"]
            }
            Some("string") => {
                let pattern = schema["pattern"].as_str().unwrap();
                assert!(
                    pattern.starts_with('^') && pattern.ends_with('$') && !pattern.contains(['*', '+']),
                    "{path}"
                );
                &["type", "pattern"]
            }
            other => panic!("{path} asks for {other:?}"),
        };
        for keyword in schema.as_object().unwrap().keys() {
            assert!(allowed.contains(&keyword.as_str()), "{path} uses {keyword}");
        }
        assert_eq!(schema.get("x-guidance").is_some(), path.is_empty());
    }
    phases().for_each(|phase| check(&phase.schema_for(Profile::Embedded), ""));
}

#[test]
fn remote_schemas_carry_no_limits_but_describe_them() {
    for phase in phases() {
        for source in [(phase.schema)(), (*phase.schema_for(Profile::Full)).clone()] {
            let schema = remote(&source);
            let text = schema.to_string();
            for keyword in [
                "minLength",
                "maxLength",
                "minItems",
                "maxItems",
                "minimum",
                "maximum",
                "\"pattern\"",
                "x-",
            ] {
                assert!(
                    !text.contains(&format!("{keyword}\"").replace("\"\"", "\"")) || keyword == "x-",
                    "{keyword}"
                );
            }
            assert!(!text.contains("\"x-"), "{:?}", phase.id);
            assert!(text.contains(" characters\""), "{:?}", phase.id);
            let validator = jsonschema::validator_for(&schema).unwrap();
            assert!(validator.is_valid(&sample::full(phase, 2)));
            assert!(!validator.is_valid(&json!({})));
        }
    }
}

#[test]
fn claims_are_linked_to_fetched_pages_only() {
    let phase = PhaseId::MarketResearch.phase();
    let mut content = accepted(phase, Profile::Full);
    let url = content["citations"][1]["urls"][0].as_str().unwrap().to_owned();
    let fetched = BTreeSet::from([url.clone()]);
    let found = evidence(&content, &fetched);
    assert_eq!(found.len(), content["citations"].as_array().unwrap().len());
    assert_eq!(found.iter().filter(|claim| !claim.sources.is_empty()).count(), 1);
    assert_eq!(found[1].sources, [url.as_str()]);

    keep_fetched(&mut content, &fetched);
    let addresses: Vec<String> = texts(&content)
        .into_iter()
        .map(|(_, text)| text)
        .filter(|t| t.starts_with("http"))
        .collect();
    assert_eq!(addresses, [url]);
    assert!(phase.accept(Profile::Full, IDEA, &content.to_string()).is_ok());
    assert!(markdown(&(phase.document)(&content)).contains("no evidence"));
}

#[test]
fn searches_and_queries_are_about_the_idea() {
    let searching: Vec<PhaseId> = phases()
        .filter(|phase| !(phase.searches)("garden tools").is_empty())
        .map(|p| p.id)
        .collect();
    assert_eq!(searching, PhaseId::ALL[..11]);
    for phase in phases() {
        assert!(
            (phase.searches)("garden tools")
                .iter()
                .all(|query| query.starts_with("garden tools "))
        );
        assert!((phase.query)("garden tools").contains("garden tools"));
    }
    let queries: BTreeSet<String> = phases().map(|phase| (phase.query)("garden tools")).collect();
    assert_eq!(queries.len(), 15);
}
