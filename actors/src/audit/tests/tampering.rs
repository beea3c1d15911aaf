//! Whoever can write into the storage is found out, and the check says where it begins.

use cluster::testing::{stored_bytes, stored_value};

use super::harness::{Bench, Change};
use crate::{
    audit::{AuditRecord, Checkpoint, FaultReason, GENESIS, SignHead, Verifier},
    ports::fake::FakeSigner,
};

/// Tampers with a chain of 12 records; says which number the check names.
async fn named(changes: impl FnOnce(&[AuditRecord]) -> Vec<Change>) -> Option<u64> {
    let mut bench = Bench::start(7).await;
    bench.fill("acme", 12).await;
    let changes = changes(&bench.all("acme").await);
    bench.tamper("acme", changes).await;
    bench.first_bad("acme").await
}

#[tokio::test(start_paused = true)]
async fn what_was_not_touched_is_valid() {
    assert_eq!(named(|_| Vec::new()).await, None);
}

/// A5: number and previous hash are part of the check, and not only the hash.
#[tokio::test(start_paused = true)]
async fn a_change_of_any_member_of_a_record_is_named() {
    let changes: [fn(&mut AuditRecord); 6] = [
        |record| record.seq = 6,
        |record| record.event_type.push('x'),
        |record| record.payload = record.payload.replace("u-1", "u-2"),
        |record| record.previous_hash.0[0] ^= 1,
        |record| record.hash.0[31] ^= 128,
        |record| record.created_at += 1,
    ];
    for change in changes {
        let tampered = |records: &[AuditRecord]| {
            let mut record = records[4].clone();
            change(&mut record);
            vec![Change::Record(5, record)]
        };
        assert_eq!(named(tampered).await, Some(5));
    }
}

