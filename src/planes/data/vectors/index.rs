//! The [`Vectors`] port over LanceDB.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use actors::ports::{
    EmbedderInfo, VectorChange, VectorEntry, VectorError, VectorMatch, VectorQuery, VectorWrite, Vectors,
};
use futures_util::future::{BoxFuture, FutureExt};
use lancedb::ObjectStoreRegistry;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use super::bucket::{self, BucketProvider};
use super::connection::Connections;
use super::table::{Common, TenantTable, lance};
use super::{VectorsConfig, rows};
use crate::planes::data::{directory, store::Place};

/// Most tables that are kept open; those that were not used for longest are closed first.
const TABLES_MAX: usize = 256;
/// Begins the name of the directory of each embedding model.
const MODEL_PREFIX: &str = "model-";
/// What versions before tables of tenants have left.
const LEGACY_RECORD: &str = "current.json";
const LEGACY_TABLE_PREFIX: &str = "artifacts-";

/// A vector index with a table for each tenant. Clones share it.
#[derive(Clone)]
pub struct LanceVectors {
    shared: Arc<Shared>,
    runtime: Handle,
}

struct Shared {
    common: Arc<Common>,
    /// Open tables by tenant, and when each was used last.
    tables: Mutex<HashMap<String, (Arc<TenantTable>, Instant)>>,
    is_renewed: bool,
}

impl fmt::Debug for LanceVectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LanceVectors")
            .field("at", &self.shared.common.connections.uri())
            .field("dimensions", &self.shared.common.dimensions)
            .finish_non_exhaustive()
    }
}

impl LanceVectors {
    /// Opens the index of an embedding model; vectors of another one lie elsewhere.
    ///
    /// All work, now and later, runs on `runtime`, which must be multi-threaded: Lance keeps its threads busy. A directory of
    /// this node is open in one process at a time; the lock of the data directory sees to that.
    ///
    /// # Errors
    /// [`VectorError::Failed`] says what could not be read or written.
    pub(crate) async fn open(
        place: Place,
        config: VectorsConfig,
        embedder: EmbedderInfo,
        runtime: Handle,
    ) -> Result<Self, VectorError> {
        let opening = Shared::open(place, config, embedder);
        let shared = Arc::new(join(&runtime, opening.boxed()).await?);
        Ok(Self { shared, runtime })
    }

    /// Says whether the index of an earlier version was found and removed: it is made again from the artifacts.
    pub fn is_renewed(&self) -> bool {
        self.shared.is_renewed
    }

    /// Merges small files and removes old versions of a tenant's table. It happens by itself after enough writes.
    ///
    /// # Errors
    /// The table could not be read or written.
    pub async fn compact(&self, tenant: &str) -> Result<(), VectorError> {
        let table = self.shared.table(tenant);
        join(&self.runtime, async move { table.compact().await }.boxed()).await
    }
}

