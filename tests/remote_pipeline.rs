//! The whole pipeline against an OpenAI-compatible endpoint, as the configuration connects one: real process, real
//! adapter, scripted answers.
#![expect(clippy::unwrap_used, reason = "it is a test")]

#[path = "support/planner.rs"]
mod planner;
#[path = "support/scripted_model.rs"]
mod scripted_model;
#[path = "support/server.rs"]
mod server;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use actors::workflows::planning::{phase::PhaseId, sample};
use reqwest::Method;
use serde_json::{Value, json};

use self::{
    planner::{GO, KILL, PIVOT, answer, asked},
    scripted_model::{Answer, Call, ScriptedModel},
    server::{Server, Setup},
};

const IDEA: &str = "A shared calendar that books repair cafes by itself";

/// What runs say of ends that are not the plan.
const ENDS: [&str; 4] = ["completed", "failed", "killed", "cancelled"];

fn key(call: &Call) -> &str {
    call.idempotency_key.as_deref().unwrap()
}

/// The text that the model was given to work with.
fn prompt(call: &Call) -> &str {
    &call.turns[0].1
}

async fn endpoint(script: impl Fn(&Call) -> Answer + Send + Sync + 'static) -> ScriptedModel {
    ScriptedModel::start(script).await
}

/// A server that asks `endpoint`, its directory, and a run that was just created.
async fn begin(endpoint: &ScriptedModel, config: Value) -> (tempfile::TempDir, Server, String) {
    let directory = tempfile::tempdir().unwrap();
    let setup = Setup::new(&directory.path().join("data")).asks(&endpoint.base_url());
    begin_with(directory, &setup, config).await
}

async fn begin_with(directory: tempfile::TempDir, setup: &Setup, config: Value) -> (tempfile::TempDir, Server, String) {
    let server = setup.start().await;
    let run = server.create(&json!({ "idea": IDEA, "config": config })).await;
    (directory, server, run)
}

async fn artifacts(server: &Server, run: &str, attempts: &str) -> Vec<Value> {
    let path = format!("/api/planning/runs/{run}/artifacts?attempts={attempts}");
    server.get(&path).await["items"].as_array().unwrap().clone()
}

fn is_filled(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.trim().is_empty())
}

