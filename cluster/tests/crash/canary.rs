//! Whether the faulty disk sees everything that the stores write.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use faults::{Loss, SyncMode};

use crate::machine::{Kill, Machine};

fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut rest = vec![directory.to_owned()];
    while let Some(next) = rest.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                rest.push(path);
            } else {
                found.insert(path.clone(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// With syncs that do nothing, a power loss takes everything back: whatever were written past the disk would stay.
#[test]
fn no_store_writes_past_the_disk() {
    let mut machine = Machine::new(400);
    let plan = machine.plan();
    let end = machine.run(&plan, Kill::Never).unwrap();
    assert_eq!(end.status.code(), Some(0));
    machine.settle(&plan, Loss::Nothing, 0).unwrap();
    let before = contents(&plan.directory);

    let mut unsynced = plan.clone();
    unsynced.sync = SyncMode::Ignored;
    let end = machine.run(&unsynced, Kill::Never).unwrap();
    assert_eq!(end.status.code(), Some(0));
    let after = contents(&plan.directory);
    for store in ["log", "state", "snapshots"] {
        let of = |files: &BTreeMap<PathBuf, Vec<u8>>| {
            let path = plan.directory.join(store);
            files
                .iter()
                .filter(|(file, _)| file.starts_with(&path))
                .map(|(file, bytes)| (file.clone(), bytes.clone()))
                .collect::<Vec<_>>()
        };
        assert!(!of(&before).is_empty(), "{store} is used");
        assert!(of(&before) != of(&after), "{store} was written");
    }
    machine.settle(&plan, Loss::Unsynced, 0).unwrap();
    let settled = contents(&plan.directory);
    for (path, bytes) in &before {
        assert!(
            settled.get(path) == Some(bytes),
            "{} was written past the disk",
            path.display()
        );
    }
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(&settled),
        names(&before),
        "a file was made or removed past the disk"
    );
}
