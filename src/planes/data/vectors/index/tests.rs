//! The index in real directories and in a bucket of a real server.

mod takeover;

use std::num::NonZeroU32;

use actors::ports::VectorScope;

use super::*;
use crate::planes::data::contract::{self, forget, nearest, put, row};

fn embedder(model: &str) -> EmbedderInfo {
    EmbedderInfo {
        model: model.into(),
        dimensions: 4,
    }
}

fn directory(data: &Path) -> Place {
    Place::Directory {
        path: data.join("vectors"),
        is_shared: false,
    }
}

async fn open_at(place: Place, config: VectorsConfig) -> LanceVectors {
    LanceVectors::open(place, config, embedder("one"), Handle::current())
        .await
        .unwrap()
}

async fn open(data: &Path) -> LanceVectors {
    open_at(directory(data), VectorsConfig::default()).await
}

async fn all(vectors: &LanceVectors, tenant: &str) -> Vec<VectorMatch> {
    nearest(vectors, tenant, VectorScope::Tenant, 0, 100).await
}

/// The files of a tenant's table.
fn files(data: &Path, tenant: &str) -> PathBuf {
    let tables = data.join("vectors").join(model_name(&embedder("one")));
    tables.join(format!("{tenant}.lance/data"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_keeps_the_contract() {
    let data = tempfile::tempdir().unwrap();
    contract::vectors(open(data.path()).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_survive_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let vectors = open(data.path()).await;
    put(&vectors, "acme", 1, vec![row("r1", 0, "intake", 2)]).await.unwrap();
    drop(vectors);

    let vectors = open(data.path()).await;
    let found = nearest(&vectors, "acme", VectorScope::Tenant, 2, 8).await;
    assert_eq!(found.len(), 1);
    assert!(found[0].score > 0.9, "{found:?}");
    put(&vectors, "acme", 2, vec![row("r1", 0, "market", 2)]).await.unwrap();
    assert_eq!(all(&vectors, "acme").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_model_finds_nothing_of_the_first_one() {
    let data = tempfile::tempdir().unwrap();
    let vectors = open(data.path()).await;
    put(&vectors, "acme", 1, vec![row("r1", 0, "intake", 0)]).await.unwrap();
    drop(vectors);

    let other = |place| LanceVectors::open(place, VectorsConfig::default(), embedder("two"), Handle::current());
    let shared = Place::Directory {
        path: data.path().join("vectors"),
        is_shared: true,
    };
    let vectors = other(shared).await.unwrap();
    assert!(all(&vectors, "acme").await.is_empty());
    assert!(files(data.path(), "acme").exists(), "other nodes may still use it");
    let vectors = other(directory(data.path())).await.unwrap();
    assert!(all(&vectors, "acme").await.is_empty());
    assert!(!files(data.path(), "acme").exists(), "nobody else can use it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_one_table_of_an_earlier_version_is_removed_and_said_so() {
    let data = tempfile::tempdir().unwrap();
    let legacy = data.path().join("vectors/artifacts-3.lance");
    std::fs::create_dir_all(legacy.join("data")).unwrap();
    std::fs::write(data.path().join("vectors/current.json"), "{}").unwrap();
    let vectors = open(data.path()).await;
    assert!(vectors.is_renewed());
    assert!(!legacy.exists());
    drop(vectors);
    assert!(!open(data.path()).await.is_renewed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_table_is_empty_and_can_be_written_again() {
    let data = tempfile::tempdir().unwrap();
    let vectors = open(data.path()).await;
    put(&vectors, "acme", 4, vec![row("r1", 0, "intake", 0)]).await.unwrap();
    assert_eq!(all(&vectors, "acme").await.len(), 1);
    std::fs::remove_dir_all(files(data.path(), "acme").parent().unwrap()).unwrap();
    assert!(all(&vectors, "acme").await.is_empty());
    assert_eq!(vectors.writer("acme".into()).await, Ok(0));
    // The first write may find that its table is gone; the actor repeats it.
    if put(&vectors, "acme", 4, vec![row("r1", 0, "intake", 0)]).await.is_err() {
        put(&vectors, "acme", 4, vec![row("r1", 0, "intake", 0)]).await.unwrap();
    }
    assert_eq!(all(&vectors, "acme").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compaction_bounds_the_files_and_keeps_the_rows() {
    let data = tempfile::tempdir().unwrap();
    let config = VectorsConfig {
        compact_after_writes: NonZeroU32::new(1000).unwrap(),
        keep_versions_seconds: 0,
        ..VectorsConfig::default()
    };
    let vectors = open_at(directory(data.path()), config).await;
    for run in 0..12 {
        let rows = vec![row(&format!("r{run}"), 0, "intake", run % 4)];
        put(&vectors, "acme", 1, rows).await.unwrap();
    }
    forget(&vectors, "acme", 1, "r0", None).await.unwrap();
    let count = || std::fs::read_dir(files(data.path(), "acme")).unwrap().count();
    let before = count();
    vectors.compact("acme").await.unwrap();
    assert!(
        count() < before && count() <= 2,
        "{before} files before, {} after",
        count()
    );
    assert_eq!(all(&vectors, "acme").await.len(), 11);
    drop(vectors);
    assert_eq!(all(&open(data.path()).await, "acme").await.len(), 11);
}

#[test]
fn queries_from_another_runtime_run_on_the_given_one() {
    let data = tempfile::tempdir().unwrap();
    let given = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let vectors = given.block_on(open(data.path()));
    // No reactor, no timer: Lance could not run here.
    let bare = tokio::runtime::Builder::new_current_thread().build().unwrap();
    bare.block_on(async {
        put(&vectors, "acme", 1, vec![row("r1", 0, "intake", 0)]).await.unwrap();
        assert_eq!(all(&vectors, "acme").await.len(), 1);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_meet_all_take_effect_while_compactions_run() {
    let data = tempfile::tempdir().unwrap();
    let config = VectorsConfig {
        compact_after_writes: NonZeroU32::new(2).unwrap(),
        ..VectorsConfig::default()
    };
    let vectors = open_at(directory(data.path()), config).await;
    let writes = (0..16).map(|run| {
        let vectors = vectors.clone();
        async move {
            let run_id = format!("r{run}");
            put(&vectors, "acme", 1, vec![row(&run_id, 0, "intake", run % 4)])
                .await
                .unwrap();
            let scope = VectorScope::Attempt { run_id, attempt: 0 };
            assert_eq!(
                nearest(&vectors, "acme", scope, 0, 8).await.len(),
                1,
                "a write is seen by what follows it"
            );
        }
    });
    futures_util::future::join_all(writes).await;
    assert_eq!(all(&vectors, "acme").await.len(), 16);
    drop(vectors);
    assert_eq!(all(&open(data.path()).await, "acme").await.len(), 16);
}