/// The kinds of a run that works through `phases` phases in order.
fn phases(count: usize) -> Vec<&'static str> {
    ["phase_started", "phase_completed"].repeat(count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_go_run_becomes_a_plan_with_every_column_filled() {
    let endpoint = endpoint(|call| Answer::Text(answer(key(call), &[GO]))).await;
    let (_directory, server, id) = begin(&endpoint, json!({})).await;
    let run = server.until(&id, &ENDS).await;

    assert_eq!(run["status"], "completed", "{run}");
    assert_eq!(run["id"], id.as_str());
    assert_eq!(run["workflow_instance_id"], id.as_str());
    assert_eq!(run["idea"], IDEA);
    assert!(
        is_filled(&run["refined_idea"]) && run["refined_idea"] != run["idea"],
        "{run}"
    );
    assert_eq!(
        (&run["current_phase"], &run["mode"]),
        (&json!("synthesis"), &json!("cloud"))
    );
    assert_eq!(
        (&run["quality_score"], &run["kill_verdict"]),
        (&json!(8.0), &json!("GO"))
    );
    assert_eq!((&run["pivot_count"], &run["error"]), (&json!(0), &Value::Null));
    assert!(["VERY_HIGH", "HIGH", "MEDIUM", "LOW"].contains(&run["revenue_potential"].as_str().unwrap()));
    assert!(is_filled(&run["package_key"]));
    assert!(run["created_at"].as_i64().unwrap() > 1_700_000_000);
    assert!(run["updated_at"].as_i64() >= run["created_at"].as_i64());

    let listed = artifacts(&server, &id, "present").await;
    let names: Vec<&str> = listed
        .iter()
        .map(|artifact| artifact["phase"].as_str().unwrap())
        .collect();
    assert_eq!(names, PhaseId::ALL.map(PhaseId::as_str));
    let mut ids = BTreeSet::new();
    let package = server.get(&format!("/api/planning/runs/{id}/package")).await;
    for artifact in &listed {
        let phase = artifact["phase"].as_str().unwrap();
        let path = format!("/api/planning/runs/{id}/artifacts/{phase}");
        let read = server.get(&path).await;
        for (name, value) in artifact.as_object().unwrap() {
            assert_eq!(read[name], *value, "{phase} {name}");
        }
        assert_eq!(
            (&read["version"], &read["attempt"], &read["review_iterations"]),
            (&json!(1), &json!(0), &json!(1))
        );
        let verdict = if phase == "kill-test" {
            (json!("GO"), json!(8.0))
        } else {
            (Value::Null, Value::Null)
        };
        assert_eq!(
            (read["review_verdict"].clone(), read["overall_score"].clone()),
            verdict,
            "{phase}"
        );
        assert_eq!(read["scores"].as_array().unwrap().is_empty(), phase != "kill-test");
        assert_eq!(
            (&read["run_id"], &read["model"], &read["profile"]),
            (&json!(id), &json!("scripted"), &json!("full"))
        );
        assert!(read["schema_version"].as_u64().unwrap() > 0);
        assert!(read["usage"]["input_tokens"].as_u64().unwrap() > 0, "{read}");
        assert!(read["usage"]["output_tokens"].as_u64().unwrap() > 0, "{read}");
        assert!(read["evidence"].is_array() && read["duration_ms"].is_u64());
        assert!(read["created_at"].as_i64() >= run["created_at"].as_i64());
        assert!(
            read["object_key"]
                .as_str()
                .unwrap()
                .ends_with(&format!("/{id}/artifacts/{phase}/v1.json"))
        );
        assert_eq!(read["sha256"].as_str().unwrap().len(), 64);
        assert!(!read["content"].as_object().unwrap().is_empty());
        ids.insert(read["id"].as_str().unwrap().to_owned());

        assert_eq!(package["artifacts"][phase], read["content"], "{phase}");
        assert_eq!(package["checksums"][phase], read["sha256"], "{phase}");
        assert_eq!(package["models"][phase], "scripted");
        assert_eq!(package["versions"][phase], 1);
    }
    assert_eq!(ids.len(), 15);
    assert_eq!(package["artifacts"].as_object().unwrap().len(), 15);
    assert_eq!((&package["runId"], &package["idea"]), (&json!(id), &json!(IDEA)));
    assert_eq!((&package["verdict"], &package["pivotCount"]), (&json!("GO"), &json!(0)));
    assert_eq!(
        (&package["refinedIdea"], &package["qualityScore"]),
        (&run["refined_idea"], &run["quality_score"])
    );
    assert_eq!(
        (&package["revenuePotential"], &package["notice"]),
        (&run["revenue_potential"], &Value::Null)
    );
    assert!(is_filled(&package["completedAt"]));

    let path = format!("/api/planning/runs/{id}/package?format=markdown");
    let document = server.request(Method::GET, &path).send().await.unwrap();
    assert_eq!(document.headers()["content-type"], "text/markdown; charset=utf-8");
    let document = document.text().await.unwrap();
    assert!(document.starts_with("# "), "{document}");
    let mut rest = document.as_str();
    for phase in PhaseId::ALL {
        let heading = format!("\n## {}. {}\n", phase.number(), phase.phase().title);
        let (_, after) = rest
            .split_once(&heading)
            .unwrap_or_else(|| panic!("{heading} is missing or out of order"));
        rest = after;
    }

    let mut expected = vec!["run_started"];
    expected.extend(phases(15));
    expected.push("run_completed");
    assert_eq!(server.kinds(&id).await, expected);
    let progress = server.get(&format!("/api/planning/runs/{id}/phases")).await;
    let progress = progress["phases"].as_array().unwrap();
    assert_eq!(progress.len(), 15);
    assert!(
        progress
            .iter()
            .all(|phase| phase["status"] == "completed" && phase["created_at"].is_i64())
    );
    let runs = server.get("/api/planning/runs?status=completed").await;
    assert_eq!(runs["items"][0]["id"], id.as_str());

    // Each phase is one request, in order, under its schema, in a stream.
    let calls = endpoint.calls();
    let order: Vec<PhaseId> = calls.iter().map(|call| asked(key(call)).phase).collect();
    assert_eq!(order, PhaseId::ALL);
    for call in &calls {
        assert_eq!((call.model.as_str(), call.streamed), ("scripted", true));
        assert!(call.schema.is_some() && !call.title.is_empty());
        assert_eq!(
            call.authorization.as_deref().unwrap_or("Bearer").trim(),
            "Bearer",
            "there is no key to send"
        );
    }
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn after_three_pivots_the_idea_is_parked() {
    let endpoint = endpoint(|call| Answer::Text(answer(key(call), &[PIVOT]))).await;
    let (_directory, server, id) = begin(&endpoint, json!({})).await;
    let run = server.until(&id, &ENDS).await;
    assert_eq!(run["status"], "killed", "{run}");
    assert_eq!(
        (&run["kill_verdict"], &run["pivot_count"]),
        (&json!("PIVOT_EXHAUSTED"), &json!(3))
    );
    assert_eq!(
        (&run["current_phase"], &run["package_key"]),
        (&json!("kill-test"), &Value::Null)
    );
    assert!(is_filled(&run["refined_idea"]) && run["quality_score"].is_number());

    let mut kinds = vec!["run_started"];
    for _ in 0..3 {
        kinds.extend(phases(5));
        kinds.push("pivot_triggered");
    }
    kinds.extend(phases(5));
    kinds.extend(["run_killed", "idea_parked"]);
    assert_eq!(server.kinds(&id).await, kinds);

    // Nothing of an abandoned attempt is lost: each has its version.
    let all = artifacts(&server, &id, "all").await;
    let mut versions: BTreeMap<&str, Vec<(u64, u64)>> = BTreeMap::new();
    for artifact in &all {
        let entry = versions.entry(artifact["phase"].as_str().unwrap()).or_default();
        entry.push((
            artifact["version"].as_u64().unwrap(),
            artifact["attempt"].as_u64().unwrap(),
        ));
    }
    assert_eq!(versions.len(), 5);
    assert!(
        versions
            .values()
            .all(|found| *found == [(1, 0), (2, 1), (3, 2), (4, 3)]),
        "{versions:?}"
    );
    assert_eq!(artifacts(&server, &id, "present").await.len(), 5);
    let mut contents = BTreeSet::new();
    for version in 1..=4 {
        let path = format!("/api/planning/runs/{id}/artifacts/opportunity?version={version}");
        contents.insert(server.get(&path).await["content"].to_string());
    }
    assert_eq!(contents.len(), 4);

    let parked = server.get("/api/planning/parked-ideas?source=kill-test").await;
    let [idea] = &parked["items"].as_array().unwrap()[..] else {
        panic!("{parked}")
    };
    assert_eq!((&idea["idea"], &idea["run_id"]), (&json!(IDEA), &json!(id)));
    assert_eq!(
        (&idea["refined_idea"], &idea["source_phase"]),
        (&run["refined_idea"], &json!("kill-test"))
    );
    assert!(idea["reason"].as_str().unwrap().contains("after 3 pivots"), "{idea}");
    assert_eq!(idea["revisit_estimate_months"], 6);
    assert!(is_filled(&idea["revisit_estimate_note"]) && idea["created_at"].is_i64());
    assert_eq!(idea["promoted_run_id"], Value::Null);

    // Each further attempt is told why the ones before were abandoned.
    let calls = endpoint.calls();
    assert_eq!(calls.len(), 20);
    for call in &calls {
        let told = prompt(call).matches("Differentiation scored 3.0").count();
        assert!(told >= asked(key(call)).attempt, "{}", prompt(call));
    }
    let (status, problem) = server.refused(&format!("/api/planning/runs/{id}/resume")).await;
    assert_eq!((status, &problem["state"]), (409, &json!("killed")), "{problem}");
    let path = format!("/api/planning/runs/{id}/package");
    assert_eq!(server.request(Method::GET, &path).send().await.unwrap().status(), 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_killed_idea_is_promoted_once_and_remembers_why() {
    const PARKED: &str = "The idea was parked before because";
    let endpoint = endpoint(|call| {
        let scores = if prompt(call).contains(PARKED) { GO } else { KILL };
        Answer::Text(answer(key(call), &[scores]))
    })
    .await;
    let (_directory, server, id) = begin(&endpoint, json!({})).await;
    let run = server.until(&id, &ENDS).await;
    assert_eq!(
        (&run["status"], &run["kill_verdict"]),
        (&json!("killed"), &json!("KILL")),
        "{run}"
    );
    assert_eq!((&run["pivot_count"], endpoint.calls().len()), (&json!(0), 5));
    let mut kinds = vec!["run_started"];
    kinds.extend(phases(5));
    kinds.extend(["run_killed", "idea_parked"]);
    assert_eq!(server.kinds(&id).await, kinds);

    let parked = server.get("/api/planning/parked-ideas").await["items"][0].clone();
    assert!(
        parked["reason"].as_str().unwrap().contains("Demand scored 1.0"),
        "{parked}"
    );
    assert!(
        (6..=24).contains(&parked["revisit_estimate_months"].as_u64().unwrap()),
        "{parked}"
    );
    let promote = format!("/api/planning/parked-ideas/{}/promote", parked["id"].as_str().unwrap());
    let answer = server.post(&promote, &json!({})).await;
    assert_eq!(answer.status(), 200);
    let promoted: Value = answer.json().await.unwrap();
    assert_eq!(
        (&promoted["promoted"], &promoted["parkedIdeaId"]),
        (&json!(true), &parked["id"])
    );
    let (status, problem) = server.refused(&promote).await;
    assert_eq!(
        (status, &problem["code"]),
        (409, &json!("parked-idea.promoted")),
        "{problem}"
    );

    let second = promoted["newRunId"].as_str().unwrap();
    let finished = server.until(second, &ENDS).await;
    assert_eq!(
        (&finished["status"], &finished["idea"]),
        (&json!("completed"), &json!(IDEA)),
        "{finished}"
    );
    assert_eq!(server.kinds(second).await[..2], ["run_started", "idea_promoted"]);
    let listed = server.get("/api/planning/parked-ideas").await;
    let [listed] = &listed["items"].as_array().unwrap()[..] else {
        panic!("{listed}")
    };
    assert_eq!(listed["promoted_run_id"], second);
    let calls = endpoint.calls();
    assert!(calls[5..].iter().all(|call| prompt(call).contains("Demand scored 1.0")));
    assert_eq!(calls.len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reviewed_phase_is_revised_until_it_is_accepted() {
    let endpoint = endpoint(|call| {
        let asked = asked(key(call));
        let is_weak = asked.phase == PhaseId::MarketResearch && asked.step == "review-1";
        if is_weak {
            return Answer::json(&sample::review(asked.phase.phase(), 5.5, 3));
        }
        Answer::Text(answer(key(call), &[GO]))
    })
    .await;
    let (_directory, server, id) = begin(&endpoint, json!({ "requireReview": true })).await;
    let run = server.until(&id, &ENDS).await;
    assert_eq!(
        (&run["status"], &run["quality_score"]),
        (&json!("completed"), &json!(8.0)),
        "{run}"
    );
    assert_eq!(
        run["config"],
        json!({ "requireReview": true, "requireApproval": false })
    );
    for artifact in artifacts(&server, &id, "all").await {
        let (verdict, iterations) = match artifact["phase"].as_str().unwrap() {
            "kill-test" => ("GO", 1),
            "market-research" => ("ACCEPT", 2),
            _ => ("ACCEPT", 1),
        };
        assert_eq!(
            (&artifact["review_verdict"], &artifact["review_iterations"]),
            (&json!(verdict), &json!(iterations))
        );
        assert_eq!(
            (&artifact["overall_score"], &artifact["version"]),
            (&json!(8.0), &json!(1))
        );
        assert!(artifact["scores"].as_array().unwrap().len() >= 5, "{artifact}");
    }
    let calls = endpoint.calls();
    assert_eq!(calls.len(), 15 + 14 + 2);
    let steps = calls.iter().map(|call| (asked(key(call)), call));
    let research: Vec<_> = steps
        .filter(|(asked, _)| asked.phase == PhaseId::MarketResearch)
        .collect();
    let names: Vec<&str> = research.iter().map(|(asked, _)| asked.step.as_str()).collect();
    assert_eq!(names, ["draft", "review-1", "draft", "review-2"]);
    let feedback = sample::review(PhaseId::MarketResearch.phase(), 5.5, 3)["feedback"][0].clone();
    assert!(
        prompt(research[2].1).contains(feedback.as_str().unwrap()),
        "{}",
        prompt(research[2].1)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_person_approves_or_rejects_before_the_package_is_made() {
    let endpoint = endpoint(|call| Answer::Text(answer(key(call), &[GO]))).await;
    let config = json!({ "requireApproval": true });
    let (_directory, server, first) = begin(&endpoint, config.clone()).await;
    let second = server.create(&json!({ "idea": IDEA, "config": config })).await;
    for run in [&first, &second] {
        let waiting = server
            .until(run, &["awaiting_approval", "completed", "failed", "killed"])
            .await;
        assert_eq!(
            (&waiting["status"], &waiting["package_key"]),
            (&json!("awaiting_approval"), &Value::Null)
        );
        assert_eq!(artifacts(&server, run, "present").await.len(), 15);
    }
    let at = |run: &str, rest: &str| format!("/api/planning/runs/{run}/{rest}");
    let package = server
        .request(Method::GET, &at(&first, "package"))
        .send()
        .await
        .unwrap();
    assert_eq!(package.status(), 404);
    let (status, problem) = server.refused(&at(&first, "pause")).await;
    assert_eq!(
        (status, &problem["state"]),
        (409, &json!("awaiting_approval")),
        "{problem}"
    );

    let approved = server
        .post(&at(&first, "approve"), &json!({ "comment": "The numbers hold." }))
        .await;
    assert_eq!(approved.status(), 200);
    let run = server.until(&first, &ENDS).await;
    assert_eq!(run["status"], "completed", "{run}");
    server.get(&at(&first, "package")).await;
    let events = server.events(&first).await;
    let [.., requested, granted, completed] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(
        (&requested.1["kind"], &requested.1["status"]),
        (&json!("approval_requested"), &json!("awaiting_approval"))
    );
    assert_eq!(
        (&granted.1["kind"], &granted.1["reason"]),
        (&json!("run_approved"), &json!("The numbers hold."))
    );
    assert_eq!(completed.1["kind"], "run_completed");

    let rejected = server
        .post(&at(&second, "reject"), &json!({ "comment": "Too dear." }))
        .await;
    assert_eq!(rejected.status(), 200);
    let run = server.until(&second, &ENDS).await;
    assert_eq!(
        (&run["status"], &run["error"]),
        (&json!("cancelled"), &Value::Null),
        "{run}"
    );
    let events = server.events(&second).await;
    let (_, last) = &events[events.len() - 1];
    assert_eq!(
        (&last["kind"], &last["reason"]),
        (&json!("run_rejected"), &json!("Too dear."))
    );
    let package = server
        .request(Method::GET, &at(&second, "package"))
        .send()
        .await
        .unwrap();
    assert_eq!(package.status(), 404);
    for (run, state) in [(&first, "completed"), (&second, "cancelled")] {
        let (status, problem) = server.refused(&at(run, "approve")).await;
        assert_eq!((status, &problem["state"]), (409, &json!(state)), "{problem}");
    }
    assert_eq!(endpoint.calls().len(), 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn faults_of_the_endpoint_do_not_stop_a_run() {
    let times: Arc<Mutex<Vec<(String, Instant)>>> = Arc::default();
    let seen = Arc::clone(&times);
    let endpoint = endpoint(move |call| {
        let phase = asked(key(call)).phase;
        let before = {
            let mut seen = seen.lock().unwrap();
            seen.push((phase.as_str().to_owned(), Instant::now()));
            seen.iter().filter(|(name, _)| name == phase.as_str()).count() - 1
        };
        let good = answer(key(call), &[GO]);
        if before > 0 {
            return Answer::Text(good);
        }
        match phase {
            PhaseId::Opportunity => Answer::Text("Certainly! Here is the JSON you asked for.".to_owned()),
            PhaseId::CustomerIntel => Answer::Text("{}".to_owned()),
            PhaseId::MarketResearch => Answer::rate_limited(1),
            PhaseId::CompetitiveIntel => Answer::Status(500, Vec::new(), "oops".to_owned()),
            PhaseId::KillTest => Answer::Status(503, Vec::new(), String::new()),
            PhaseId::RevenueExpansion => Answer::Hang,
            PhaseId::Strategy => Answer::Cut(good[..good.len() / 2].to_owned()),
            PhaseId::BusinessModel => Answer::Unfinished(good[..good.len() / 2].to_owned()),
            PhaseId::ProductDesign => Answer::Length(good[..good.len() / 2].to_owned()),
            PhaseId::GtmMarketing => Answer::Text(good[..good.len() - 1].to_owned()),
            PhaseId::ContentEngine
            | PhaseId::TechArch
            | PhaseId::Analytics
            | PhaseId::LaunchExecution
            | PhaseId::Synthesis => Answer::Text(good),
        }
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let setup = Setup::new(&directory.path().join("data")).asks(&endpoint.base_url());
    let setup = setup.set("ai.read-timeout-secs", "1");
    let (_directory, server, id) = begin_with(directory, &setup, json!({})).await;
    let run = server.until(&id, &ENDS).await;
    assert_eq!(
        (&run["status"], &run["error"]),
        (&json!("completed"), &Value::Null),
        "{run}"
    );
    assert_eq!(artifacts(&server, &id, "all").await.len(), 15);
    let mut expected = vec!["run_started"];
    expected.extend(phases(15));
    expected.push("run_completed");
    assert_eq!(server.kinds(&id).await, expected, "faults are no events of the run");

    let calls = endpoint.calls();
    let of = |phase: PhaseId| -> Vec<&Call> { calls.iter().filter(|call| asked(key(call)).phase == phase).collect() };
    for phase in PhaseId::ALL {
        let count = if phase.number() <= 10 { 2 } else { 1 };
        assert_eq!(of(phase).len(), count, "{}", phase.as_str());
    }
    // A refused answer is fed back; after a fault of the endpoint the same is asked again.
    for phase in [
        PhaseId::Opportunity,
        PhaseId::CustomerIntel,
        PhaseId::ProductDesign,
        PhaseId::GtmMarketing,
    ] {
        let second = &of(phase)[1];
        let (role, text) = &second.turns[second.turns.len() - 1];
        assert!(role == "user" && text.contains("This answer is refused"), "{text}");
    }
    for phase in [
        PhaseId::MarketResearch,
        PhaseId::RevenueExpansion,
        PhaseId::Strategy,
        PhaseId::BusinessModel,
    ] {
        assert_eq!(of(phase)[0].turns, of(phase)[1].turns);
        assert_ne!(
            key(of(phase)[0]),
            key(of(phase)[1]),
            "another attempt asks for another answer"
        );
    }
    let times = times.lock().unwrap();
    let waited: Vec<Instant> = times
        .iter()
        .filter(|(phase, _)| phase == "market-research")
        .map(|(_, at)| *at)
        .collect();
    assert!(
        waited[1] - waited[0] >= Duration::from_secs(1),
        "Retry-After is honoured"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_model_that_never_answers_in_json_fails_the_run() {
    let endpoint = endpoint(|call| match asked(key(call)).phase {
        PhaseId::MarketResearch => Answer::Text("I would rather talk about the weather.".to_owned()),
        _ => Answer::Text(answer(key(call), &[GO])),
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let setup = Setup::new(&directory.path().join("data")).asks(&endpoint.base_url());
    let setup = setup.set("planning.step-retries", "2");
    let (_directory, server, id) = begin_with(directory, &setup, json!({})).await;
    let run = server.until(&id, &ENDS).await;
    assert_eq!(
        (&run["status"], &run["current_phase"]),
        (&json!("failed"), &json!("market-research")),
        "{run}"
    );
    let error = run["error"].as_str().unwrap();
    assert!(error.contains("no valid answer in 3 calls"), "{error}");
    let calls = endpoint.calls();
    assert_eq!(calls.len(), 2 + 3 * 3, "three attempts of three calls");

    let events = server.events(&id).await;
    let (_, last) = &events[events.len() - 1];
    assert_eq!(
        (&last["kind"], &last["phase"]),
        (&json!("run_failed"), &json!("market-research"))
    );
    assert_eq!((&last["status"], &last["reason"]), (&json!("failed"), &run["error"]));
    let progress = server.get(&format!("/api/planning/runs/{id}/phases")).await;
    let states: Vec<&str> = progress["phases"].as_array().unwrap()[..4]
        .iter()
        .map(|phase| phase["status"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["completed", "completed", "failed", "pending"]);
    assert_eq!(artifacts(&server, &id, "all").await.len(), 2, "what was accepted stays");
    let (status, problem) = server.refused(&format!("/api/planning/runs/{id}/resume")).await;
    assert_eq!((status, &problem["state"]), (409, &json!("failed")), "{problem}");
    let path = format!("/api/planning/runs/{id}/package");
    assert_eq!(server.request(Method::GET, &path).send().await.unwrap().status(), 404);
}
