//! Old records go, and what is left still verifies.

use std::time::Duration;

use super::harness::{Bench, Change};
use crate::{
    audit::{ExportVerifier, FaultReason, SetRetention, SignHead, anchor_line, events, head_line, record_line},
    ports::fake::FakeSigner,
};

fn days(days: u64) -> Duration {
    Duration::from_hours(24 * days)
}

/// A2: what is left after old records were removed is valid, for ever.
#[tokio::test(start_paused = true)]
async fn what_is_left_verifies_from_a_signed_checkpoint() {
    let mut bench = Bench::start(1).await;
    bench.fill("acme", 1_200).await;
    bench.cluster.advance(days(20)).await;
    bench.fill("acme", 5).await;
    let head = bench.audit("acme").ask(SetRetention { days: Some(10) }).await.unwrap();
    assert_eq!((head.length, head.first_seq, head.retention_days), (1_206, 1, Some(10)));
    bench.cluster.advance(days(2)).await;

    let head = bench.head("acme").await;
    assert_eq!(head.first_seq, 1_201);
    let anchor = head.anchor.clone().unwrap();
    assert_eq!(anchor.seq, 1_200);
    assert!(anchor.is_signed(&FakeSigner::new("key"), "acme"));
    let kept = bench.all("acme").await;
    assert_eq!(kept[0].seq, 1_201);
    assert_eq!(kept[0].previous_hash, anchor.hash);
    let types: Vec<&str> = kept[5..].iter().map(|record| record.event_type.as_str()).collect();
    assert_eq!(types[0], events::AUDIT_RETENTION_CHANGED);
    assert!(
        types[1..].iter().all(|event| *event == events::AUDIT_PRUNED),
        "{types:?}"
    );
    assert_eq!(types.len(), 4, "a bounded number goes at a time");
    for _ in 0..2 {
        let verdict = bench.verdict("acme").await;
        assert!(verdict.is_valid(), "{verdict:?}");
        assert_eq!((verdict.first_seq, verdict.length), (1_201, head.length));
        bench.cluster.crash_and_restart().await;
    }

    let end = bench.audit("acme").ask(SignHead).await.unwrap();
    let signer = FakeSigner::new("key");
    let mut verifier = ExportVerifier::new(&signer, None);
    verifier.line(&anchor_line("acme", &anchor)).unwrap();
    for record in kept {
        verifier.line(&record_line("acme", record)).unwrap();
    }
    verifier.line(&head_line("acme", &end)).unwrap();
    assert_eq!(verifier.finish().unwrap().first_seq, 1_201);
}

#[tokio::test(start_paused = true)]
async fn records_are_kept_for_ever_unless_something_else_was_said() {
    let bench = Bench::start(1).await;
    bench.fill("acme", 3).await;
    bench.cluster.advance(days(40)).await;
    bench.fill("acme", 1).await;
    bench.cluster.advance(days(2)).await;
    assert_eq!(bench.head("acme").await.first_seq, 1);
    assert_eq!(bench.all("acme").await.len(), 4);
    let refused = bench.audit("acme").ask(SetRetention { days: Some(0) }).await;
    assert_eq!(refused.unwrap_err().code(), "audit.retention");
}

/// To sign behind what was tampered with would make it good.
#[tokio::test(start_paused = true)]
async fn a_broken_chain_loses_nothing() {
    let mut bench = Bench::start(1).await;
    bench.fill("acme", 4).await;
    bench.audit("acme").ask(SetRetention { days: Some(1) }).await.unwrap();
    let mut record = bench.all("acme").await[2].clone();
    record.payload.push(' ');
    bench.tamper("acme", vec![Change::Record(3, record)]).await;
    bench.cluster.advance(days(5)).await;
    assert_eq!(bench.head("acme").await.first_seq, 1);
    assert_eq!(bench.first_bad("acme").await, Some(3));
}

#[tokio::test(start_paused = true)]
async fn records_before_the_anchor_cannot_come_back() {
    let mut bench = Bench::start(1).await;
    bench.fill("acme", 4).await;
    let third = bench.all("acme").await[2].clone();
    bench.audit("acme").ask(SetRetention { days: Some(1) }).await.unwrap();
    bench.cluster.advance(days(3)).await;
    let head = bench.head("acme").await;
    assert!(head.first_seq > 4, "{head:?}");
    bench.tamper("acme", vec![Change::Record(3, third)]).await;
    let fault = bench.verdict("acme").await.fault.unwrap();
    assert_eq!(fault.first_bad_seq, bench.head("acme").await.first_seq);
    assert_eq!(fault.reason, FaultReason::Misplaced { found: 3 });
}
