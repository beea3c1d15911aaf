//! The index on a real directory.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicUsize, Ordering};

use actors::ports::{EmbedError, EmbedderInfo, VectorScope};

use super::*;
use crate::planes::data::contract::{self, nearest, row};

/// An embedder whose vectors depend on the text and on which model it says it is.
struct Directions {
    model: &'static str,
    dimensions: usize,
    embedded: AtomicUsize,
    /// Number of texts after which it fails.
    breaks_after: usize,
}

impl Directions {
    fn new(model: &'static str, dimensions: usize) -> Arc<Self> {
        Self::breaking(model, dimensions, usize::MAX)
    }

    fn breaking(model: &'static str, dimensions: usize, breaks_after: usize) -> Arc<Self> {
        Arc::new(Self {
            model,
            dimensions,
            embedded: AtomicUsize::new(0),
            breaks_after,
        })
    }

    /// A direction per first letter, so that a test knows what is near to what.
    fn vector(text: &str, dimensions: usize) -> Vec<f32> {
        let mut vector = vec![0.1; dimensions];
        let letter = usize::from(text.bytes().next().unwrap_or_default());
        vector[letter % dimensions] = 1.0;
        vector
    }
}

impl Embedder for Directions {
    fn info(&self) -> EmbedderInfo {
        EmbedderInfo {
            model: self.model.into(),
            dimensions: self.dimensions,
        }
    }

    fn embed(&self, texts: Vec<String>) -> BoxFuture<'static, Result<Vec<Vec<f32>>, EmbedError>> {
        let done = self.embedded.fetch_add(texts.len(), Ordering::SeqCst) + texts.len();
        let dimensions = self.dimensions;
        let answer = if done > self.breaks_after {
            Err(EmbedError::Failed("out of memory".into()))
        } else {
            Ok(texts.iter().map(|text| Self::vector(text, dimensions)).collect())
        };
        std::future::ready(answer).boxed()
    }
}

async fn open_with(data: &Path, config: VectorsConfig, embedder: Arc<Directions>) -> Result<LanceVectors, VectorError> {
    LanceVectors::open(data, config, embedder, Handle::current()).await
}

async fn open(data: &Path, embedder: Arc<Directions>) -> LanceVectors {
    open_with(data, VectorsConfig::default(), embedder).await.unwrap()
}

