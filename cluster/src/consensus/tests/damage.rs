//! Files that are damaged while the node is stopped.

use std::fs;
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;

use super::disk::{fill, rows, snapshot, start, stores};
use super::*;
use crate::{Severity, Verification};

fn seeded() -> StdRng {
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    StdRng::seed_from_u64(seed)
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// Flips random bits of a file that is not empty.
fn flip(path: &Path, rng: &mut StdRng) {
    let mut bytes = fs::read(path).unwrap();
    if bytes.is_empty() {
        return fs::write(path, b"x").unwrap();
    }
    for _ in 0..rng.random_range(1..50) {
        let at = rng.random_range(0..bytes.len());
        bytes[at] ^= 1 << rng.random_range(0..8);
    }
    fs::write(path, bytes).unwrap();
}

fn cut(path: &Path, rng: &mut StdRng) {
    let length = fs::metadata(path).unwrap().len();
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_len(if length == 0 { 0 } else { rng.random_range(0..length) })
        .unwrap();
}

fn look(directory: &TempDir) -> Verification {
    crate::verify(directory.path(), directory.path().join("scratch"), |_, _| {}).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_with_random_damage_is_rebuilt_to_the_same_rows() {
    let mut rng = seeded();
    let directory = TempDir::new().unwrap();
    let engine = start(&directory).await;
    fill(&engine).await;
    snapshot(&engine).await;
    commit(
        &*engine.shards()[0],
        vec![put("after", "1"), Op::Delete { key: key("large") }],
    )
    .await;
    let before = rows(&engine);
    engine.shutdown().await;
    for round in 0..12 {
        let state = directory.path().join("state");
        let found = files(&state);
        let file = found.choose(&mut rng).unwrap();
        println!("round {round}: {}", file.display());
        match round % 4 {
            0 => flip(file, &mut rng),
            1 => cut(file, &mut rng),
            2 => fs::remove_file(file).unwrap(),
            _ => fs::write(state.join("foreign"), b"what is this").unwrap(),
        }
        assert_eq!(
            look(&directory).worst(),
            Some(Severity::Note),
            "the next start takes care of it"
        );
        let engine = start(&directory).await;
        assert_eq!(rows(&engine), before, "round {round}");
        engine.shutdown().await;
        assert_eq!(look(&directory).findings, []);
    }
}

/// After a kill sled vouches for itself: what it notices costs a restart, and is rebuilt then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unclean_state_of_another_boot_is_rebuilt_whatever_is_in_it() {
    let mut rng = seeded();
    let directory = TempDir::new().unwrap();
    let engine = start(&directory).await;
    let before = fill(&engine).await;
    engine.shutdown().await;
    for _ in 0..4 {
        let found = files(&directory.path().join("state"));
        flip(found.choose(&mut rng).unwrap(), &mut rng);
        fs::remove_file(directory.path().join("state.clean")).unwrap();
        fs::write(directory.path().join("state.boot"), "another").unwrap();
        let engine = start(&directory).await;
        assert_eq!(rows(&engine), before);
        engine.shutdown().await;
    }
}

/// Whatever happens to the log: either it is still whole, or the node says which part is not and does not start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_log_is_refused_by_name_or_was_not_needed() {
    let mut rng = seeded();
    let original = TempDir::new().unwrap();
    let engine = start(&original).await;
    fill(&engine).await;
    snapshot(&engine).await;
    commit(&*engine.shards()[0], vec![put("after", "1")]).await;
    let before = rows(&engine);
    engine.shutdown().await;
    let mut refused = 0;
    for round in 0..16 {
        let directory = TempDir::new().unwrap();
        copy(original.path(), directory.path());
        let found = files(&directory.path().join("log"));
        let file = found.choose(&mut rng).unwrap().clone();
        match round % 3 {
            0 => used(&file, &mut rng),
            1 => cut(&file, &mut rng),
            _ => fs::remove_file(&file).unwrap(),
        }
        let seen = look(&directory).worst();
        match open(stores(&directory), 2).await {
            Ok(engine) => {
                engine.ready().await;
                assert_eq!(rows(&engine), before, "round {round}: {}", file.display());
                engine.shutdown().await;
                assert_eq!(seen, None, "round {round}: {}", file.display());
            }
            Err(error) => {
                refused += 1;
                let text = error.to_string();
                println!("round {round}: {}: {text}", file.display());
                assert!(text.contains("restore a backup"), "{text}");
                assert!(text.contains("log"), "{text}");
                assert_eq!(seen, Some(Severity::Lost), "round {round}: {}", file.display());
            }
        }
    }
    assert!(refused > 0, "no damage was ever noticed");
}

/// Flips a bit where something was written: a journal is mostly room for later.
fn used(path: &Path, rng: &mut StdRng) {
    let mut bytes = fs::read(path).unwrap();
    let written = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect::<Vec<_>>();
    match written.choose(rng) {
        Some(at) => bytes[*at] ^= 1,
        None => bytes.push(1),
    }
    fs::write(path, bytes).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_that_the_state_has_wrong_is_reported() {
    let directory = TempDir::new().unwrap();
    let engine = start(&directory).await;
    fill(&engine).await;
    snapshot(&engine).await;
    commit(&*engine.shards()[0], vec![put("after", "1")]).await;
    engine.shutdown().await;
    let clean = look(&directory);
    assert_eq!(clean.findings, []);
    let shard = &clean.groups[1];
    assert_eq!(
        (shard.shard, shard.rows, shard.differences),
        (Some(0), Some(202), Some(0))
    );
    assert_eq!(shard.snapshot_rows, Some(201));

    let db = sled::open(directory.path().join("state")).unwrap();
    let tree = db.open_tree(1_u32.to_be_bytes()).unwrap();
    tree.insert(key("forged"), &b"\0lie"[..]).unwrap();
    tree.insert(key("003"), &b"\0changed"[..]).unwrap();
    tree.remove(key("004")).unwrap();
    db.flush().unwrap();
    drop((tree, db));
    // As after a kill: sums of a clean stop would give it away at once.
    fs::remove_file(directory.path().join("state.clean")).unwrap();
    let found = look(&directory);
    let texts = found
        .findings
        .iter()
        .map(|finding| finding.text.as_str())
        .collect::<Vec<_>>();
    assert_eq!(
        texts,
        [
            "row 01303033 has another value",
            "row 01303034 is missing",
            "row 01666f72676564 should not be there"
        ]
    );
    assert_eq!(found.groups[1].differences, Some(3));
    assert_eq!(found.worst(), Some(Severity::Wrong));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_snapshot_is_found_and_a_directory_in_use_is_not_looked_at() {
    let directory = TempDir::new().unwrap();
    let engine = start(&directory).await;
    fill(&engine).await;
    snapshot(&engine).await;
    let used = crate::verify(directory.path(), directory.path().join("scratch"), |_, _| {});
    assert!(matches!(used, Err(crate::OpenError::Locked { .. })), "{used:?}");
    engine.shutdown().await;
    let image = directory.path().join("snapshots/00002");
    let mut bytes = fs::read(&image).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&image, bytes).unwrap();
    let before = files(directory.path());
    let found = look(&directory);
    assert_eq!(files(directory.path()), before, "looking changes nothing");
    assert_eq!(found.findings.len(), 1);
    assert_eq!(
        (found.findings[0].severity, found.findings[0].shard),
        (Severity::Lost, Some(1))
    );
    assert_eq!(found.findings[0].path, image);
}
