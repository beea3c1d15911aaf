//! What prompts carry.

use serde_json::{Value, json};

use super::harness::{Bench, GO, IDEA, PIVOT, good, model, small_model};
use crate::{
    ports::fake::{FakeModel, FakeSearch, FakeVectors, Reply},
    records::{RunConfig, RunStatus},
    run::GetArtifact,
    workflows::planning::phase::PhaseId,
};

async fn contents(bench: &Bench, run: &str) -> Vec<(PhaseId, Value)> {
    let mut contents = Vec::new();
    for id in PhaseId::ALL {
        let get = GetArtifact {
            phase: id.as_str().to_owned(),
            version: None,
        };
        let artifact = bench.run(run).ask(get).await.unwrap();
        contents.push((id, serde_json::from_str(&artifact.content).unwrap()));
    }
    contents
}

/// P20: prompts carry decisions, not whole artifacts.
#[tokio::test(start_paused = true)]
async fn each_prompt_carries_the_decisions_of_its_declared_upstream_phases_and_no_whole_artifact() {
    let bench = Bench::new(1, model(&[GO])).await;
    bench.start("r1", RunConfig::default()).await;
    bench.until("r1", RunStatus::Completed).await;
    let contents = contents(&bench, "r1").await;
    for (id, _) in &contents {
        let prompt = &bench.prompts(*id, 0)[0];
        assert!(prompt.chars().count() <= 36_000);
        for (other, content) in &contents {
            let title = format!("Decided in {}", other.phase().title);
            let declared = id.phase().upstream.contains(other);
            assert_eq!(
                prompt.contains(&title),
                declared,
                "{} in {}",
                other.as_str(),
                id.as_str()
            );
            if declared {
                let decisions = (other.phase().decisions)(content);
                assert!(!decisions.is_empty());
                for decision in decisions {
                    assert!(prompt.contains(&decision), "{}: {decision}", id.as_str());
                }
            }
            assert!(!prompt.contains(&content.to_string()));
        }
    }
}

/// P20, for a model that is told little: the first decisions of each declared upstream phase, whole, and of no other phase.
#[tokio::test(start_paused = true)]
async fn the_notes_of_a_small_model_begin_from_the_decisions_of_each_declared_upstream_phase() {
    let bench = Bench::with(6, small_model(), FakeVectors::forgetful(), FakeSearch::default()).await;
    bench.start("r1", RunConfig::default()).await;
    bench.until("r1", RunStatus::Completed).await;
    let contents = contents(&bench, "r1").await;
    for id in PhaseId::ALL {
        let prompt = &bench.prompts_of("notes", id, 0)[0];
        assert!(prompt.starts_with(&format!("My business: {IDEA}.\n")), "{prompt}");
        for (other, content) in &contents {
            let decisions = (other.phase().decisions)(content);
            let carried = decisions.iter().filter(|decision| prompt.contains(*decision)).count();
            if id.phase().upstream.contains(other) {
                assert!(
                    (1..=2).contains(&carried) && prompt.contains(&decisions[0]),
                    "{} carries {carried} of {decisions:?}",
                    id.as_str()
                );
            } else {
                assert_eq!(carried, 0, "{} in {}", other.as_str(), id.as_str());
            }
            assert!(!prompt.contains(&content.to_string()));
        }
    }
}

/// P10 for a small model: of all that the index finds, one short part of the same plan.
#[tokio::test(start_paused = true)]
async fn a_small_model_is_shown_little_of_what_is_related() {
    let with = Bench::new(7, small_model()).await;
    let without = Bench::with(7, small_model(), FakeVectors::forgetful(), FakeSearch::default()).await;
    for bench in [&with, &without] {
        for run in ["r1", "r2"] {
            bench.start(run, RunConfig::default()).await;
            bench.until(run, RunStatus::Completed).await;
        }
    }
    let mut shown = 0;
    for id in PhaseId::ALL {
        let (with, without) = (with.prompts_of("notes", id, 0), without.prompts_of("notes", id, 0));
        for (with, without) in with.iter().zip(&without) {
            assert!(!without.contains("Related parts") && !with.contains("other plans"));
            let more = with.chars().count() - without.chars().count();
            assert!(more <= 330, "{}: {more}", id.as_str());
            assert_eq!(with.contains("Related parts of this plan"), more > 0);
            shown += usize::from(more > 0);
        }
    }
    assert!(shown > 10, "{shown}");
}

/// P10: what is related is found by the index, and only by it.
#[tokio::test(start_paused = true)]
async fn without_the_index_the_prompt_differs() {
    let with = Bench::new(2, model(&[GO])).await;
    let without = Bench::with(2, model(&[GO]), FakeVectors::forgetful(), FakeSearch::default()).await;
    for bench in [&with, &without] {
        bench.start("r1", RunConfig::default()).await;
        bench.until("r1", RunStatus::Completed).await;
    }
    assert_eq!(
        with.prompts(PhaseId::Opportunity, 0),
        without.prompts(PhaseId::Opportunity, 0),
        "nothing to remember yet"
    );
    for id in &PhaseId::ALL[1..] {
        let (with, without) = (&with.prompts(*id, 0)[0], &without.prompts(*id, 0)[0]);
        assert!(with.contains("Related parts of this plan"), "{}", id.as_str());
        assert!(!without.contains("Related parts"), "{}", id.as_str());
        assert_ne!(with, without);
    }
}

