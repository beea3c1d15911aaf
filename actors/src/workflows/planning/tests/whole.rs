//! A whole run, from the idea to the package.

use std::collections::BTreeSet;

use serde_json::Value;

use super::harness::{Bench, GO, IDEA, asked, check_events, model, small_model};
use crate::{
    ports::{LiveUpdate, Objects, Profile, Usage},
    records::{KillVerdict, RevenuePotential, RunConfig, RunEventKind, RunStatus},
    run::{GetArtifact, GetPackage, ListArtifacts, PhaseStatus},
    tenant::{ListRuns, Timings},
    workflows::planning::{opportunity, phase::PhaseId},
};

/// P1: a run finishes. P12: it is started once. P13: quality, revenue potential and the GO are filled in.
#[tokio::test(start_paused = true)]
async fn an_idea_goes_through_fifteen_phases_and_becomes_a_package() {
    let bench = Bench::new(1, model(&[GO])).await;
    let started = bench.start("r1", RunConfig::default()).await;
    assert!(started.created && started.status == RunStatus::Running);
    let detail = bench.until("r1", RunStatus::Completed).await;

    let run = &detail.run;
    assert_eq!(
        (run.idea.as_str(), run.pivot_count, run.kill_verdict),
        (IDEA, 0, Some(KillVerdict::Go))
    );
    assert_eq!(run.current_phase.as_deref(), Some("synthesis"));
    assert_eq!(run.workflow_instance_id, "r1");
    assert!((run.quality_score.unwrap() - 8.0).abs() < 1e-9);
    assert!(
        run.revenue_potential
            .is_some_and(|potential| potential != RevenuePotential::NotAssessed)
    );
    assert!(
        detail
            .phases
            .iter()
            .all(|phase| phase.status == PhaseStatus::Completed && phase.version == Some(1))
    );
    assert_eq!(
        detail.usage,
        Usage {
            input_tokens: 1500,
            output_tokens: 150
        }
    );
    assert_eq!(detail.model.as_deref(), Some("fake-writer"));

    let mut kinds = vec![RunEventKind::RunStarted];
    kinds.extend([RunEventKind::PhaseStarted, RunEventKind::PhaseCompleted].repeat(15));
    kinds.push(RunEventKind::RunCompleted);
    assert_eq!(bench.kinds("r1").await, kinds);
    bench.settle().await;
    check_events(1, &bench.events_of("r1").await, &bench.events.published("default"));

    let page = bench
        .tenant()
        .ask(ListRuns {
            limit: 10,
            ..ListRuns::default()
        })
        .await
        .unwrap();
    assert_eq!(page.items.len(), 1);
    assert_eq!((&page.items[0].run, page.items[0].phases_done), (run, 15));
    assert_eq!(bench.tenant().ask(Timings).await.unwrap().len(), 15);
}

/// P13: every accepted artifact has all its columns.
#[tokio::test(start_paused = true)]
async fn every_artifact_is_stored_with_a_checksum_and_can_be_read_back() {
    let bench = Bench::new(2, model(&[GO])).await;
    bench.start("r1", RunConfig::default()).await;
    let detail = bench.until("r1", RunStatus::Completed).await;
    let artifacts = bench.run("r1").ask(ListArtifacts { all_attempts: true }).await.unwrap();
    assert_eq!(artifacts.len(), 15);
    let mut ids = BTreeSet::new();
    for (artifact, id) in artifacts.iter().zip(PhaseId::ALL) {
        assert_eq!(
            (artifact.phase.as_str(), artifact.version, artifact.attempt),
            (id.as_str(), 1, 0)
        );
        let get = GetArtifact {
            phase: artifact.phase.clone(),
            version: None,
        };
        let read = bench.run("r1").ask(get).await.unwrap();
        let (meta, body) = bench.objects.get(read.object_key.clone()).await.unwrap();
        assert_eq!(meta.sha256, read.sha256);
        assert_eq!(body, read.content.as_bytes());
        assert_eq!(
            read.object_key,
            format!("tenants/default/runs/r1/artifacts/{}/v1.json", id.as_str())
        );
        assert_eq!(
            (read.profile, read.schema_version),
            (Profile::Full, id.phase().schema_version)
        );
        assert!(read.created_at > 0 && read.review_iterations == 1);
        ids.insert(read.id);
    }
    assert_eq!(ids.len(), 15);
    let opportunity = GetArtifact {
        phase: "opportunity".to_owned(),
        version: Some(1),
    };
    let content: Value = serde_json::from_str(&bench.run("r1").ask(opportunity).await.unwrap().content).unwrap();
    assert_eq!(detail.run.refined_idea, Some(opportunity::refined_idea(&content)));
}

