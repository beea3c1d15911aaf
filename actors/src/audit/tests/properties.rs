//! Any chain, and any one thing done to it.

use proptest::prelude::*;

use crate::audit::{AuditRecord, GENESIS, Verifier};

/// What happens to the rows of a chain.
#[derive(Debug, Clone)]
enum Act {
    Drop(usize),
    Swap(usize, usize),
    Overwrite(usize, usize),
    Payload(usize, char),
    Hash(usize, usize),
    Renumber(usize, u64),
    Cut(usize),
    /// Written anew from here on, with hashes that fit.
    Rewrite(usize),
}

fn acts() -> impl Strategy<Value = Act> {
    let at = 0..1_000_usize;
    prop_oneof![
        at.clone().prop_map(Act::Drop),
        (at.clone(), at.clone()).prop_map(|(a, b)| Act::Swap(a, b)),
        (at.clone(), at.clone()).prop_map(|(a, b)| Act::Overwrite(a, b)),
        (at.clone(), any::<char>()).prop_map(|(a, letter)| Act::Payload(a, letter)),
        (at.clone(), 0..512_usize).prop_map(|(a, bit)| Act::Hash(a, bit)),
        (at.clone(), any::<u64>()).prop_map(|(a, seq)| Act::Renumber(a, seq)),
        at.clone().prop_map(Act::Cut),
        at.prop_map(Act::Rewrite),
    ]
}

fn chain(payloads: &[String]) -> Vec<AuditRecord> {
    let mut records: Vec<AuditRecord> = Vec::new();
    for (seq, payload) in payloads.iter().enumerate() {
        let previous = records.last().map_or(GENESIS, |record| record.hash);
        records.push(AuditRecord::following(
            seq as u64,
            previous,
            "event".into(),
            payload.clone(),
            seq as i64,
        ));
    }
    records
}

/// Checks rows, number and record, against the end of the chain.
fn first_bad(rows: &[(u64, AuditRecord)], end: &AuditRecord) -> Option<u64> {
    let mut verifier = Verifier::default();
    let outcome = rows
        .iter()
        .try_for_each(|(place, record)| verifier.check_at(*place, Some(record)))
        .and_then(|()| verifier.end(end.seq, end.hash));
    outcome.err().map(|fault| fault.first_bad_seq)
}

proptest! {
    #[test]
    fn whatever_is_done_is_named(payloads in prop::collection::vec(".{0,40}", 1..20), act in acts()) {
        let whole = chain(&payloads);
        let end = whole.last().unwrap().clone();
        let mut rows: Vec<(u64, AuditRecord)> = whole.iter().map(|record| (record.seq, record.clone())).collect();
        prop_assert_eq!(first_bad(&rows, &end), None);
        let length = rows.len();
        let expected = match act {
            Act::Drop(at) => {
                let at = at % length;
                rows.remove(at);
                Some(at as u64 + 1)
            }
            Act::Swap(a, b) => {
                let (a, b) = (a % length, b % length);
                let records = (rows[a].1.clone(), rows[b].1.clone());
                (rows[b].1, rows[a].1) = records;
                (a != b).then_some(a.min(b) as u64 + 1)
            }
            Act::Overwrite(a, b) => {
                let (a, b) = (a % length, b % length);
                rows[a].1 = rows[b].1.clone();
                (a != b).then_some(a as u64 + 1)
            }
            Act::Payload(at, letter) => {
                let at = at % length;
                rows[at].1.payload.push(letter);
                Some(at as u64 + 1)
            }
            Act::Hash(at, bit) => {
                let at = at % length;
                let record = &mut rows[at].1;
                let hash = if bit < 256 { &mut record.hash } else { &mut record.previous_hash };
                hash.0[bit % 256 / 8] ^= 1 << (bit % 8);
                Some(at as u64 + 1)
            }
            Act::Renumber(at, seq) => {
                let at = at % length;
                rows[at].1.seq = seq;
                (seq != at as u64 + 1).then_some(at as u64 + 1)
            }
            Act::Cut(at) => {
                let at = at % length;
                rows.truncate(at);
                Some(at as u64 + 1)
            }
            Act::Rewrite(at) => {
                let mut payloads = payloads.clone();
                payloads[at % length].push('x');
                rows = chain(&payloads).into_iter().map(|record| (record.seq, record)).collect();
                // Consistent in itself: only the end tells, and nothing before it vouches.
                Some(1)
            }
        };
        prop_assert_eq!(first_bad(&rows, &end), expected);
    }

    #[test]
    fn a_verifier_that_was_laid_aside_goes_on(payloads in prop::collection::vec(".{0,40}", 1..20), at in 0..20_usize) {
        let whole = chain(&payloads);
        let at = at.min(whole.len());
        let mut verifier = Verifier::default();
        for record in &whole[..at] {
            verifier.check(record).unwrap();
        }
        let stored = cluster::testing::stored_bytes(&verifier).unwrap();
        let mut verifier: Verifier = cluster::testing::stored_value(&stored).unwrap();
        for record in &whole[at..] {
            verifier.check(record).unwrap();
        }
        let end = whole.last().unwrap();
        verifier.end(end.seq, end.hash).unwrap();
    }
}
