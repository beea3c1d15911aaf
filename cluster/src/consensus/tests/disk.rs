//! The engine in a data directory.

use std::fs;
use std::ops::Bound;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::*;

pub(super) fn stores(directory: &TempDir) -> Stores {
    Stores::Disk {
        path: directory.path().to_owned(),
        cache_bytes: 8 << 20,
    }
}

pub(super) async fn start(directory: &TempDir) -> Engine {
    let engine = open(stores(directory), 2).await.unwrap();
    engine.ready().await;
    engine
}

/// Leaves rows of every kind behind: whole, chunked, shrunk, removed.
pub(super) async fn fill(engine: &Engine) -> Vec<Vec<(Bytes, Bytes)>> {
    for shard in engine.shards() {
        for n in 0..200_u32 {
            commit(&*shard, vec![put(&format!("{n:03}"), vec![n as u8; 500])]).await;
        }
        commit(
            &*shard,
            vec![put("large", vec![1; 100_000]), put("shrunk", vec![2; 100_000])],
        )
        .await;
        commit(
            &*shard,
            vec![put("shrunk", vec![3; 40_000]), Op::Delete { key: key("007") }],
        )
        .await;
    }
    rows(engine)
}

pub(super) fn rows(engine: &Engine) -> Vec<Vec<(Bytes, Bytes)>> {
    let range = (Bound::Included(Bytes::from_static(&[1])), Bound::Unbounded);
    engine
        .shards()
        .iter()
        .map(|shard| shard.scan(range.clone(), false, 10_000).unwrap())
        .collect()
}