#[tokio::test(start_paused = true)]
async fn the_package_is_json_and_markdown_in_the_object_store() {
    let bench = Bench::new(3, model(&[GO])).await;
    bench.start("r1", RunConfig::default()).await;
    assert_eq!(
        bench.run("r1").ask(GetPackage).await.unwrap_err().code(),
        "run.no-package"
    );
    let detail = bench.until("r1", RunStatus::Completed).await;
    let keys = bench.run("r1").ask(GetPackage).await.unwrap();
    assert_eq!(keys.json_key, "tenants/default/runs/r1/planning-package.json");
    assert_eq!(keys.markdown_key, "tenants/default/runs/r1/planning-package.md");
    assert_eq!(detail.run.package_key, Some(keys.json_key.clone()));
    let (meta, json) = bench.objects.get(keys.json_key).await.unwrap();
    assert_eq!(meta.sha256, keys.json_sha256);
    let json: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["idea"], IDEA);
    let (_, markdown) = bench.objects.get(keys.markdown_key).await.unwrap();
    let markdown = String::from_utf8(markdown.to_vec()).unwrap();
    for id in PhaseId::ALL {
        assert!(markdown.contains(id.phase().title), "{}", id.as_str());
    }
}

#[tokio::test(start_paused = true)]
async fn watchers_see_the_steps_and_the_draft_of_each_phase() {
    let bench = Bench::new(4, model(&[GO])).await;
    bench.start("r1", RunConfig::default()).await;
    bench.until("r1", RunStatus::Completed).await;
    let live = bench.events.live_of("default", "r1");
    for id in PhaseId::ALL {
        for step in ["context", "draft", "schema", "store", "index"] {
            let update = LiveUpdate::Step {
                phase: id.as_str().to_owned(),
                step: step.to_owned(),
            };
            assert!(live.contains(&update), "{update:?}");
        }
    }
    assert!(live.iter().any(|update| matches!(update, LiveUpdate::Draft { .. })));
    assert!(
        live.iter()
            .any(|update| matches!(update, LiveUpdate::Queued { position: 0, .. }))
    );
}

#[tokio::test(start_paused = true)]
async fn a_small_model_makes_a_plan_that_says_it_was_not_assessed() {
    let bench = Bench::new(5, small_model()).await;
    bench.start("r1", super::harness::reviewed()).await;
    let detail = bench.until("r1", RunStatus::Completed).await;
    assert_eq!(
        (detail.run.kill_verdict, detail.run.quality_score),
        (Some(KillVerdict::Go), None)
    );
    assert!(!detail.kill.unwrap().assessed);
    assert_eq!(detail.profile, Some(Profile::Embedded));
    assert!(detail.phases.iter().all(|phase| phase.overall_score.is_none()));
    let requests = bench.model.requests();
    assert_eq!(requests.len(), 2 * 15, "notes and a form for each phase, and no review");
    for pair in requests.chunks(2) {
        let [notes, form] = pair else { panic!("{pair:?}") };
        assert!(notes.schema.is_none() && form.schema.is_some());
        assert_eq!((notes.turns.len(), form.turns.len()), (1, 1), "the task alone");
        let text = format!("\n\nNotes on {}.\n\n", asked(notes).phase.as_str());
        assert!(form.turns[0].text.contains(&text), "{}", form.turns[0].text);
        for request in pair {
            assert!(request.turns[0].text.chars().count() <= 2_700);
        }
    }
    assert_eq!(
        detail.usage,
        Usage {
            input_tokens: 3000,
            output_tokens: 300
        },
        "notes are paid for as well"
    );
}
