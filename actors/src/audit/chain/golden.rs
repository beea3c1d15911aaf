//! Samples of what is stored, against the golden files.

use cluster::prelude::VirtualActor;

use super::{ANCHOR, AuditLog, CHECKPOINTS, EMPTY, HEAD, Head, RECORDS, RETENTION};
use crate::{
    audit::{AuditRecord, Checkpoint, GENESIS, Hex},
    golden::{check, check_family},
};

/// Guarantee 16.
#[test]
fn stored_chains_are_readable() {
    let first = AuditRecord::following(
        0,
        GENESIS,
        "run_created".into(),
        r#"{"actor":"u-1"}"#.into(),
        1_767_225_600,
    );
    let second = AuditRecord::following(1, first.hash, "run_deleted".into(), "{}".into(), 1_767_225_601);
    let head = Head {
        seq: 70_000,
        hash: second.hash,
        created_at: 1_767_225_601,
    };
    let checkpoint = Checkpoint {
        seq: 1_000,
        hash: first.hash,
        created_at: 1_767_225_602,
        public_key: Hex(std::array::from_fn(|byte| byte as u8)),
        signature: Hex(std::array::from_fn(|byte| 255 - byte as u8)),
    };
    check_family(AuditLog::CLASS, &RECORDS, &[first, second]);
    check(AuditLog::CLASS, &HEAD, &[EMPTY, head]);
    check_family(AuditLog::CLASS, &CHECKPOINTS, std::slice::from_ref(&checkpoint));
    check(AuditLog::CLASS, &ANCHOR, &[checkpoint]);
    check(AuditLog::CLASS, &RETENTION, &[None, Some(90)]);
}
