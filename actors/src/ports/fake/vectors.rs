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
    /// An index that fails to remove anything.
    clinging: bool,
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

    /// An index from which nothing can be removed.
    #[must_use]
    pub fn clinging() -> Self {
        Self {
            clinging: true,
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
            .or_else(|| rows.first())
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
        let actual = query.embedding.len();
        let wrong = rows
            .values()
            .map(|row| row.embedding.len())
            .find(|expected| *expected != actual);
        let result = match wrong {
            Some(expected) => Err(VectorError::Dimensions { expected, actual }),
            None => {
                let found = |row| found(row, &query.embedding);
                let mut matches: Vec<VectorMatch> = rows.values().filter(visible).map(found).collect();
                matches.sort_by(|a, b| b.score.total_cmp(&a.score));
                matches.truncate(if self.forgetful { 0 } else { query.limit });
                Ok(matches)
            }
        };
        drop(rows);
        async move { result }.boxed()
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
        if self.clinging {
            return async { Err(VectorError::Failed("nothing can be removed".to_owned())) }.boxed();
        }
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
        score: cosine(&row.embedding, embedding),
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let length = (product(a, a) * product(b, b)).sqrt();
    if length > 0.0 { product(a, b) / length } else { 0.0 }
}