fn tables(data: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(data.join("vectors")).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| name.ends_with(".lance"));
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lance_keeps_the_contract() {
    let data = tempfile::tempdir().unwrap();
    contract::vectors(open(data.path(), Directions::new("one", 4)).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_survive_a_restart_and_are_not_embedded_again() {
    let data = tempfile::tempdir().unwrap();
    let vectors = open(data.path(), Directions::new("one", 4)).await;
    vectors.upsert(vec![row("acme", "r1", 0, "intake", 2)]).await.unwrap();
    drop(vectors);

    let embedder = Directions::new("one", 4);
    let vectors = open(data.path(), embedder.clone()).await;
    let found = nearest(&vectors, "acme", VectorScope::Tenant, 2, 8).await;
    assert_eq!(found.len(), 1);
    assert!(found[0].score > 0.9, "{found:?}");
    assert_eq!(embedder.embedded.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_embedder_rebuilds_the_index_once() {
    let data = tempfile::tempdir().unwrap();
    let vectors = open(data.path(), Directions::new("one", 4)).await;
    let rows = (0..70)
        .map(|run| row("acme", &format!("r{run}"), 0, "intake", run % 4))
        .collect();
    vectors.upsert(rows).await.unwrap();
    vectors.upsert(vec![row("other", "r0", 1, "market", 0)]).await.unwrap();
    drop(vectors);

    let embedder = Directions::new("two", 6);
    let vectors = open(data.path(), embedder.clone()).await;
    assert_eq!(
        embedder.embedded.load(Ordering::SeqCst),
        71,
        "every text is embedded once"
    );
    assert_eq!(tables(data.path()), ["artifacts-2.lance"], "the old table is gone");
    let query = |tenant: &str, text: &str| VectorQuery {
        tenant: tenant.into(),
        scope: VectorScope::Tenant,
        embedding: Directions::vector(text, 6),
        limit: 100,
    };
    let found = vectors.query(query("acme", "intake of r1")).await.unwrap();
    assert_eq!(found.len(), 70);
    assert!(found[0].score > 0.99, "the vectors are the new model's: {:?}", found[0]);
    let found = vectors.query(query("other", "market of r0")).await.unwrap();
    assert_eq!(
        (found.len(), found[0].attempt, found[0].phase.as_str()),
        (1, 1, "market")
    );
    vectors
        .upsert(vec![VectorRow {
            embedding: vec![1.0; 6],
            ..row("acme", "new", 0, "intake", 0)
        }])
        .await
        .unwrap();
    drop(vectors);

    let embedder = Directions::new("two", 6);
    open(data.path(), embedder.clone()).await;
    assert_eq!(
        embedder.embedded.load(Ordering::SeqCst),
        0,
        "the same embedder rebuilds nothing"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_of_the_same_length_is_still_another_model() {
    let data = tempfile::tempdir().unwrap();
    let vectors = open(data.path(), Directions::new("one", 4)).await;
    vectors.upsert(vec![row("acme", "r1", 0, "intake", 0)]).await.unwrap();
    drop(vectors);
    let embedder = Directions::new("two", 4);
    open(data.path(), embedder.clone()).await;
    assert_eq!(embedder.embedded.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_that_fails_leaves_the_old_index_and_can_be_repeated() {
    let data = tempfile::tempdir().unwrap();
    let vectors = open(data.path(), Directions::new("one", 4)).await;
    let rows = (0..70)
        .map(|run| row("acme", &format!("r{run}"), 0, "intake", run % 4))
        .collect();
    vectors.upsert(rows).await.unwrap();
    drop(vectors);

    let error = open_with(
        data.path(),
        VectorsConfig::default(),
        Directions::breaking("two", 6, 40),
    )
    .await
    .unwrap_err();
    assert!(error.to_string().contains("out of memory"), "{error}");
    assert_eq!(
        tables(data.path()),
        ["artifacts-1.lance", "artifacts-2.lance"],
        "half of a table was written"
    );

    let vectors = open(data.path(), Directions::new("one", 4)).await;
    assert_eq!(nearest(&vectors, "acme", VectorScope::Tenant, 0, 100).await.len(), 70);
    assert_eq!(tables(data.path()), ["artifacts-1.lance"], "the half table is dropped");
    drop(vectors);

    open_with(
        data.path(),
        VectorsConfig::default(),
        Directions::breaking("two", 6, 40),
    )
    .await
    .unwrap_err();
    let vectors = open(data.path(), Directions::new("two", 6)).await;
    let embedding = Directions::vector("intake", 6);
    let query = VectorQuery {
        tenant: "acme".into(),
        scope: VectorScope::Tenant,
        embedding,
        limit: 100,
    };
    assert_eq!(vectors.query(query).await.unwrap().len(), 70);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_after_the_swap_leaves_the_new_index() {
    let data = tempfile::tempdir().unwrap();
    drop(open(data.path(), Directions::new("one", 4)).await);
    let directory = data.path().join("vectors");
    // The state between the swap and the end of a rebuild: both tables, and the record names the second.
    let connection = lancedb::connect(directory.to_str().unwrap()).execute().await.unwrap();
    let next = Current::read(&directory)
        .unwrap()
        .unwrap()
        .next(Directions::new("two", 6).info());
    connection
        .create_empty_table(next.table(), rows::schema(6).unwrap())
        .execute()
        .await
        .unwrap();
    next.adopt(&directory).await.unwrap();

    open(data.path(), Directions::new("two", 6)).await;
    assert_eq!(tables(data.path()), ["artifacts-2.lance"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_record_is_an_error_and_an_empty_leftover_is_none() {
    let data = tempfile::tempdir().unwrap();
    let record = data.path().join("vectors/current.json");
    drop(open(data.path(), Directions::new("one", 4)).await);
    std::fs::remove_file(&record).unwrap();
    let vectors = open(data.path(), Directions::new("one", 4)).await;
    vectors.upsert(vec![row("acme", "r1", 0, "intake", 0)]).await.unwrap();
    drop(vectors);
    std::fs::remove_file(&record).unwrap();
    let error = open_with(data.path(), VectorsConfig::default(), Directions::new("one", 4))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("current.json is missing"), "{error}");
    assert_eq!(tables(data.path()), ["artifacts-1.lance"], "nothing was dropped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compaction_bounds_the_files_and_keeps_the_rows() {
    let data = tempfile::tempdir().unwrap();
    let config = VectorsConfig {
        compact_after_writes: NonZeroU32::new(1000).unwrap(),
        keep_versions_seconds: 0,
        ..VectorsConfig::default()
    };
    let vectors = open_with(data.path(), config, Directions::new("one", 4)).await.unwrap();
    for run in 0..12 {
        vectors
            .upsert(vec![row("acme", &format!("r{run}"), 0, "intake", run % 4)])
            .await
            .unwrap();
    }
    vectors.delete_run("acme".into(), "r0".into(), None).await.unwrap();
    let files = || {
        std::fs::read_dir(data.path().join("vectors/artifacts-1.lance/data"))
            .unwrap()
            .count()
    };
    let before = files();
    vectors.compact().await.unwrap();
    assert!(
        files() < before && files() <= 2,
        "{before} files before, {} after",
        files()
    );
    assert_eq!(nearest(&vectors, "acme", VectorScope::Tenant, 0, 100).await.len(), 11);
    drop(vectors);
    let vectors = open(data.path(), Directions::new("one", 4)).await;
    assert_eq!(nearest(&vectors, "acme", VectorScope::Tenant, 0, 100).await.len(), 11);
}

#[test]
fn queries_from_another_runtime_run_on_the_given_one() {
    let data = tempfile::tempdir().unwrap();
    let given = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let vectors = given
        .block_on(LanceVectors::open(
            data.path(),
            VectorsConfig::default(),
            Directions::new("one", 4),
            given.handle().clone(),
        ))
        .unwrap();
    // No reactor, no timer: Lance could not run here.
    let bare = tokio::runtime::Builder::new_current_thread().build().unwrap();
    bare.block_on(async {
        vectors.upsert(vec![row("acme", "r1", 0, "intake", 0)]).await.unwrap();
        assert_eq!(nearest(&vectors, "acme", VectorScope::Tenant, 0, 8).await.len(), 1);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_meet_all_take_effect_while_compactions_run() {
    let data = tempfile::tempdir().unwrap();
    let config = VectorsConfig {
        compact_after_writes: NonZeroU32::new(2).unwrap(),
        ..VectorsConfig::default()
    };
    let vectors = open_with(data.path(), config, Directions::new("one", 4)).await.unwrap();
    let writes = (0..16).map(|run| {
        let vectors = vectors.clone();
        async move {
            vectors
                .upsert(vec![row("acme", &format!("r{run}"), 0, "intake", run % 4)])
                .await
                .unwrap();
            let scope = VectorScope::Attempt {
                run_id: format!("r{run}"),
                attempt: 0,
            };
            assert_eq!(
                nearest(&vectors, "acme", scope, 0, 8).await.len(),
                1,
                "a write is seen by what follows it"
            );
        }
    });
    futures_util::future::join_all(writes).await;
    assert_eq!(nearest(&vectors, "acme", VectorScope::Tenant, 0, 100).await.len(), 16);
    drop(vectors);
    let vectors = open(data.path(), Directions::new("one", 4)).await;
    assert_eq!(nearest(&vectors, "acme", VectorScope::Tenant, 0, 100).await.len(), 16);
}
