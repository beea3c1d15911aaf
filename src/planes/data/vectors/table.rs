//! The table of one tenant.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actors::ports::{VectorChange, VectorEntry, VectorError, VectorMatch, VectorQuery, VectorRow};
use futures_util::TryStreamExt;
use lance::dataset::ReadParams;
use lancedb::arrow::arrow_array::{RecordBatch, RecordBatchIterator};
use lancedb::expr::lit;
use lancedb::query::{ExecutableQuery, QueryBase, Select};
use lancedb::table::{CompactionOptions, Duration as Age, NativeTable, OptimizeAction};
use lancedb::{DistanceType, Error, Table};
use parking_lot::Mutex;
use tokio::sync::Mutex as AsyncMutex;

use super::connection::{Connections, Numbered};
use super::fence::{self, Fence};
use super::{VectorsConfig, rows};

/// Most rows one query answers, and most rows of one attempt.
const MAX_LIMIT: usize = 1000;
/// Times that a writer tries to take over while others commit.
const CLAIMS: u32 = 8;

/// What all tables have in common.
pub(super) struct Common {
    pub(super) connections: Connections,
    /// Directory of the tables, where they lie in one.
    pub(super) directory: Option<PathBuf>,
    /// Whether other nodes use the tables.
    pub(super) is_shared: bool,
    pub(super) dimensions: usize,
    pub(super) config: VectorsConfig,
}

impl fmt::Debug for Common {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Common")
            .field("at", &self.connections.uri())
            .field("is_shared", &self.is_shared)
            .finish_non_exhaustive()
    }
}

/// The table of one tenant, opened when it is first needed.
#[derive(Debug)]
pub(super) struct TenantTable {
    common: Arc<Common>,
    tenant: String,
    /// For queries, with the number of its connection: it sees the latest version.
    reader: Mutex<Option<(u64, Table)>>,
    /// Writes are serial: Lance would otherwise retry those that meet.
    writer: AsyncMutex<Writer>,
}

#[derive(Debug, Default)]
struct Writer {
    /// The table behind the fence of the writer that used it last.
    opened: Option<Opened>,
    /// Writes since the last compaction.
    writes: u32,
}

#[derive(Debug, Clone)]
struct Opened {
    /// Number of the connection.
    connection: u64,
    /// Number of the writer.
    number: u64,
    table: Table,
    fence: Arc<Fence>,
}

impl TenantTable {
    pub(super) fn new(common: Arc<Common>, tenant: String) -> Self {
        Self {
            common,
            tenant,
            reader: Mutex::default(),
            writer: AsyncMutex::default(),
        }
    }

    /// Applies changes of a writer, and tells whether it is time to compact.
    pub(super) async fn write(&self, number: u64, changes: Vec<VectorChange>) -> Result<bool, VectorError> {
        let mut writer = self.writer.lock().await;
        let outcome = self.apply(&mut writer, number, changes).await;
        if let Err(error) = &outcome {
            // What is known of the table may be what went wrong.
            let opened = writer.opened.take();
            if let (VectorError::Failed(_), Some(opened)) = (error, opened) {
                self.common
                    .connections
                    .replace(opened.connection)
                    .await
                    .map_err(lance)?;
            }
        }
        outcome?;
        writer.writes += 1;
        let is_due = writer.writes >= self.common.config.compact_after_writes.get();
        if is_due {
            writer.writes = 0;
        }
        Ok(is_due)
    }

    async fn apply(&self, writer: &mut Writer, number: u64, changes: Vec<VectorChange>) -> Result<(), VectorError> {
        let opened = self.open_to_write(writer, number).await?;
        let mut upserts = Vec::new();
        for change in changes {
            match change {
                VectorChange::Upsert(row) => upserts.push(row),
                VectorChange::DeleteRun { run_id, attempt } => {
                    self.upsert(&opened, std::mem::take(&mut upserts)).await?;
                    let gone = rows::of_run(&self.tenant, &run_id, attempt);
                    opened.table.delete(&gone).await.map_err(|error| opened.error(error))?;
                }
                VectorChange::Clear => {
                    upserts.clear();
                    let all = lit(true);
                    opened.table.delete(&all).await.map_err(|error| opened.error(error))?;
                }
            }
        }
        self.upsert(&opened, upserts).await
    }

    async fn upsert(&self, opened: &Opened, rows: Vec<VectorRow>) -> Result<(), VectorError> {
        let rows = last_of_each(rows);
        if rows.is_empty() {
            return Ok(());
        }
        let schema = rows::schema(self.common.dimensions)?;
        let batch = rows::batch(schema.clone(), &self.tenant, &rows)?;
        let mut merge = opened.table.merge_insert(&rows::KEY);
        merge.when_matched_update_all(None).when_not_matched_insert_all();
        let reader = RecordBatchIterator::new([Ok(batch)], schema);
        let merged = merge.execute(Box::new(reader)).await;
        merged.map_err(|error| opened.error(error))?;
        Ok(())
    }

