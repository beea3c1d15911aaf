//! What people do with runs is in the audit chain, once.

use std::time::Duration;

use cluster::{Credential, RequestId, prelude::Result, testing::Faults};

use super::harness::{Bench, GO, IDEA, KILL, gated, good, model, patiently, request};
use crate::{
    audit::{AuditRecord, ListRecords, PAGE, verify},
    ports::fake::{FakeModel, Reply},
    records::{RunConfig, RunStatus},
    run::{ApproveRun, CancelRun, DeleteRun, PauseRun, RejectRun, ResumeRun},
    tenant::{DeleteParked, ListParked, Promote},
    workflows::tests::crash::Dice,
};

const SEEDS: u64 = 60;

/// The chain of the tenant, which must be whole.
async fn chain(bench: &Bench) -> Vec<AuditRecord> {
    bench.cluster.advance(Duration::from_secs(20)).await;
    let verdict = patiently(async || verify(&bench.audit()).await).await;
    assert!(verdict.is_valid(), "{verdict:?}");
    let (mut records, mut cursor) = (Vec::new(), None);
    loop {
        let list = ListRecords {
            cursor,
            limit: PAGE,
            ..ListRecords::default()
        };
        let page = patiently(async || bench.audit().ask(list.clone()).await).await;
        records.extend(page.records);
        cursor = page.next;
        if cursor.is_none() {
            assert_eq!(records.len() as u64, verdict.length);
            return records;
        }
    }
}

fn types(records: &[AuditRecord]) -> Vec<&str> {
    records.iter().map(|record| record.event_type.as_str()).collect()
}

/// A1, A6: the process is killed between what people do and its record, too.
#[tokio::test(start_paused = true)]
async fn what_is_done_is_recorded_once_wherever_a_crash_happens() {
    for seed in 0..SEEDS {
        let mut dice = Dice::new(seed);
        let faults = Faults {
            commit_delay: Duration::from_millis(10),
            ..Faults::default()
        };
        let model = FakeModel::new(|request, _| match good(request, &[GO]) {
            Reply::Text(text) => Reply::After(Duration::from_millis(50), text),
            other => other,
        });
        let mut bench = Bench::faulty(seed, model, faults).await;
        bench.start("r1", gated()).await;
        for _ in 0..1 + dice.roll(3) {
            bench.cluster.crash_and_restart().await;
            bench.cluster.advance(Duration::from_millis(dice.roll(10_000))).await;
        }
        bench.until("r1", RunStatus::AwaitingApproval).await;
        bench.run("r1").ask(ApproveRun { comment: None }).await.unwrap();
        bench.cluster.advance(Duration::from_millis(dice.roll(30))).await;
        bench.cluster.crash_and_restart().await;
        bench.until("r1", RunStatus::Completed).await;
        bench.run("r1").ask(DeleteRun).await.unwrap();
        bench.cluster.advance(Duration::from_millis(dice.roll(30))).await;
        bench.cluster.crash_and_restart().await;

        let mut expected = vec!["run_created", "workflow_dispatched"];
        expected.extend(["artifact_posted"].repeat(15));
        expected.extend(["run_approved", "workflow_completed", "run_deleted"]);
        assert_eq!(types(&chain(&bench).await), expected, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_doubtful_is_recorded_as_often_as_it_happened() {
    for seed in 0..20 {
        let faults = Faults {
            commit_delay: Duration::from_millis(10),
            unknown: 0.03,
            refused: 0.03,
            ..Faults::default()
        };
        let bench = Bench::faulty(seed, model(&[GO]), faults).await;
        bench.start("r1", RunConfig::default()).await;
        bench.until("r1", RunStatus::Completed).await;
        bench.cluster.set_faults(Faults::default());
        bench.cluster.advance(Duration::from_secs(60)).await;
        let mut expected = vec!["run_created", "workflow_dispatched"];
        expected.extend(["artifact_posted"].repeat(15));
        expected.push("workflow_completed");
        assert_eq!(types(&chain(&bench).await), expected, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_says_what_was_done_by_whom_in_which_request() -> Result<()> {
    let bench = Bench::new(1, FakeModel::new(|_, _| Reply::Hang)).await;
    let within = |id: &'static str| RequestId::new(id);
    // {"uid":"u-7"}, signed by somebody who has been looked at before.
    let user = Credential::new("e30.eyJ1aWQiOiJ1LTcifQ.c2ln")?;
    let start = request(IDEA, RunConfig::default());
    within("q-1").scope(bench.run("r1").ask(start)).await?;
    within("q-2").scope(user.scope(bench.run("r1").ask(PauseRun))).await?;
    within("q-3").scope(bench.run("r1").ask(ResumeRun)).await?;
    within("q-4").scope(bench.run("r1").ask(CancelRun)).await?;
    within("q-5").scope(bench.run("r1").ask(DeleteRun)).await?;
    let records = chain(&bench).await;
    let told: Vec<(&str, &str)> = records
        .iter()
        .map(|record| (record.event_type.as_str(), record.payload.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("run_created", r#"{"actor":"system","request_id":"q-1","runId":"r1"}"#),
            (
                "workflow_dispatched",
                r#"{"actor":"system","request_id":"q-1","workflowName":"planning","instanceId":"r1"}"#
            ),
            ("run_paused", r#"{"actor":"u-7","request_id":"q-2","runId":"r1"}"#),
            ("run_resumed", r#"{"actor":"system","request_id":"q-3","runId":"r1"}"#),
            ("run_cancelled", r#"{"actor":"system","request_id":"q-4","runId":"r1"}"#),
            ("run_deleted", r#"{"actor":"system","request_id":"q-5","runId":"r1"}"#),
        ]
    );
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn rejections_and_parked_ideas_are_recorded() -> Result<()> {
    let bench = Bench::new(1, model(&[KILL])).await;
    bench.start("r1", RunConfig::default()).await;
    bench.until("r1", RunStatus::Killed).await;
    bench.settle().await;
    let list = ListParked {
        source: None,
        after: None,
        limit: 10,
    };
    let parked = bench.tenant().ask(list).await?.items.remove(0);
    let promote = Promote {
        id: parked.id.clone(),
        config: RunConfig::default(),
        run_id: Some("r2".to_owned()),
    };
    bench.tenant().ask(promote).await?;
    bench.tenant().ask(DeleteParked { id: parked.id.clone() }).await?;
    let records = chain(&bench).await;
    let find = |event: &str| records.iter().find(|record| record.event_type == event).unwrap();
    let promoted = format!(r#""parkedIdeaId":"{}","newRunId":"r2"}}"#, parked.id);
    assert!(find("parked_idea_promoted").payload.ends_with(&promoted));
    let created = format!(r#""runId":"r2","parkedIdeaId":"{}"}}"#, parked.id);
    assert_eq!(
        records
            .iter()
            .filter(|record| record.payload.ends_with(&created))
            .count(),
        1
    );
    assert!(find("parked_idea_deleted").payload.contains(&parked.id));

    let bench = Bench::new(2, model(&[GO])).await;
    bench.start("r1", gated()).await;
    bench.until("r1", RunStatus::AwaitingApproval).await;
    bench.run("r1").ask(RejectRun { comment: None }).await?;
    let records = chain(&bench).await;
    assert_eq!(types(&records).last(), Some(&"run_rejected"));
    Ok(())
}
