//! A vector index in memory.

use std::{collections::BTreeMap, sync::Mutex};

use futures_util::{FutureExt, future::BoxFuture};

use super::lock;
use crate::ports::{VectorError, VectorMatch, VectorQuery, VectorRow, VectorScope, Vectors};

/// Compares with every row that the filter lets pass.
#[derive(Debug, Default)]
pub struct FakeVectors {
    rows: Mutex<BTreeMap<(String, String), VectorRow>>,
    /// An index without a memory: it takes rows and finds none.
    forgetful: bool,
}

impl FakeVectors {
    /// An index that never finds anything.
    #[must_use]
    pub fn forgetful() -> Self {
        Self {
            forgetful: true,
            ..Self::default()
        }
    }

    /// All rows by tenant and id.
    #[must_use]
    pub fn rows(&self) -> Vec<VectorRow> {
        lock(&self.rows).values().cloned().collect()
    }
}

impl Vectors for FakeVectors {
    fn upsert(&self, rows: Vec<VectorRow>) -> BoxFuture<'static, Result<(), VectorError>> {
        let mut stored = lock(&self.rows);
        let expected = stored
            .values()
            .next()
            .or(rows.first())
            .map_or(0, |row| row.embedding.len());
        let wrong = rows
            .iter()
            .map(|row| row.embedding.len())
            .find(|actual| *actual != expected);
        let result = match wrong {
            Some(actual) => Err(VectorError::Dimensions { expected, actual }),
            None => {
                stored.extend(rows.into_iter().map(|row| ((row.tenant.clone(), row.id.clone()), row)));
                Ok(())
            }
        };
        drop(stored);
        async move { result }.boxed()
    }

    fn query(&self, query: VectorQuery) -> BoxFuture<'static, Result<Vec<VectorMatch>, VectorError>> {
        let visible = |row: &&VectorRow| {
            row.tenant == query.tenant
                && match &query.scope {
                    VectorScope::Attempt { run_id, attempt } => row.run_id == *run_id && row.attempt == *attempt,
                    VectorScope::OtherRuns { run_id } => row.run_id != *run_id,
                    VectorScope::Tenant => true,
                }
        };
        let rows = lock(&self.rows);
        let mut matches: Vec<VectorMatch> = rows
            .values()
            .filter(visible)
            .map(|row| found(row, &query.embedding))
            .collect();
        drop(rows);
        matches.sort_by(|a, b| b.score.total_cmp(&a.score));
        matches.truncate(if self.forgetful { 0 } else { query.limit });
        async move { Ok(matches) }.boxed()
    }

    fn delete_run(
        &self,
        tenant: String,
        run_id: String,
        attempt: Option<u32>,
    ) -> BoxFuture<'static, Result<(), VectorError>> {
        let gone = |row: &VectorRow| {
            row.tenant == tenant && row.run_id == run_id && attempt.is_none_or(|attempt| row.attempt == attempt)
        };
        lock(&self.rows).retain(|_, row| !gone(row));
        async { Ok(()) }.boxed()
    }
}

fn found(row: &VectorRow, embedding: &[f32]) -> VectorMatch {
    VectorMatch {
        run_id: row.run_id.clone(),
        phase: row.phase.clone(),
        attempt: row.attempt,
        version: row.version,
        text: row.text.clone(),
        score: row.embedding.iter().zip(embedding).map(|(a, b)| a * b).sum(),
    }
}
