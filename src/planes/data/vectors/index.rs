//! The [`Vectors`] port over LanceDB.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actors::ports::{Embedder, VectorError, VectorMatch, VectorQuery, VectorRow, Vectors};
use futures_util::TryStreamExt;
use futures_util::future::{BoxFuture, FutureExt};
use lancedb::arrow::arrow_array::{RecordBatch, RecordBatchIterator};
use lancedb::query::{ExecutableQuery, QueryBase, Select};
use lancedb::table::{CompactionOptions, Duration as Age, OptimizeAction};
use lancedb::{Connection, DistanceType, ObjectStoreRegistry, Session, Table};
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use super::current::{self, Current};
use super::rebuild::rebuild;
use super::synced::Synced;
use super::{VectorsConfig, rows};
use crate::planes::data::directory;

/// Most rows one query answers.
const MAX_LIMIT: usize = 1000;

/// A vector index in a local directory. Clones share it.
#[derive(Clone)]
pub struct LanceVectors {
    shared: Arc<Shared>,
    runtime: Handle,
}

struct Shared {
    table: Table,
    dimensions: usize,
    /// Directory of the table's files.
    files: PathBuf,
    config: VectorsConfig,
    /// Writes are serial: Lance would otherwise retry those that meet.
    writer: Mutex<Writer>,
}

#[derive(Debug, Default)]
struct Writer {
    synced: Synced,
    /// Writes since the last compaction.
    writes: u32,
}

impl fmt::Debug for LanceVectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LanceVectors")
            .field("files", &self.shared.files)
            .field("dimensions", &self.shared.dimensions)
            .finish_non_exhaustive()
    }
}

impl LanceVectors {
    /// Opens the index of a data directory for an embedder, and rebuilds it first where its vectors are of another one.
    ///
    /// All work, now and later, runs on `runtime`, which must be multi-threaded: Lance keeps its threads busy.
    /// One process at a time may have an index open; the lock of the data directory sees to that.
    ///
    /// # Errors
    /// [`VectorError::Failed`] says what could not be read, written or embedded. The index is as it was before.
    pub async fn open(
        data: &Path,
        config: VectorsConfig,
        embedder: Arc<dyn Embedder>,
        runtime: Handle,
    ) -> Result<Self, VectorError> {
        let directory = data.join(&config.path);
        let opening = async move { Shared::open(&directory, config, embedder.as_ref()).await };
        let shared = Arc::new(join(&runtime, opening.boxed()).await?);
        Ok(Self { shared, runtime })
    }

    /// Merges small files and removes old versions. It happens by itself after enough writes.
    pub async fn compact(&self) -> Result<(), VectorError> {
        let shared = self.shared.clone();
        join(&self.runtime, async move { shared.compact().await }.boxed()).await
    }

    /// Runs one write and makes it durable; every now and then a compaction follows beside the caller.
    fn write<F>(
        &self,
        change: impl FnOnce(Arc<Shared>) -> F + Send + 'static,
    ) -> BoxFuture<'static, Result<(), VectorError>>
    where
        F: Future<Output = Result<(), VectorError>> + Send + 'static,
    {
        let (shared, runtime) = (self.shared.clone(), self.runtime.clone());
        let background = runtime.clone();
        async move {
            let writing = async move {
                let mut writer = shared.writer.lock().await;
                change(shared.clone()).await?;
                shared.sync(&mut writer).await?;
                writer.writes += 1;
                if writer.writes >= shared.config.compact_after_writes.get() {
                    writer.writes = 0;
                    let shared = shared.clone();
                    background.spawn(async move {
                        if let Err(error) = shared.compact().await {
                            tracing::warn!(%error, "failed to compact the vector index");
                        }
                    });
                }
                Ok(())
            };
            join(&runtime, writing.boxed()).await
        }
        .boxed()
    }
}