impl Vectors for LanceVectors {
    fn write(&self, write: VectorWrite) -> BoxFuture<'static, Result<(), VectorError>> {
        let VectorWrite {
            tenant,
            writer,
            changes,
        } = write;
        let checked = changes.iter().try_for_each(|change| match change {
            VectorChange::Upsert(row) => rows::check(&row.embedding, self.shared.common.dimensions),
            VectorChange::DeleteRun { .. } | VectorChange::Clear => Ok(()),
        });
        if let Err(error) = checked {
            return std::future::ready(Err(error)).boxed();
        }
        let (table, runtime) = (self.shared.table(&tenant), self.runtime.clone());
        async move {
            let background = runtime.clone();
            let writing = async move {
                if table.write(writer, changes).await? {
                    background.spawn(async move {
                        if let Err(error) = table.compact().await {
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

    fn writer(&self, tenant: String) -> BoxFuture<'static, Result<u64, VectorError>> {
        let (table, runtime) = (self.shared.table(&tenant), self.runtime.clone());
        async move { join(&runtime, async move { table.writer().await }.boxed()).await }.boxed()
    }

    fn query(&self, query: VectorQuery) -> BoxFuture<'static, Result<Vec<VectorMatch>, VectorError>> {
        if let Err(error) = rows::check(&query.embedding, self.shared.common.dimensions) {
            return std::future::ready(Err(error)).boxed();
        }
        if query.limit == 0 {
            return std::future::ready(Ok(Vec::new())).boxed();
        }
        let (table, runtime) = (self.shared.table(&query.tenant), self.runtime.clone());
        async move { join(&runtime, async move { table.query(query).await }.boxed()).await }.boxed()
    }

    fn listed(
        &self,
        tenant: String,
        run_id: String,
        attempt: u32,
    ) -> BoxFuture<'static, Result<Vec<VectorEntry>, VectorError>> {
        let (table, runtime) = (self.shared.table(&tenant), self.runtime.clone());
        async move { join(&runtime, async move { table.listed(&run_id, attempt).await }.boxed()).await }.boxed()
    }
}

impl Shared {
    async fn open(place: Place, config: VectorsConfig, embedder: EmbedderInfo) -> Result<Self, VectorError> {
        rows::schema(embedder.dimensions)?;
        let registry = ObjectStoreRegistry::default();
        let model = model_name(&embedder);
        let (uri, files, is_shared, is_renewed) = match place {
            Place::Directory { path, is_shared } => {
                let failed =
                    |reason: String| VectorError::Failed(format!("failed to open {}: {reason}", path.display()));
                let tables = path.join(&model);
                directory::create(&tables).map_err(|error| failed(error.to_string()))?;
                let is_renewed = remove_legacy(&path).map_err(|error| failed(error.to_string()))?;
                if !is_shared {
                    remove_other_models(&path, &model).map_err(|error| failed(error.to_string()))?;
                }
                let uri = tables
                    .to_str()
                    .ok_or_else(|| failed("the path is not valid UTF-8".into()))?;
                (uri.to_owned(), Some(tables), is_shared, is_renewed)
            }
            Place::Bucket(bucket) => {
                let checked = bucket.check().await;
                checked.map_err(|error| VectorError::Failed(error.to_string()))?;
                let provider = BucketProvider(bucket);
                let uri = provider.address(&model);
                registry.insert(bucket::SCHEME, Arc::new(provider));
                (uri, None, true, false)
            }
        };
        let connections = Connections::open(uri, registry, config.cache_bytes)
            .await
            .map_err(lance)?;
        let common = Common {
            connections,
            directory: files,
            is_shared,
            dimensions: embedder.dimensions,
            config,
        };
        Ok(Self {
            common: Arc::new(common),
            tables: Mutex::default(),
            is_renewed,
        })
    }

    /// The table of a tenant. A closed one is opened when it is needed.
    fn table(&self, tenant: &str) -> Arc<TenantTable> {
        let mut tables = self.tables.lock();
        let now = Instant::now();
        if let Some((table, used)) = tables.get_mut(tenant) {
            *used = now;
            return table.clone();
        }
        if tables.len() >= TABLES_MAX {
            // One that is at work is not closed: two of one tenant would not write one after the other.
            let idle = tables.iter().filter(|(_, (table, _))| Arc::strong_count(table) == 1);
            let oldest = idle.min_by_key(|(_, (_, used))| *used).map(|(name, _)| name.clone());
            if let Some(oldest) = oldest {
                tables.remove(&oldest);
            }
        }
        let table = Arc::new(TenantTable::new(self.common.clone(), tenant.to_owned()));
        tables.insert(tenant.to_owned(), (table.clone(), now));
        table
    }
}

/// Where the vectors of a model are: they cannot be compared with those of another.
fn model_name(embedder: &EmbedderInfo) -> String {
    let digest = Sha256::digest(embedder.model.as_bytes());
    let short: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{MODEL_PREFIX}{short}-{}", embedder.dimensions)
}

/// Removes the one table that all tenants had in earlier versions, and tells whether there was one.
fn remove_legacy(directory: &Path) -> std::io::Result<bool> {
    let is_legacy = |name: &str| {
        let number = name
            .strip_prefix(LEGACY_TABLE_PREFIX)
            .and_then(|rest| rest.strip_suffix(".lance"));
        number.is_some_and(|number| number.parse::<u64>().is_ok())
    };
    let mut found = false;
    for table in entries(directory, is_legacy)? {
        std::fs::remove_dir_all(table)?;
        found = true;
    }
    // Last: what a crash leaves half-done is found again.
    for record in entries(directory, |name| name == LEGACY_RECORD)? {
        std::fs::remove_file(record)?;
        found = true;
    }
    Ok(found)
}

/// Removes what was made with other embedding models.
fn remove_other_models(directory: &Path, present: &str) -> std::io::Result<()> {
    for other in entries(directory, |name| name.starts_with(MODEL_PREFIX) && name != present)? {
        tracing::info!(directory = %other.display(), "removing the vectors of another embedding model");
        std::fs::remove_dir_all(other)?;
    }
    Ok(())
}

fn entries(directory: &Path, is_wanted: impl Fn(&str) -> bool) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(&is_wanted) {
            found.push(entry.path());
        }
    }
    Ok(found)
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

#[cfg(test)]
mod tests;