pub(super) async fn snapshot(engine: &Engine) {
    engine.take_snapshots().await;
    for group in std::iter::once(engine.meta_group()).chain(engine.shard_groups()) {
        let applied = group.status().applied;
        let purged = |metrics: &openraft::RaftMetrics<_>| metrics.purged.map(|purged| purged.index) >= applied;
        group
            .raft()
            .wait(Some(Duration::from_secs(30)))
            .metrics(purged, "purged")
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_there_after_a_clean_restart() {
    let directory = TempDir::new().unwrap();
    let engine = start(&directory).await;
    let before = fill(&engine).await;
    assert_eq!(before[0].len(), 201);
    engine.shutdown().await;
    let engine = start(&directory).await;
    assert_eq!(rows(&engine), before);
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_state_is_rebuilt_from_the_log_alone() {
    let directory = TempDir::new().unwrap();
    let engine = start(&directory).await;
    let before = fill(&engine).await;
    engine.shutdown().await;
    fs::remove_dir_all(directory.path().join("state")).unwrap();
    let engine = start(&directory).await;
    assert_eq!(rows(&engine), before);
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_state_is_rebuilt_from_snapshot_and_log() {
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
    fs::remove_dir_all(directory.path().join("state")).unwrap();
    let engine = start(&directory).await;
    assert_eq!(rows(&engine), before);
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_state_is_rebuilt() {
    let directory = TempDir::new().unwrap();
    let engine = start(&directory).await;
    let before = fill(&engine).await;
    engine.shutdown().await;
    fs::write(directory.path().join("state/conf"), b"torn").unwrap();
    let engine = start(&directory).await;
    assert_eq!(rows(&engine), before);
    engine.shutdown().await;
}

/// The rows of a state that was written under another boot may be lies, so none of them may be seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unclean_state_of_another_boot_is_rebuilt() {
    let directory = TempDir::new().unwrap();
    let engine = start(&directory).await;
    let before = fill(&engine).await;
    engine.shutdown().await;
    forge(directory.path());
    fs::remove_file(directory.path().join("state.clean")).unwrap();
    let engine = start(&directory).await;
    assert_ne!(rows(&engine), before, "under the same boot the state is believed");
    engine.shutdown().await;
    forge(directory.path());
    fs::remove_file(directory.path().join("state.clean")).unwrap();
    fs::write(directory.path().join("state.boot"), "another").unwrap();
    let engine = start(&directory).await;
    assert_eq!(rows(&engine), before);
    engine.shutdown().await;
}

/// Writes a row that no log entry knows into the state of every shard.
fn forge(directory: &Path) {
    let db = sled::open(directory.join("state")).unwrap();
    for group in 1..=2_u32 {
        db.open_tree(group.to_be_bytes())
            .unwrap()
            .insert(key("forged"), &b"\0lie"[..])
            .unwrap();
    }
    db.flush().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_snapshot_is_not_installed() {
    let directory = TempDir::new().unwrap();
    let engine = start(&directory).await;
    fill(&engine).await;
    snapshot(&engine).await;
    engine.shutdown().await;
    let image = directory.path().join("snapshots/00001");
    let mut bytes = fs::read(&image).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&image, bytes).unwrap();
    fs::remove_dir_all(directory.path().join("state")).unwrap();
    let (on_fatal, _) = failing();
    let config = EngineConfig {
        shards: 2,
        stores: stores(&directory),
        node: NodeId::FIRST,
        peers: Arc::new(NoPeers),
        found: true,
        raft: Handle::current(),
        actors: Handle::current(),
        clock: Arc::new(SystemClock),
        on_fatal,
    };
    let error = Engine::open(config).await.unwrap_err();
    assert!(
        matches!(&error, OpenError::Damaged { path, reason } if *path == image && reason.contains("checksum")),
        "{error}"
    );
    assert!(error.to_string().contains("restore a backup"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_directory_that_was_emptied_is_refused() {
    let directory = TempDir::new().unwrap();
    let engine = start(&directory).await;
    fill(&engine).await;
    snapshot(&engine).await;
    engine.shutdown().await;
    fs::remove_dir_all(directory.path().join("log")).unwrap();
    let error = open(stores(&directory), 2).await.unwrap_err();
    assert!(matches!(error, OpenError::Marks(_)), "{error}");
    assert!(error.to_string().contains("entries were lost"), "{error}");
}

/// fjall drops what it cannot decode at the end of its journal without a word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_was_cut_short_is_refused() {
    let directory = TempDir::new().unwrap();
    let engine = start(&directory).await;
    fill(&engine).await;
    engine.shutdown().await;
    let journals = fs::read_dir(directory.path().join("log"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let journal = journals.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let bytes = fs::read(&journal).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    fs::write(&journal, &bytes[..used / 2]).unwrap();
    let error = open(stores(&directory), 2).await.unwrap_err();
    assert!(matches!(error, OpenError::Marks(_)), "{error}");
}

/// What is left of the last batch after a power loss was never acknowledged, whichever part it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_batch_behind_the_log_is_dropped() {
    let directory = TempDir::new().unwrap();
    let engine = start(&directory).await;
    let before = fill(&engine).await;
    engine.shutdown().await;
    let journals = fs::read_dir(directory.path().join("log"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let journal = journals.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = fs::read(&journal).unwrap();
    bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1);
    // One item of nine bytes whose checksum is that of another.
    bytes.extend([&[1, 1, 0, 0, 0][..], &[9; 8], &[4], &[0; 8], &[3], &[1; 8], b"FJL\x03"].concat());
    fs::write(&journal, &bytes).unwrap();
    let engine = start(&directory).await;
    assert_eq!(rows(&engine), before);
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_log_is_refused() {
    let directory = TempDir::new().unwrap();
    let engine = start(&directory).await;
    fill(&engine).await;
    engine.shutdown().await;
    let journals = fs::read_dir(directory.path().join("log"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let journal = journals.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = fs::read(&journal).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[used / 2] ^= 1;
    fs::write(&journal, &bytes).unwrap();
    let error = open(stores(&directory), 2).await.unwrap_err();
    assert!(error.to_string().contains("is damaged at byte"), "{error}");
}

/// A group that cannot write its snapshot has ended. So must the node; and after a fault no file may be called durable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_ends_stops_the_node() {
    let directory = TempDir::new().unwrap();
    let (tell, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let config = EngineConfig {
        shards: 2,
        stores: stores(&directory),
        actors: Handle::current(),
        clock: Arc::new(SystemClock),
        node: NodeId::FIRST,
        peers: Arc::new(NoPeers),
        found: true,
        raft: Handle::current(),
        on_fatal: Arc::new(move |reason| {
            let _ = tell.send(reason);
        }),
    };
    let engine = Engine::open(config).await.unwrap();
    engine.ready().await;
    fs::remove_dir_all(directory.path().join("snapshots")).unwrap();
    // What is on its way when a group ends loses the group its owner, which must not hide the end.
    let shards = engine.shards();
    let write = async {
        loop {
            for shard in &shards {
                if let Some(epoch) = *shard.ownership().borrow() {
                    drop(propose(&**shard, epoch, vec![put("n", "1")]));
                }
            }
            tokio::task::yield_now().await;
        }
    };
    let stopped = async {
        engine.take_snapshots().await;
        heard.recv().await
    };
    let first = async {
        tokio::select! {
            reason = stopped => reason,
            () = write => None,
        }
    };
    let reason = tokio::time::timeout(Duration::from_secs(30), first).await;
    let reason = reason.expect("the node is told to stop").unwrap();
    drop(shards);
    assert!(reason.contains("stopped"), "{reason}");
    assert!(reason.contains(directory.path().to_str().unwrap()), "{reason}");
    engine.shutdown().await;
    assert!(!directory.path().join("state.clean").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_in_use_is_refused_by_name() {
    let directory = TempDir::new().unwrap();
    let engine = start(&directory).await;
    let error = open(stores(&directory), 2).await.unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }));
    assert!(error.to_string().contains(directory.path().to_str().unwrap()));
    engine.shutdown().await;
    start(&directory).await.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_number_of_shards_and_a_newer_format_are_refused() {
    let directory = TempDir::new().unwrap();
    start(&directory).await.shutdown().await;
    let error = open(stores(&directory), 4).await.unwrap_err();
    assert!(
        matches!(
            error,
            OpenError::ShardsChanged {
                stored: 2,
                configured: 4
            }
        ),
        "{error}"
    );
    fs::write(directory.path().join("format"), "version 2\nshards 2\n").unwrap();
    fs::remove_file(directory.path().join("lock")).unwrap();
    let error = open(stores(&directory), 2).await.unwrap_err();
    assert!(
        matches!(
            error,
            OpenError::Newer {
                version: 2,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
    assert!(!directory.path().join("lock").exists(), "nothing is made in it");
    fs::remove_file(directory.path().join("format")).unwrap();
    let error = open(stores(&directory), 2).await.unwrap_err();
    assert!(matches!(error, OpenError::Format { .. }), "{error}");
    assert!(matches!(
        open(stores(&directory), 3).await.unwrap_err(),
        OpenError::Shards(3)
    ));
}