impl Vectors for LanceVectors {
    fn upsert(&self, rows: Vec<VectorRow>) -> BoxFuture<'static, Result<(), VectorError>> {
        let dimensions = self.shared.dimensions;
        if let Err(error) = rows.iter().try_for_each(|row| rows::check(&row.embedding, dimensions)) {
            return std::future::ready(Err(error)).boxed();
        }
        let rows = last_of_each(rows);
        if rows.is_empty() {
            return std::future::ready(Ok(())).boxed();
        }
        self.write(move |shared| async move {
            let schema = rows::schema(shared.dimensions)?;
            let batch = rows::batch(schema.clone(), &rows)?;
            let mut merge = shared.table.merge_insert(&rows::KEY);
            merge.when_matched_update_all(None).when_not_matched_insert_all();
            let reader = RecordBatchIterator::new([Ok(batch)], schema);
            merge.execute(Box::new(reader)).await.map_err(lance)?;
            Ok(())
        })
    }

    fn query(&self, query: VectorQuery) -> BoxFuture<'static, Result<Vec<VectorMatch>, VectorError>> {
        if let Err(error) = rows::check(&query.embedding, self.shared.dimensions) {
            return std::future::ready(Err(error)).boxed();
        }
        if query.limit == 0 {
            return std::future::ready(Ok(Vec::new())).boxed();
        }
        let (shared, runtime) = (self.shared.clone(), self.runtime.clone());
        async move { join(&runtime, async move { shared.query(query).await }.boxed()).await }.boxed()
    }

    fn delete_run(
        &self,
        tenant: String,
        run_id: String,
        attempt: Option<u32>,
    ) -> BoxFuture<'static, Result<(), VectorError>> {
        self.write(move |shared| async move {
            let gone = rows::of_run(&tenant, &run_id, attempt);
            shared.table.delete(&gone).await.map_err(lance)?;
            Ok(())
        })
    }
}

impl Shared {
    async fn open(directory: &Path, config: VectorsConfig, embedder: &dyn Embedder) -> Result<Self, VectorError> {
        let wanted = embedder.info();
        rows::schema(wanted.dimensions)?;
        let failed = |reason: String| VectorError::Failed(format!("failed to open {}: {reason}", directory.display()));
        directory::create(directory).map_err(|error| failed(error.to_string()))?;
        let uri = directory
            .to_str()
            .ok_or_else(|| failed("the path is not valid UTF-8".into()))?;
        // Lance's own bounds are seven gigabytes.
        let half = config.cache_bytes / 2;
        let session = Session::new(half, half, Arc::new(ObjectStoreRegistry::default()));
        let connection = lancedb::connect(uri)
            .session(Arc::new(session))
            .execute()
            .await
            .map_err(lance)?;

        let mut current = Current::read(directory)?;
        if let Some(known) = &current {
            drop_others(&connection, &known.table()).await?;
        }
        let table = match &current {
            Some(known) if known.embedder() == wanted => open_table(&connection, &known.table()).await?,
            Some(known) => {
                let old = open_table(&connection, &known.table()).await?;
                let next = known.next(wanted.clone());
                let new = rebuild(&connection, directory, &old, &next, embedder, &config).await?;
                drop(old);
                drop_others(&connection, &next.table()).await?;
                current = Some(next);
                new
            }
            None => {
                refuse_orphans(&connection).await?;
                let first = Current::first(wanted.clone());
                let schema = rows::schema(wanted.dimensions)?;
                let table = connection
                    .create_empty_table(first.table(), schema)
                    .execute()
                    .await
                    .map_err(lance)?;
                first.adopt(directory).await?;
                current = Some(first);
                table
            }
        };
        let name = current.map(|current| current.table()).unwrap_or_default();
        let shared = Self {
            table,
            dimensions: wanted.dimensions,
            files: directory.join(format!("{name}.lance")),
            config,
            writer: Mutex::default(),
        };
        let mut writer = shared.writer.lock().await;
        shared.sync(&mut writer).await?;
        drop(writer);
        Ok(shared)
    }

    async fn query(&self, query: VectorQuery) -> Result<Vec<VectorMatch>, VectorError> {
        let VectorQuery {
            tenant,
            scope,
            embedding,
            limit,
        } = query;
        let search = self
            .table
            .query()
            .only_if_expr(rows::visible(&tenant, &scope))
            .limit(limit.min(MAX_LIMIT))
            .select(Select::columns(&rows::ANSWER))
            .nearest_to(embedding)
            .map_err(lance)?
            .column(rows::VECTOR)
            .distance_type(DistanceType::Cosine);
        let batches: Vec<RecordBatch> = search
            .execute()
            .await
            .map_err(lance)?
            .try_collect()
            .await
            .map_err(lance)?;
        let mut found = Vec::new();
        for batch in &batches {
            found.extend(rows::matches(batch)?);
        }
        // Equally near rows are ordered too, so that the same question on the same rows has the same answer.
        found.sort_by(|a, b| {
            b.score.total_cmp(&a.score).then_with(|| {
                (&a.run_id, a.attempt, &a.phase, a.version).cmp(&(&b.run_id, b.attempt, &b.phase, b.version))
            })
        });
        Ok(found)
    }

