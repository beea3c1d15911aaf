//! What is no answer, in every phase.

use proptest::prelude::{Strategy, any, prop_oneof, proptest};

use super::*;

fn refused(phase: &Phase, profile: Profile, answer: &Value, path: &str, message: &str) {
    let errors = phase
        .accept(profile, IDEA, &answer.to_string())
        .expect_err("must be refused");
    assert!(errors.len() <= 10);
    assert!(
        errors
            .iter()
            .any(|error| error.starts_with(&format!("{path}: ")) && error.contains(message)),
        "{:?}: no error of {path} says {message}: {errors:#?}",
        phase.id
    );
}

#[test]
fn empty_and_broken_answers_are_refused() {
    for phase in phases() {
        for profile in [Profile::Full, Profile::Embedded] {
            for field in phase.schema_for(profile)["required"]
                .as_array()
                .unwrap()
                .iter()
                .take(10)
            {
                refused(
                    phase,
                    profile,
                    &json!({}),
                    &format!("/{}", field.as_str().unwrap()),
                    "is missing",
                );
            }
            for text in ["", "null", "[]", "I cannot help with that.", "{\"a\": "] {
                let errors = phase.accept(profile, IDEA, text).unwrap_err();
                assert_eq!(errors, ["answer: no complete JSON object was found"]);
            }
        }
    }
}

#[test]
fn each_missing_field_is_named() {
    for phase in phases() {
        let answer = sample::full(phase, 5);
        for name in answer.as_object().unwrap().keys() {
            let mut lacking = answer.clone();
            lacking.as_object_mut().unwrap().shift_remove(name);
            refused(phase, Profile::Full, &lacking, &format!("/{name}"), "is missing");
        }
    }
}

#[test]
fn a_field_too_many_is_named() {
    for phase in phases() {
        let mut answer = sample::full(phase, 5);
        answer["verdict"] = json!("GO");
        refused(phase, Profile::Full, &answer, "/verdict", "is not part of the schema");
    }
}

#[test]
fn short_texts_placeholders_echoes_and_spaces_are_refused_in_every_sentence() {
    for phase in phases() {
        let answer = sample::full(phase, 5);
        let schema = (phase.schema)();
        let mut echoed = 0;
        for (path, _) in texts(&answer) {
            let node = node(&schema, &path);
            if node["x-kind"] != "text" {
                continue;
            }
            let (least, most) = (
                node["minLength"].as_u64().unwrap() as usize,
                node["maxLength"].as_u64().unwrap() as usize,
            );
            let with = |text: &str| {
                let mut changed = answer.clone();
                *changed.pointer_mut(&path).unwrap() = json!(text);
                changed
            };
            refused(phase, Profile::Full, &with(""), &path, "is too short");
            if most >= 8 {
                refused(
                    phase,
                    Profile::Full,
                    &with(&format!("{}TBD", "TBD ".repeat(least.div_ceil(4)))),
                    &path,
                    "placeholder",
                );
            }
            if least >= 24 {
                refused(phase, Profile::Full, &with(&" ".repeat(least)), &path, "is too short");
                refused(
                    phase,
                    Profile::Full,
                    &with(&"a".repeat(least)),
                    &path,
                    "is not a sentence",
                );
            }
            if (least..=most).contains(&IDEA.len()) {
                refused(phase, Profile::Full, &with(IDEA), &path, "repeats the idea");
                echoed += 1;
            }
        }
        assert!(echoed > 0, "no text of {:?} can hold the idea", phase.id);
    }
}

#[test]
fn the_same_text_everywhere_is_refused() {
    for phase in phases() {
        let mut answer = sample::embedded(phase, 3);
        let asked = phase.schema_for(Profile::Embedded);
        let paths: Vec<String> = texts(&answer).into_iter().map(|(path, _)| path).collect();
        for path in paths {
            let pattern = node(&asked, &path)["pattern"].as_str().unwrap().to_owned();
            if let Some(lead) = pattern.strip_suffix(TAIL) {
                let sentence = format!(
                    "{}people like good tools that work well.",
                    lead[1..].replace("[A-Z]", "P")
                );
                *answer.pointer_mut(&path).unwrap() = json!(sentence);
            }
        }
        let errors = phase.accept(Profile::Embedded, IDEA, &answer.to_string()).unwrap_err();
        assert!(
            errors.iter().any(|error| error.contains("the same text stands in")),
            "{:?}: {errors:?}",
            phase.id
        );
    }
}

/// Any JSON that a model may put where something else belongs.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        proptest::strategy::Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,400}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((".{0,100}", inner), 0..4)
                .prop_map(|fields| fields.into_iter().collect::<Value>()),
        ]
    })
}

proptest! {
    #[test]
    fn no_answer_breaks_anything(number in 0..15_usize, place in any::<usize>(), junk in anything(), text in ".{0,200}") {
        let phase = PhaseId::ALL[number].phase();
        let mut answer = sample::full(phase, 1);
        let paths = texts(&answer);
        let (path, _) = &paths[place % paths.len()];
        *answer.pointer_mut(path).unwrap() = junk;
        for text in [answer.to_string(), text] {
            match phase.accept(Profile::Full, IDEA, &text) {
                Ok(content) => assert!(!markdown(&(phase.document)(&content)).is_empty()),
                Err(errors) => {
                    assert!((1..=10).contains(&errors.len()));
                    assert!(errors.iter().all(|error| error.len() < 400 && error.contains(": ")), "{errors:?}");
                }
            }
        }
    }
}