/// P8: nothing of an abandoned attempt is left in the index, so no prompt can carry it.
#[tokio::test(start_paused = true)]
async fn abandoned_attempts_never_appear_in_prompts() {
    let bench = Bench::new(3, model(&[PIVOT, GO])).await;
    bench.start("r1", RunConfig::default()).await;
    bench.until("r1", RunStatus::Completed).await;
    bench.start("r2", RunConfig::default()).await;
    bench.until("r2", RunStatus::Completed).await;
    assert!(bench.vectors.rows().iter().all(|row| row.attempt == 1));

    let related = |prompt: &str| {
        prompt
            .split_once("Related parts")
            .map(|(_, related)| related.to_owned())
            .unwrap_or_default()
    };
    let abandoned = GetArtifact {
        phase: "customer-intel".to_owned(),
        version: Some(1),
    };
    let kept = GetArtifact {
        phase: "customer-intel".to_owned(),
        version: Some(2),
    };
    let text = |content: &str| {
        super::super::context::index_text(PhaseId::CustomerIntel, &serde_json::from_str(content).unwrap())
    };
    let abandoned = text(&bench.run("r1").ask(abandoned).await.unwrap().content);
    let kept = text(&bench.run("r1").ask(kept).await.unwrap().content);
    // The first lines of what the index would show.
    let beginning = |text: &str| text.chars().take(200).collect::<String>();
    let mut shown = 0;
    for request in bench.model.requests() {
        let about = super::harness::asked(&request);
        let second = request.idempotency_key.contains("/r2/");
        let prompt = related(&request.turns.last().unwrap().text);
        if about.attempt > 0 || second {
            let own_attempt_0 = second && about.attempt == 0;
            assert!(
                own_attempt_0 || !prompt.contains(&beginning(&abandoned)),
                "{}",
                request.idempotency_key
            );
            shown += usize::from(prompt.contains(&beginning(&kept)));
        }
    }
    assert!(shown > 0, "what was kept is shown, so the comparison means something");
}

/// P22: sources are fetched or absent, never made up.
#[tokio::test(start_paused = true)]
async fn prompts_name_fetched_sources_or_say_that_there_are_none() {
    let page = "https://example.org/repair";
    let found = FakeSearch::with_pages([(page, "Four in ten broken kettles can be repaired.")]);
    let with = Bench::with(4, model(&[GO]), FakeVectors::default(), found).await;
    let broken = Bench::with(4, model(&[GO]), FakeVectors::default(), FakeSearch::broken()).await;
    let without = Bench::new(4, model(&[GO])).await;
    for bench in [&with, &broken, &without] {
        bench.start("r1", RunConfig::default()).await;
        bench.until("r1", RunStatus::Completed).await;
    }
    for id in PhaseId::ALL {
        let searches = !(id.phase().searches)("idea").is_empty();
        let prompt = |bench: &Bench| bench.prompts(id, 0)[0].clone();
        assert_eq!(
            prompt(&with).contains("Four in ten broken kettles"),
            searches,
            "{}",
            id.as_str()
        );
        assert_eq!(prompt(&without).contains("There are no sources"), searches);
        assert_eq!(prompt(&broken).contains("There are no sources"), searches);
        assert!(!prompt(&broken).contains("unavailable"));
    }
    assert!(!with.search.queries().is_empty());
}

/// Names addresses for every claim.
fn cite(value: &mut Value, urls: &Value) {
    match value {
        Value::Object(fields) if fields.contains_key("claim") => {
            fields.insert("urls".to_owned(), urls.clone());
        }
        Value::Object(fields) => fields.values_mut().for_each(|field| cite(field, urls)),
        Value::Array(items) => items.iter_mut().for_each(|item| cite(item, urls)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// P22: an address that was not fetched is removed from the artifact, and a claim without any is marked as having no evidence.
#[tokio::test(start_paused = true)]
async fn only_fetched_addresses_support_a_claim() {
    let (page, invented) = ("https://example.org/repair", "https://example.org/invented");
    let model = || {
        FakeModel::new(move |request, _| match good(request, &[GO]) {
            Reply::Text(text) => {
                let mut content: Value = serde_json::from_str(&text).unwrap();
                cite(&mut content, &json!([page, invented]));
                Reply::Text(content.to_string())
            }
            other => other,
        })
    };
    let found = FakeSearch::with_pages([(page, "Four in ten broken kettles can be repaired.")]);
    let with = Bench::with(5, model(), FakeVectors::default(), found).await;
    let without = Bench::new(5, model()).await;
    for (bench, expected) in [(&with, vec![page.to_owned()]), (&without, Vec::new())] {
        bench.start("r1", RunConfig::default()).await;
        bench.until("r1", RunStatus::Completed).await;
        let mut claims = 0;
        for id in PhaseId::ALL {
            let get = GetArtifact {
                phase: id.as_str().to_owned(),
                version: None,
            };
            let artifact = bench.run("r1").ask(get).await.unwrap();
            let searches = !(id.phase().searches)("idea").is_empty();
            let expected = if searches { expected.clone() } else { Vec::new() };
            assert!(
                artifact.evidence.iter().all(|evidence| evidence.sources == expected),
                "{}",
                id.as_str()
            );
            assert!(!artifact.content.contains(invented), "{}", id.as_str());
            claims += artifact.evidence.len();
        }
        assert!(claims > 0);
    }
}