    /// The table for a writer, which has taken it over.
    async fn open_to_write(&self, writer: &mut Writer, number: u64) -> Result<Opened, VectorError> {
        let present = self.common.connections.present();
        match &writer.opened {
            Some(opened) if opened.number > number => {
                return Err(VectorError::Superseded { writer: opened.number });
            }
            Some(opened) if opened.number == number && opened.connection == present.number => {
                return Ok(opened.clone());
            }
            Some(_) | None => {}
        }
        let files = self.common.directory.as_ref();
        let files = files.map(|directory| directory.join(format!("{}.lance", self.tenant)));
        let fence = Arc::new(Fence::new(number, files));
        let table = match self.open_behind(&present, fence.clone()).await {
            Err(Error::TableNotFound { .. }) => {
                self.create(&present).await?;
                self.open_behind(&present, fence.clone()).await
            }
            found => found,
        };
        let opened = Opened {
            connection: present.number,
            number,
            table: table.map_err(lance)?,
            fence,
        };
        opened.take_over().await?;
        writer.opened = Some(opened.clone());
        Ok(opened)
    }

    async fn open_behind(&self, present: &Numbered, fence: Arc<Fence>) -> Result<Table, Error> {
        let params = ReadParams {
            commit_handler: Some(fence),
            ..ReadParams::default()
        };
        let open = present.connection.open_table(&self.tenant);
        open.lance_read_params(params).execute().await
    }

    /// Creates the table, empty and without a writer.
    async fn create(&self, present: &Numbered) -> Result<(), VectorError> {
        let schema = rows::schema(self.common.dimensions)?;
        let create = present.connection.create_empty_table(&self.tenant, schema);
        match create.execute().await {
            // Another writer was faster: whose it is, the next commit decides.
            Ok(_) | Err(Error::TableAlreadyExists { .. }) => {}
            Err(error) => return Err(lance(error)),
        }
        let Some(directory) = self.common.directory.clone() else {
            return Ok(());
        };
        let synced = tokio::task::spawn_blocking(move || std::fs::File::open(directory)?.sync_all());
        let synced = synced.await.map_err(|error| VectorError::Failed(error.to_string()))?;
        synced.map_err(|error| VectorError::Failed(format!("failed to sync a new table: {error}")))
    }

    /// Asks the table as it is now. A handle that fails may be one of files that are gone, so it is opened once more.
    async fn read<T, F>(&self, ask: impl Fn(Table) -> F) -> Result<Option<T>, VectorError>
    where
        F: Future<Output = Result<T, VectorError>>,
    {
        let connections = &self.common.connections;
        let known = self.reader.lock().clone();
        if let Some((number, table)) = known.filter(|(number, _)| *number == connections.present().number) {
            match ask(table).await {
                Ok(answer) => return Ok(Some(answer)),
                Err(error) => tracing::debug!(%error, "opening a table of the vector index anew"),
            }
            *self.reader.lock() = None;
            connections.replace(number).await.map_err(lance)?;
        }
        let present = connections.present();
        let table = match present.connection.open_table(&self.tenant).execute().await {
            Ok(table) => table,
            Err(Error::TableNotFound { .. }) => return Ok(None),
            Err(error) => return Err(lance(error)),
        };
        let answer = ask(table.clone()).await?;
        *self.reader.lock() = Some((present.number, table));
        Ok(Some(answer))
    }

    /// The writer that the table names; 0 without a table.
    pub(super) async fn writer(&self) -> Result<u64, VectorError> {
        let named = self
            .read(|table| async move { native(&table)?.manifest().await.map_err(lance) })
            .await?;
        Ok(named.map_or(0, |manifest| fence::writer_of(&manifest)))
    }

    pub(super) async fn query(&self, query: VectorQuery) -> Result<Vec<VectorMatch>, VectorError> {
        let found = self.read(|table| search(table, query.clone())).await?;
        Ok(found.unwrap_or_default())
    }

    pub(super) async fn listed(&self, run_id: &str, attempt: u32) -> Result<Vec<VectorEntry>, VectorError> {
        let wanted = rows::of_run(&self.tenant, run_id, Some(attempt));
        let found = self.read(|table| list(table, wanted.clone())).await?;
        Ok(found.unwrap_or_default())
    }

