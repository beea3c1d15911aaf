//! What the chain promises to those who use it.

use cluster::{RequestId, prelude::Uuid};
use futures_util::future::join_all;
use serde_json::json;

use super::harness::{Bench, Change, event};
use crate::{
    audit::{Checkpoint, GENESIS, ListCheckpoints, ListRecords, Order, SignHead, append_once, link},
    ports::fake::FakeSigner,
};

#[tokio::test(start_paused = true)]
async fn records_are_numbered_from_one_and_linked_by_the_formula() {
    let bench = Bench::start(1).await;
    let records = [
        bench.append("acme", "first").await,
        bench.append("acme", "second").await,
    ];
    let mut previous = GENESIS;
    for (seq, record) in (1..).zip(&records) {
        assert_eq!(record.seq, seq);
        assert_eq!(record.previous_hash, previous);
        previous = link(&previous, &record.event_type, &record.payload, record.created_at);
        assert_eq!(record.hash, previous);
    }
    assert_eq!(bench.all("acme").await, records);
    let head = bench.head("acme").await;
    assert_eq!((head.length, head.hash, head.first_seq), (2, previous, 1));
    let verdict = bench.verdict("acme").await;
    assert!(verdict.is_valid());
    assert_eq!((verdict.length, verdict.head_hash), (2, previous));
}

#[tokio::test(start_paused = true)]
async fn a_chain_without_records_is_valid() {
    let bench = Bench::start(1).await;
    let verdict = bench.verdict("acme").await;
    assert!(verdict.is_valid());
    assert_eq!((verdict.length, verdict.head_hash), (0, GENESIS));
    let end = bench.audit("acme").ask(SignHead).await.unwrap();
    assert!(end.is_signed(&FakeSigner::new("key"), "acme"));
    assert_eq!((end.seq, end.hash), (0, GENESIS));
    bench.append("acme", "first").await;
    assert!(bench.verdict("acme").await.is_valid());
}

/// A1: numbers are of the tenant, so two tenants never meet.
#[tokio::test(start_paused = true)]
async fn each_tenant_has_a_chain_of_its_own() {
    let bench = Bench::start(1).await;
    for tenant in ["acme", "other", "acme", "other"] {
        bench.append(tenant, "something_done").await;
    }
    for tenant in ["acme", "other"] {
        assert_eq!(bench.all(tenant).await.len(), 2);
        assert!(bench.verdict(tenant).await.is_valid());
    }
}

/// A3: one actor appends, so nothing that happens at once can fork the chain.
#[tokio::test(start_paused = true)]
async fn appends_at_once_make_one_chain() {
    let bench = Bench::start(1).await;
    let appends = (0..500).map(|number| {
        let audit = bench.audit("acme");
        async move { audit.ask(event("something_done", number)).await.unwrap().seq }
    });
    let mut seqs = join_all(appends).await;
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=500).collect::<Vec<_>>());
    let verdict = bench.verdict("acme").await;
    assert!(verdict.is_valid());
    assert_eq!(verdict.length, 500);
}

#[tokio::test(start_paused = true)]
async fn an_append_that_is_repeated_under_its_key_is_one_record() {
    let mut bench = Bench::start(1).await;
    let append = async |bench: &Bench, event_type| {
        let reason = json!({ "reason": "password" });
        let audit = bench.audit("acme");
        let append = append_once(&audit, "u-1", Uuid::from_u128(7), event_type, reason);
        RequestId::new("q-1").scope(append).await.unwrap()
    };
    let first = append(&bench, "sign_in_refused").await;
    assert_eq!(
        first.payload,
        r#"{"actor":"u-1","request_id":"q-1","reason":"password"}"#
    );
    bench.cluster.crash_and_restart().await;
    assert_eq!(append(&bench, "sign_in_refused").await, first);
    assert_eq!(bench.head("acme").await.length, 1);
    assert_eq!(append(&bench, "account_locked").await.seq, 2);
}

