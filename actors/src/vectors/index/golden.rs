//! Samples of what is stored, against the golden files.

use cluster::prelude::VirtualActor;

use super::{Change, PENDING, STORED, VectorIndex, WRITER, WRITTEN};
use crate::{
    golden::{check, check_family},
    vectors::{
        messages::{Forget, IndexedText},
        rebuild::{BUILT, LAST, Model, REBUILD, Rebuilding},
    },
};

/// Guarantee 16.
#[test]
fn stored_changes_are_readable() {
    let text = |phase: &str| IndexedText {
        run_id: "r1".into(),
        phase: phase.into(),
        attempt: 2,
        version: 300,
        text: "what was decided".into(),
    };
    let forget = |attempt| {
        Change::Forget(Forget {
            run_id: "r1".into(),
            attempt,
        })
    };
    let changes = [
        Change::Put(vec![text("intake"), text("market")]),
        forget(Some(3)),
        forget(None),
        Change::Clear,
    ];
    check_family(VectorIndex::CLASS, &PENDING, &changes);
    for key in [&STORED, &WRITTEN, &WRITER, &LAST] {
        check(VectorIndex::CLASS, key, &[1, 70_000]);
    }
    let model = Model {
        id: "a-model".into(),
        dimensions: 384,
    };
    check(VectorIndex::CLASS, &BUILT, std::slice::from_ref(&model));
    let rebuilding = Rebuilding {
        number: 2,
        model,
        after: Some("cursor".into()),
        is_asked: false,
        asked: 50,
        answered: 7,
    };
    let asked = Rebuilding {
        after: None,
        is_asked: true,
        ..rebuilding.clone()
    };
    check(VectorIndex::CLASS, &REBUILD, &[rebuilding, asked]);
}