    async fn compact(&self) -> Result<(), VectorError> {
        let mut writer = self.writer.lock().await;
        let work = async {
            let merge = OptimizeAction::Compact {
                options: CompactionOptions::default(),
                remap_options: None,
            };
            self.table.optimize(merge).await.map_err(lance)?;
            let prune = OptimizeAction::Prune {
                older_than: Some(Age::seconds(i64::from(self.config.keep_versions_seconds))),
                // Safe because this process is the only one and the lock keeps every write out.
                delete_unverified: Some(true),
                error_if_tagged_old_versions: None,
            };
            self.table.optimize(prune).await.map_err(lance)
        };
        let limit = Duration::from_secs(self.config.compact_seconds);
        let outcome = tokio::time::timeout(limit, Box::pin(work)).await;
        self.sync(&mut writer).await?;
        match outcome {
            Ok(Ok(stats)) => tracing::debug!(?stats, "compacted the vector index"),
            Ok(Err(error)) => return Err(error),
            Err(_) => tracing::warn!(?limit, "compaction of the vector index ran out of time"),
        }
        Ok(())
    }

    async fn sync(&self, writer: &mut Writer) -> Result<(), VectorError> {
        let mut synced = std::mem::take(&mut writer.synced);
        let files = self.files.clone();
        let (synced, outcome) = tokio::task::spawn_blocking(move || {
            let outcome = synced.sync(&files);
            (synced, outcome)
        })
        .await
        .map_err(|error| VectorError::Failed(error.to_string()))?;
        writer.synced = synced;
        outcome.map_err(|error| VectorError::Failed(format!("failed to sync {}: {error}", self.files.display())))
    }
}

async fn open_table(connection: &Connection, name: &str) -> Result<Table, VectorError> {
    connection.open_table(name).execute().await.map_err(lance)
}

/// Removes what a rebuild left behind, before or after it took effect.
async fn drop_others(connection: &Connection, keep: &str) -> Result<(), VectorError> {
    for name in connection.table_names().execute().await.map_err(lance)? {
        if name != keep && current::is_generation(&name) {
            tracing::info!(table = %name, "dropping a superseded vector table");
            connection.drop_table(&name, &[]).await.map_err(lance)?;
        }
    }
    Ok(())
}

/// Without a record only a first start that was cut short may have left a table, and that one is empty.
async fn refuse_orphans(connection: &Connection) -> Result<(), VectorError> {
    for name in connection.table_names().execute().await.map_err(lance)? {
        if current::is_generation(&name) {
            let rows = open_table(connection, &name)
                .await?
                .count_rows(None)
                .await
                .map_err(lance)?;
            if rows > 0 {
                return Err(VectorError::Failed(format!(
                    "current.json is missing beside the table {name} with {rows} rows: restore it, or move the directory \
                     away to begin with an empty index"
                )));
            }
            connection.drop_table(&name, &[]).await.map_err(lance)?;
        }
    }
    Ok(())
}

/// Keeps the last of rows with the same tenant and id: a merge would insert each of them.
fn last_of_each(rows: Vec<VectorRow>) -> Vec<VectorRow> {
    let mut seen = std::collections::HashSet::with_capacity(rows.len());
    let mut kept: Vec<VectorRow> = rows
        .into_iter()
        .rev()
        .filter(|row| seen.insert((row.tenant.clone(), row.id.clone())))
        .collect();
    kept.reverse();
    kept
}

/// Runs work on the runtime of the index and waits for it from wherever the caller is.
async fn join<T: Send + 'static>(
    runtime: &Handle,
    work: BoxFuture<'static, Result<T, VectorError>>,
) -> Result<T, VectorError> {
    runtime.spawn(work).await.unwrap_or_else(|error| {
        Err(VectorError::Failed(format!(
            "work on the vector index ended early: {error}"
        )))
    })
}

pub(super) fn lance(error: lancedb::Error) -> VectorError {
    VectorError::Failed(error.to_string())
}

#[cfg(test)]
mod tests;