    /// Merges small files and removes old versions, as the writer that wrote last.
    pub(super) async fn compact(&self) -> Result<(), VectorError> {
        let mut writer = self.writer.lock().await;
        let Some(opened) = writer.opened.clone() else {
            return Ok(());
        };
        let config = &self.common.config;
        let work = async {
            let merge = OptimizeAction::Compact {
                options: CompactionOptions::default(),
                remap_options: None,
            };
            let merged = opened.table.optimize(merge).await;
            merged.map_err(|error| opened.error(error))?;
            let prune = OptimizeAction::Prune {
                older_than: Some(Age::seconds(i64::from(config.keep_versions_seconds))),
                // Files that no version names yet may be those of a successor which is just about to commit. Only where
                // nobody else can be one they are removed.
                delete_unverified: Some(!self.common.is_shared),
                error_if_tagged_old_versions: None,
            };
            let pruned = opened.table.optimize(prune).await;
            pruned.map_err(|error| opened.error(error))
        };
        let limit = Duration::from_secs(config.compact_seconds);
        match tokio::time::timeout(limit, Box::pin(work)).await {
            Ok(Ok(stats)) => tracing::debug!(tenant = self.tenant, ?stats, "compacted the vector index"),
            Ok(Err(error)) => {
                writer.opened = None;
                return Err(error);
            }
            Err(_) => tracing::warn!(
                tenant = self.tenant,
                ?limit,
                "compaction of the vector index ran out of time"
            ),
        }
        Ok(())
    }
}

impl Opened {
    /// Names this writer in the table, unless one with a greater number is named.
    async fn take_over(&self) -> Result<(), VectorError> {
        let native = native(&self.table)?;
        let mut failure = None;
        for _ in 0..CLAIMS {
            let manifest = native.manifest().await.map_err(lance)?;
            let present = fence::writer_of(&manifest);
            if present > self.number {
                return Err(VectorError::Superseded { writer: present });
            }
            if present == self.number {
                self.fence.claimed();
                return Ok(());
            }
            self.fence.claim(manifest.version + 1);
            let named = (fence::WRITER.to_owned(), self.number.to_string());
            match native.update_config([named]).await {
                Ok(()) => {
                    self.fence.claimed();
                    return Ok(());
                }
                // Somebody else has committed meanwhile, or the store failed: the next look tells.
                Err(error) => failure = Some(lance(error)),
            }
        }
        let reason = failure.map(|error| error.to_string()).unwrap_or_default();
        Err(VectorError::Failed(format!("could not take the table over: {reason}")))
    }

    fn error(&self, error: Error) -> VectorError {
        match self.fence.successor() {
            Some(writer) => VectorError::Superseded { writer },
            None => lance(error),
        }
    }
}

fn native(table: &Table) -> Result<&NativeTable, VectorError> {
    let native = table.as_native();
    native.ok_or_else(|| VectorError::Failed("the table is not one of files".into()))
}

async fn search(table: Table, query: VectorQuery) -> Result<Vec<VectorMatch>, VectorError> {
    let VectorQuery {
        tenant,
        scope,
        embedding,
        limit,
    } = query;
    let search = table
        .query()
        .only_if_expr(rows::visible(&tenant, &scope))
        .limit(limit.min(MAX_LIMIT))
        .select(Select::columns(&rows::ANSWER))
        .nearest_to(embedding)
        .map_err(lance)?
        .column(rows::VECTOR)
        .distance_type(DistanceType::Cosine);
    let batches: Vec<RecordBatch> = collect(search).await?;
    let mut found = Vec::new();
    for batch in &batches {
        found.extend(rows::matches(batch)?);
    }
    // Equally near rows are ordered too, so that the same question on the same rows has the same answer.
    found.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then_with(|| (&a.run_id, a.attempt, &a.phase, a.version).cmp(&(&b.run_id, b.attempt, &b.phase, b.version)))
    });
    Ok(found)
}

async fn list(table: Table, wanted: lancedb::expr::DfExpr) -> Result<Vec<VectorEntry>, VectorError> {
    let select = table
        .query()
        .only_if_expr(wanted)
        .limit(MAX_LIMIT)
        .select(Select::columns(&rows::ENTRY));
    let mut entries = Vec::new();
    for batch in &collect(select).await? {
        entries.extend(rows::entries(batch)?);
    }
    Ok(entries)
}

async fn collect(query: impl ExecutableQuery) -> Result<Vec<RecordBatch>, VectorError> {
    let stream = query.execute().await.map_err(lance)?;
    stream.try_collect().await.map_err(lance)
}

/// Keeps the last of rows with the same id: a merge would insert each of them.
fn last_of_each(rows: Vec<VectorRow>) -> Vec<VectorRow> {
    let mut seen = std::collections::HashSet::with_capacity(rows.len());
    let mut kept: Vec<VectorRow> = rows
        .into_iter()
        .rev()
        .filter(|row| seen.insert(row.id.clone()))
        .collect();
    kept.reverse();
    kept
}

pub(super) fn lance(error: Error) -> VectorError {
    VectorError::Failed(error.to_string())
}
