//! The engine's files as they were written by the version that introduced them.

use std::collections::BTreeSet;

use openraft::EntryPayload;

use super::*;
use crate::consensus::codec::{self, Head};
use crate::consensus::types::{Command, Entry, LeaderId, LogId, Membership, StoredMembership, Vote};
use crate::golden;
use crate::store::{Image, ImageReader, ImageWriter};

fn id(index: u64) -> LogId {
    LogId {
        leader_id: LeaderId { term: 3, node_id: 7 },
        index,
    }
}

fn membership() -> Membership {
    Membership::new_with_defaults(vec![BTreeSet::from([1, 2]), BTreeSet::from([2, 3])], [9])
}

fn entry(index: u64, payload: EntryPayload<Command, u64, ()>) -> Entry {
    Entry {
        log_id: id(index),
        payload,
    }
}

fn ops() -> Vec<Op> {
    vec![
        put("row", "value"),
        Op::Delete { key: key("gone") },
        Op::Send {
            envelope: Bytes::from_static(b"envelope"),
        },
        Op::PutIfAbsent {
            key: key("once"),
            value: Bytes::from_static(b"first"),
        },
    ]
}

fn entries() -> [(&'static str, Entry); 4] {
    let mut written = Vec::new();
    ops().iter().for_each(|op| codec::put_op(&mut written, op));
    let write = Command::Write {
        epoch: Epoch(258),
        round: 9,
        ops: written.into(),
    };
    [
        ("blank", entry(0, EntryPayload::Blank)),
        ("membership", entry(1, EntryPayload::Membership(membership()))),
        ("own", entry(258, EntryPayload::Normal(Command::Own { node: 7 }))),
        ("write", entry(259, EntryPayload::Normal(write))),
    ]
}

fn head() -> Head {
    Head {
        applied: Some(id(259)),
        membership: StoredMembership::new(Some(id(1)), membership()),
        epoch: Some(Epoch(258)),
        round: 10,
    }
}

#[test]
fn log_entries_and_marks_keep_their_bytes() {
    let vote = Vote {
        leader_id: LeaderId { term: 3, node_id: 7 },
        committed: true,
    };
    let mut written = entries()
        .map(|(name, entry)| (name, codec::entry(&entry).into()))
        .to_vec();
    written.extend([
        ("vote", codec::vote(&vote).into()),
        ("purged", codec::log_id(&id(258)).into()),
        ("marks", codec::marks(&[(0, 3), (1, 260)]).into()),
        ("head", codec::head(&head()).into()),
    ]);
    let golden = golden::check(include_str!("../../../tests/golden/log.txt"), &written);
    for (name, entry) in entries() {
        assert_eq!(codec::read_entry(golden[name].clone()).unwrap(), entry);
    }
    assert_eq!(codec::read_vote(golden["vote"].clone()).unwrap(), vote);
    assert_eq!(codec::read_log_id(golden["purged"].clone()).unwrap(), id(258));
    assert_eq!(codec::read_marks(golden["marks"].clone()).unwrap(), [(0, 3), (1, 260)]);
    assert_eq!(codec::read_head(golden["head"].clone()).unwrap(), head());
}

#[test]
fn snapshots_keep_their_bytes() {
    let rows = [("a", vec![1; 3]), ("b", Vec::new()), ("c", vec![2; 5])];
    let mut image = ImageWriter::begin(Vec::new(), &codec::head(&head())).unwrap();
    for (name, value) in &rows {
        image.push(&key(name), value).unwrap();
    }
    let (bytes, _) = image.finish().unwrap();
    let golden = golden::check(
        include_str!("../../../tests/golden/snapshot.txt"),
        &[("snapshot", bytes.into())],
    );
    let reader = ImageReader::open(Image::Memory(golden["snapshot"].clone()).read().unwrap()).unwrap();
    assert_eq!(codec::read_head(reader.head().clone()).unwrap(), head());
    let read = reader.rows().map(Result::unwrap).collect::<Vec<_>>();
    assert_eq!(read, rows.map(|(name, value)| (key(name), Bytes::from(value))));
}

#[test]
fn the_format_file_keeps_its_bytes() {
    let file = include_str!("../../../tests/golden/format");
    assert_eq!(crate::consensus::directory::render(16), file);
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("format"), file).unwrap();
    assert_eq!(crate::consensus::format(directory.path()).unwrap(), Some(16));
}
