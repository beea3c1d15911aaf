//! The change of the embedder: every stored text is embedded anew into another table.

use std::path::Path;

use actors::ports::{Embedder, VectorError};
use futures_util::TryStreamExt;
use lancedb::query::{ExecutableQuery, QueryBase, Select};
use lancedb::table::{CompactionOptions, OptimizeAction};
use lancedb::{Connection, Table};

use super::current::Current;
use super::index::lance;
use super::{VectorsConfig, rows};

/// Builds the table of `next` from the texts of `old`, and makes it the one in use.
///
/// Until `next` is written the old table stays in use, whatever happens here; after it the new one is complete and on disk.
pub(super) async fn rebuild(
    connection: &Connection,
    directory: &Path,
    old: &Table,
    next: &Current,
    embedder: &dyn Embedder,
    config: &VectorsConfig,
) -> Result<Table, VectorError> {
    let info = next.embedder();
    let schema = rows::schema(info.dimensions)?;
    let total = old.count_rows(None).await.map_err(lance)?;
    tracing::info!(rows = total, model = %info.model, dimensions = info.dimensions, "rebuilding the vector index");
    let new = connection
        .create_empty_table(next.table(), schema.clone())
        .execute()
        .await
        .map_err(lance)?;

    let mut done = 0;
    let mut stream = old
        .query()
        .select(Select::columns(&rows::WITHOUT_VECTOR))
        .execute()
        .await
        .map_err(lance)?;
    while let Some(batch) = stream.try_next().await.map_err(lance)? {
        let mut stored = rows::rows(&batch)?;
        for part in stored.chunks_mut(config.rebuild_batch.get()) {
            let texts = part.iter().map(|row| row.text.clone()).collect();
            let embeddings = embedder.embed(texts).await.map_err(|error| {
                VectorError::Failed(format!("failed to rebuild the index for {}: {error}", info.model))
            })?;
            if embeddings.len() != part.len() {
                return Err(VectorError::Failed(format!(
                    "{} answered {} vectors for {} texts",
                    info.model,
                    embeddings.len(),
                    part.len()
                )));
            }
            for (row, embedding) in part.iter_mut().zip(embeddings) {
                rows::check(&embedding, info.dimensions)?;
                row.embedding = embedding;
            }
            new.add(rows::batch(schema.clone(), part)?)
                .execute()
                .await
                .map_err(lance)?;
            done += part.len();
            tracing::info!(done, total, "rebuilding the vector index");
        }
    }
    let written = new.count_rows(None).await.map_err(lance)?;
    if written != total {
        return Err(VectorError::Failed(format!(
            "the rebuilt index has {written} rows instead of {total}"
        )));
    }
    let merge = OptimizeAction::Compact {
        options: CompactionOptions::default(),
        remap_options: None,
    };
    new.optimize(merge).await.map_err(lance)?;

    next.adopt(directory).await?;
    tracing::info!(rows = total, "rebuilt the vector index");
    Ok(new)
}