#[tokio::test(start_paused = true)]
async fn a_chain_goes_on_after_a_crash() {
    let mut bench = Bench::start(1).await;
    for round in 0..5 {
        bench.fill("acme", 3).await;
        bench.cluster.crash_and_restart().await;
        assert_eq!(bench.verdict("acme").await.length, 3 * (round + 1));
        assert!(bench.verdict("acme").await.is_valid());
    }
}

#[tokio::test(start_paused = true)]
async fn time_does_not_go_back_within_a_chain() {
    let mut bench = Bench::start(1).await;
    let first = bench.append("acme", "first").await;
    // As if the owner before this one had a clock that was far ahead.
    let ahead = first.created_at + 1_000_000;
    bench.tamper("acme", vec![Change::Head(1, first.hash, ahead)]).await;
    assert_eq!(bench.append("acme", "second").await.created_at, ahead);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_event_is_refused() {
    let bench = Bench::start(1).await;
    let mut append = event("Some:thing", 1);
    assert_eq!(
        bench.audit("acme").ask(append.clone()).await.unwrap_err().code(),
        "audit.event-type"
    );
    append.event_type = "something".to_owned();
    append.payload = "text".to_owned();
    assert_eq!(
        bench.audit("acme").ask(append).await.unwrap_err().code(),
        "audit.payload"
    );
    assert_eq!(bench.head("acme").await.length, 0);
}

#[tokio::test(start_paused = true)]
async fn records_are_listed_both_ways_and_by_type() {
    let bench = Bench::start(1).await;
    for number in 0..1_300 {
        let event_type = if number % 600 == 7 { "run.created" } else { "run_paused" };
        bench.audit("acme").ask(event(event_type, number)).await.unwrap();
    }
    for order in [Order::OldestFirst, Order::NewestFirst] {
        let mut found = [Vec::new(), Vec::new()];
        for (prefix, found) in [None, Some("run.".to_owned())].into_iter().zip(&mut found) {
            let mut cursor = None;
            loop {
                let list = ListRecords {
                    order,
                    cursor,
                    limit: 100,
                    event_prefix: prefix.clone(),
                };
                let page = bench.audit("acme").ask(list).await.unwrap();
                assert!(page.records.len() <= 100);
                found.extend(page.records.into_iter().map(|record| record.seq));
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
        }
        let mut expected = [(1..=1_300).collect::<Vec<_>>(), vec![8, 608, 1208]];
        if order == Order::NewestFirst {
            expected.iter_mut().for_each(|seqs| seqs.reverse());
        }
        assert_eq!(found, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn records_are_signed_by_and_by() {
    let bench = Bench::start(1).await;
    bench.fill("acme", 2_050).await;
    let signed = async || -> Vec<u64> {
        let list = ListCheckpoints { after: 0, limit: 100 };
        let page = bench.audit("acme").ask(list).await.unwrap();
        page.checkpoints.iter().map(|checkpoint| checkpoint.seq).collect()
    };
    assert_eq!(signed().await, [1, 1_001, 2_001]);
    bench.cluster.advance(std::time::Duration::from_hours(25)).await;
    assert_eq!(signed().await, [1, 1_001, 2_001, 2_050], "once a day the last one is");
    let end = bench.audit("acme").ask(SignHead).await.unwrap();
    assert_eq!(end.seq, 2_050);
    assert_eq!(signed().await.len(), 4, "a record has one checkpoint");
    assert!(bench.verdict("acme").await.is_valid());
}

#[tokio::test(start_paused = true)]
async fn without_a_key_events_are_recorded_and_signed_later() {
    let mut bench = Bench::with(1, FakeSigner::absent()).await;
    bench.fill("acme", 3).await;
    assert_eq!(
        bench.audit("acme").ask(SignHead).await.unwrap_err().code(),
        "audit.no-key"
    );
    bench.restart_with(FakeSigner::new("key")).await;
    bench.append("acme", "something_done").await;
    let list = ListCheckpoints { after: 0, limit: 100 };
    let checkpoints: Vec<Checkpoint> = bench.audit("acme").ask(list).await.unwrap().checkpoints;
    assert_eq!(checkpoints.len(), 1);
    assert_eq!(checkpoints[0].seq, 4);
    assert!(bench.verdict("acme").await.is_valid());
}
