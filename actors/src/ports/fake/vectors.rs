//! A vector index in memory.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard},
};

use futures_util::{FutureExt, future::BoxFuture};

use super::lock;
use crate::ports::{
    VectorChange, VectorEntry, VectorError, VectorMatch, VectorQuery, VectorRow, VectorScope, VectorWrite, Vectors,
};

/// Compares with every row that the filter lets pass.
#[derive(Debug, Default)]
pub struct FakeVectors {
    stored: Mutex<Stored>,
    /// An index without a memory: it takes rows and finds none.
    forgetful: bool,
    /// An index that fails to remove anything.
    clinging: bool,
}

#[derive(Debug, Default)]
struct Stored {
    /// By tenant and id.
    rows: BTreeMap<(String, String), VectorRow>,
    /// The present writer of each tenant.
    writers: HashMap<String, u64>,
    /// Writes that are still to fail.
    failures: u32,
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

    /// An index from which the rows of a run cannot be removed.
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
        self.stored().rows.values().cloned().collect()
    }

    /// The number of the present writer of a tenant; 0 is none.
    #[must_use]
    pub fn writer_of(&self, tenant: &str) -> u64 {
        self.stored().writers.get(tenant).copied().unwrap_or_default()
    }

    /// Has another writer take a tenant over.
    pub fn take_over(&self, tenant: &str, writer: u64) {
        self.stored().writers.insert(tenant.to_owned(), writer);
    }

    /// Has the next `times` writes fail.
    pub fn fail(&self, times: u32) {
        self.stored().failures = times;
    }

    /// Removes everything, as a lost disk does.
    pub fn lose(&self) {
        let mut stored = self.stored();
        stored.rows.clear();
        stored.writers.clear();
    }

    fn stored(&self) -> MutexGuard<'_, Stored> {
        lock(&self.stored)
    }
}

impl Stored {
    fn write(&mut self, write: VectorWrite, clinging: bool) -> Result<(), VectorError> {
        let VectorWrite {
            tenant,
            writer,
            changes,
        } = write;
        let present = self.writers.entry(tenant.clone()).or_default();
        if writer < *present {
            return Err(VectorError::Superseded { writer: *present });
        }
        *present = writer;
        if self.failures > 0 {
            self.failures -= 1;
            return Err(VectorError::Failed("scripted failure".to_owned()));
        }
        let added = changes.iter().filter_map(|change| match change {
            VectorChange::Upsert(row) => Some(row),
            VectorChange::DeleteRun { .. } | VectorChange::Clear => None,
        });
        let lengths: Vec<usize> = added.map(|row| row.embedding.len()).collect();
        let known = self.rows.values().next().map(|row| row.embedding.len());
        let expected = known.or_else(|| lengths.first().copied()).unwrap_or_default();
        if let Some(actual) = lengths.into_iter().find(|actual| *actual != expected) {
            return Err(VectorError::Dimensions { expected, actual });
        }
        for change in changes {
            match change {
                VectorChange::Upsert(row) => {
                    self.rows.insert((tenant.clone(), row.id.clone()), row);
                }
                VectorChange::DeleteRun { .. } if clinging => {
                    return Err(VectorError::Failed("nothing can be removed".to_owned()));
                }
                VectorChange::DeleteRun { run_id, attempt } => self.rows.retain(|(owner, _), row| {
                    *owner != tenant || row.run_id != run_id || attempt.is_some_and(|attempt| row.attempt != attempt)
                }),
                VectorChange::Clear => self.rows.retain(|(owner, _), _| *owner != tenant),
            }
        }
        Ok(())
    }

    fn of<'a>(&'a self, tenant: &'a str) -> impl Iterator<Item = &'a VectorRow> {
        let own = move |((owner, _), row): (&'a (String, String), &'a VectorRow)| (owner == tenant).then_some(row);
        self.rows.iter().filter_map(own)
    }
}

impl Vectors for FakeVectors {
    fn write(&self, write: VectorWrite) -> BoxFuture<'static, Result<(), VectorError>> {
        let result = self.stored().write(write, self.clinging);
        async move { result }.boxed()
    }

    fn writer(&self, tenant: String) -> BoxFuture<'static, Result<u64, VectorError>> {
        let writer = self.writer_of(&tenant);
        async move { Ok(writer) }.boxed()
    }

    fn query(&self, query: VectorQuery) -> BoxFuture<'static, Result<Vec<VectorMatch>, VectorError>> {
        let visible = |row: &&VectorRow| match &query.scope {
            VectorScope::Attempt { run_id, attempt } => row.run_id == *run_id && row.attempt == *attempt,
            VectorScope::OtherRuns { run_id } => row.run_id != *run_id,
            VectorScope::Tenant => true,
        };
        let stored = self.stored();
        let actual = query.embedding.len();
        let lengths = stored.rows.values().map(|row| row.embedding.len());
        let result = match lengths.into_iter().find(|expected| *expected != actual) {
            Some(expected) => Err(VectorError::Dimensions { expected, actual }),
            None => {
                let found = |row| found(row, &query.embedding);
                let mut matches: Vec<VectorMatch> = stored.of(&query.tenant).filter(visible).map(found).collect();
                matches.sort_by(|a, b| b.score.total_cmp(&a.score));
                matches.truncate(if self.forgetful { 0 } else { query.limit });
                Ok(matches)
            }
        };
        drop(stored);
        async move { result }.boxed()
    }

    fn listed(
        &self,
        tenant: String,
        run_id: String,
        attempt: u32,
    ) -> BoxFuture<'static, Result<Vec<VectorEntry>, VectorError>> {
        let stored = self.stored();
        let of_attempt = stored
            .of(&tenant)
            .filter(|row| row.run_id == run_id && row.attempt == attempt);
        let entries = of_attempt.map(|row| VectorEntry {
            phase: row.phase.clone(),
            version: row.version,
        });
        let entries = entries.collect();
        async move { Ok(entries) }.boxed()
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
