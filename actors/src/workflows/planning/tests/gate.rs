//! The kill test: GO, PIVOT and KILL.

use super::harness::{Bench, GO, IDEA, KILL, PIVOT, model};
use crate::{
    records::{KillVerdict, ReviewVerdict, RunConfig, RunEventKind, RunStatus},
    run::ListArtifacts,
    tenant::ListParked,
    workflows::planning::phase::PhaseId,
};

/// P7: the reason of a pivot reaches the next attempt. P9: versions go on and all verdicts' artifacts are kept.
#[tokio::test(start_paused = true)]
async fn three_pivots_and_a_go_make_a_plan_that_knows_what_was_abandoned() {
    let bench = Bench::new(1, model(&[PIVOT, PIVOT, PIVOT, GO])).await;
    bench.start("r1", RunConfig::default()).await;
    let detail = bench.until("r1", RunStatus::Completed).await;
    assert_eq!(
        (detail.run.pivot_count, detail.attempt, detail.run.kill_verdict),
        (3, 3, Some(KillVerdict::Go))
    );
    assert_eq!(detail.earlier.len(), 3);
    let pivots = bench
        .events_of("r1")
        .await
        .into_iter()
        .filter(|event| event.kind == RunEventKind::PivotTriggered);
    assert_eq!(pivots.map(|event| event.pivot_count).collect::<Vec<_>>(), [1, 2, 3]);

    let artifacts = bench.run("r1").ask(ListArtifacts { all_attempts: true }).await.unwrap();
    assert_eq!(artifacts.len(), 5 * 4 + 10);
    for id in PhaseId::ALL {
        let versions: Vec<(u32, u32)> = artifacts
            .iter()
            .filter(|a| a.phase == id.as_str())
            .map(|a| (a.attempt, a.version))
            .collect();
        let expected: Vec<(u32, u32)> = if id <= PhaseId::KillTest {
            (0..4).map(|n| (n, n + 1)).collect()
        } else {
            vec![(3, 1)]
        };
        assert_eq!(versions, expected, "{}", id.as_str());
    }
    let verdicts: Vec<_> = artifacts
        .iter()
        .filter(|a| a.phase == "kill-test")
        .map(|a| a.review_verdict.unwrap())
        .collect();
    assert_eq!(
        verdicts,
        [
            ReviewVerdict::Pivot,
            ReviewVerdict::Pivot,
            ReviewVerdict::Pivot,
            ReviewVerdict::Go
        ]
    );

    for attempt in 1..4 {
        let prompt = &bench.prompts(PhaseId::Opportunity, attempt)[0];
        for earlier in &detail.earlier[..attempt] {
            assert!(prompt.contains(&earlier.reason), "attempt {attempt}");
            assert!(prompt.contains(earlier.brief.as_ref().unwrap().lines().next().unwrap()));
        }
    }
    assert!(!bench.prompts(PhaseId::Opportunity, 0)[0].contains("Abandoned"));
}

/// P14: an idea without a viable direction is parked.
#[tokio::test(start_paused = true)]
async fn a_fourth_pivot_stops_the_run_and_parks_the_idea() {
    let bench = Bench::new(2, model(&[PIVOT])).await;
    bench.start("r1", RunConfig::default()).await;
    let detail = bench.until("r1", RunStatus::Killed).await;
    assert_eq!(
        (detail.run.pivot_count, detail.run.kill_verdict),
        (3, Some(KillVerdict::PivotExhausted))
    );
    assert_eq!(
        detail.revisit_months,
        Some(6),
        "not what the last kill test, a pivot, would say"
    );
    let kinds = bench.kinds("r1").await;
    assert_eq!(
        kinds[kinds.len() - 3..],
        [
            RunEventKind::PhaseCompleted,
            RunEventKind::RunKilled,
            RunEventKind::IdeaParked
        ]
    );
    bench.settle().await;
    let parked = bench
        .tenant()
        .ask(ListParked {
            limit: 10,
            ..ListParked::default()
        })
        .await
        .unwrap()
        .items;
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].revisit_estimate_months, Some(6));
    assert!(parked[0].reason.contains("after 3 pivots"), "{}", parked[0].reason);
}

/// P14: KILL always parks, with a summary of what was found out. P24: one vocabulary of verdicts.
#[tokio::test(start_paused = true)]
async fn a_kill_stops_the_run_and_parks_the_idea() {
    let bench = Bench::new(3, model(&[KILL])).await;
    bench.start("r1", RunConfig::default()).await;
    let detail = bench.until("r1", RunStatus::Killed).await;
    assert_eq!(
        (detail.run.pivot_count, detail.run.kill_verdict),
        (0, Some(KillVerdict::Kill))
    );
    assert_eq!(detail.run.current_phase.as_deref(), Some("kill-test"));
    bench.settle().await;
    let parked = bench
        .tenant()
        .ask(ListParked {
            limit: 10,
            ..ListParked::default()
        })
        .await
        .unwrap()
        .items
        .remove(0);
    assert_eq!((parked.idea.as_str(), parked.run_id.as_deref()), (IDEA, Some("r1")));
    assert_eq!(
        (parked.source_phase.as_str(), &parked.refined_idea),
        ("kill-test", &detail.run.refined_idea)
    );
    assert!(
        parked
            .revisit_estimate_months
            .is_some_and(|months| (6..=24).contains(&months))
    );
    assert!(parked.revisit_estimate_note.is_some_and(|note| !note.is_empty()));
    let summary: std::collections::BTreeMap<String, String> =
        serde_json::from_str(&parked.artifact_summary.unwrap()).unwrap();
    assert_eq!(summary.len(), 5);
    assert!(summary.values().all(|text| text.chars().count() <= 500));
    let verdict = bench
        .events_of("r1")
        .await
        .into_iter()
        .find(|event| event.kind == RunEventKind::RunKilled)
        .unwrap();
    assert_eq!(
        (verdict.verdict.as_deref(), verdict.status.as_str()),
        (Some("KILL"), "killed")
    );
    assert_eq!(bench.model.requests().len(), 5, "nothing is asked after the verdict");
}