#[test]
fn any_bit_of_a_stored_record_counts() {
    let mut verifier = Verifier::default();
    let first = AuditRecord::following(
        0,
        GENESIS,
        "run_created".into(),
        r#"{"actor":"u-1"}"#.into(),
        1_767_225_600,
    );
    verifier.check(&first).unwrap();
    let second = AuditRecord::following(
        1,
        first.hash,
        "run_deleted".into(),
        r#"{"actor":"u-2"}"#.into(),
        1_767_225_601,
    );
    let stored = stored_bytes(&second).unwrap();
    for bit in 0..stored.len() * 8 {
        let mut bytes = stored.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let read = stored_value::<AuditRecord>(&bytes).ok();
        let fault = verifier.clone().check_at(2, read.as_ref()).unwrap_err();
        assert_eq!(fault.first_bad_seq, 2, "bit {bit}");
    }
    verifier.check_at(2, Some(&second)).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_read_is_named() {
    assert_eq!(named(|_| vec![Change::Garbage(9)]).await, Some(9));
    assert_eq!(named(|_| vec![Change::Garbage(1)]).await, Some(1));
    assert_eq!(named(|_| vec![Change::Drop(4), Change::Garbage(9)]).await, Some(4));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_record_is_named() {
    for seq in 1..=12 {
        assert_eq!(named(|_| vec![Change::Drop(seq)]).await, Some(seq));
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_and_closed_up_is_named() {
    let closed_up = |records: &[AuditRecord]| {
        let moved = (6..=12).map(|seq| {
            let mut record = records[seq as usize - 1].clone();
            record.seq = seq - 1;
            Change::Record(seq - 1, record)
        });
        moved.chain([Change::Drop(12)]).collect()
    };
    assert_eq!(named(closed_up).await, Some(5));
}

#[tokio::test(start_paused = true)]
async fn moved_and_swapped_records_are_named() {
    let swapped = |records: &[AuditRecord]| {
        vec![
            Change::Record(4, records[8].clone()),
            Change::Record(9, records[3].clone()),
        ]
    };
    assert_eq!(named(swapped).await, Some(4));
    let renumbered = |records: &[AuditRecord]| {
        let (mut fourth, mut ninth) = (records[3].clone(), records[8].clone());
        (fourth.seq, ninth.seq) = (9, 4);
        vec![Change::Record(4, ninth), Change::Record(9, fourth)]
    };
    assert_eq!(named(renumbered).await, Some(4));
    let doubled = |records: &[AuditRecord]| vec![Change::Record(7, records[5].clone())];
    assert_eq!(named(doubled).await, Some(7));
    let moved_before = |records: &[AuditRecord]| vec![Change::Record(0, records[0].clone()), Change::Drop(1)];
    assert_eq!(named(moved_before).await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_cut_end_is_named_by_the_stored_head() {
    assert_eq!(named(|_| (8..=12).map(Change::Drop).collect()).await, Some(8));
    assert_eq!(named(|_| (1..=12).map(Change::Drop).collect()).await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_cut_end_with_its_head_is_named_by_a_later_checkpoint() {
    let mut bench = Bench::start(7).await;
    bench.fill("acme", 12).await;
    let end = bench.audit("acme").ask(SignHead).await.unwrap();
    let records = bench.all("acme").await;
    let mut changes: Vec<Change> = (8..=12).map(Change::Drop).collect();
    changes.push(Change::Head(7, records[6].hash, records[6].created_at));
    bench.tamper("acme", changes.clone()).await;
    assert_eq!(bench.first_bad("acme").await, Some(8));

    // Whoever removes that too is found out by who has kept the checkpoint.
    changes.push(Change::DropCheckpoint(12));
    bench.tamper("acme", changes).await;
    assert_eq!(bench.first_bad("acme").await, None);
    assert!(end.seq > bench.head("acme").await.length);
}

#[tokio::test(start_paused = true)]
async fn a_record_behind_the_end_is_named() {
    let appended = |records: &[AuditRecord]| {
        let last = records.last().unwrap();
        let record = AuditRecord::following(12, last.hash, "forged".into(), "{}".into(), last.created_at);
        vec![Change::Record(13, record)]
    };
    assert_eq!(named(appended).await, Some(13));
}

#[tokio::test(start_paused = true)]
async fn a_chain_written_anew_is_named_by_what_vouches_for_the_old_one() {
    let rewritten = |records: &[AuditRecord], from: usize| -> Vec<AuditRecord> {
        let mut written = records[..from].to_vec();
        for record in &records[from..] {
            let previous = written.last().map_or(GENESIS, |record: &AuditRecord| record.hash);
            let payload = record.payload.replace("u-1", "u-2");
            let seq = written.len() as u64;
            written.push(AuditRecord::following(
                seq,
                previous,
                record.event_type.clone(),
                payload,
                record.created_at,
            ));
        }
        written
    };
    let changes = |written: Vec<AuditRecord>| {
        let last = written.last().unwrap();
        let head = Change::Head(last.seq, last.hash, last.created_at);
        let records = written.into_iter().map(|record| Change::Record(record.seq, record));
        records.chain([head]).collect::<Vec<_>>()
    };
    // The first record is signed.
    assert_eq!(named(|records| changes(rewritten(records, 0))).await, Some(1));

    let mut bench = Bench::start(7).await;
    bench.fill("acme", 6).await;
    bench.audit("acme").ask(SignHead).await.unwrap();
    bench.fill("acme", 6).await;
    bench.audit("acme").ask(SignHead).await.unwrap();
    let written = rewritten(&bench.all("acme").await, 8);
    bench.tamper("acme", changes(written)).await;
    let fault = bench.verdict("acme").await.fault.unwrap();
    assert_eq!(fault.reason, FaultReason::Unvouched { at: 12 });
    assert_eq!(fault.first_bad_seq, 7, "nothing vouches for what is behind the sixth");
}

/// Two tenants' chains, each whole in itself.
#[tokio::test(start_paused = true)]
async fn swapped_chains_are_named() {
    for (mine, others) in [(5, 5), (3, 8), (8, 3)] {
        let mut bench = Bench::start(7).await;
        bench.fill("acme", mine).await;
        bench.append("other", "something_else").await;
        bench.fill("other", others - 1).await;
        let (mine, others) = (bench.all("acme").await, bench.all("other").await);
        for (tenant, old, new) in [("acme", &mine, &others), ("other", &others, &mine)] {
            let drop = old.iter().map(|record| Change::Drop(record.seq));
            let put = new.iter().map(|record| Change::Record(record.seq, record.clone()));
            let mut changes: Vec<Change> = drop.chain(put).collect();
            bench.tamper(tenant, changes.clone()).await;
            assert_eq!(bench.first_bad(tenant).await, Some(1), "the records of another tenant");

            let last = new.last().unwrap();
            changes.push(Change::Head(last.seq, last.hash, last.created_at));
            bench.tamper(tenant, changes.clone()).await;
            assert_eq!(bench.first_bad(tenant).await, Some(1), "and its head");

            let other = if tenant == "acme" { "other" } else { "acme" };
            let signer = FakeSigner::new("key");
            let theirs = Checkpoint::sign(&signer, other, 1, new[0].hash, 0).unwrap();
            changes.push(Change::Checkpoint(1, theirs));
            bench.tamper(tenant, changes).await;
            let fault = bench.verdict(tenant).await.fault.unwrap();
            assert_eq!(
                (fault.first_bad_seq, fault.reason),
                (1, FaultReason::Unsigned),
                "and its checkpoint"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_of_another_key_is_named() {
    let foreign = |records: &[AuditRecord]| {
        let checkpoint = Checkpoint::sign(&FakeSigner::new("another"), "acme", 6, records[5].hash, 0);
        vec![Change::Checkpoint(6, checkpoint.unwrap())]
    };
    assert_eq!(named(foreign).await, Some(6));
}

#[tokio::test(start_paused = true)]
async fn a_fault_behind_many_pages_is_named() {
    let mut bench = Bench::start(7).await;
    bench.fill("acme", 1_700).await;
    assert_eq!(bench.verdict("acme").await.length, 1_700);
    assert_eq!(bench.first_bad("acme").await, None);
    let mut record = bench.all("acme").await[1_600].clone();
    record.payload.push(' ');
    bench.tamper("acme", vec![Change::Record(1_601, record)]).await;
    assert_eq!(bench.first_bad("acme").await, Some(1_601));
}
