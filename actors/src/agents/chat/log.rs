//! What was said in an answer: numbered chunks, in memory and, in batches, stored.

use cluster::prelude::{List, Result};
use serde_json::Value;

use super::{
    agent::Here,
    rows::{CHUNKS, suffix},
};

/// Chunks of a batch.
const BATCH: usize = 16;
/// Batches that are read at once.
const PAGE: usize = 100;

/// The chunks of the present answer, or of the last one.
#[derive(Debug, Default)]
pub(super) struct Log {
    chunks: Vec<String>,
    /// The first numbers of the stored batches.
    batches: Vec<u64>,
    /// How many chunks are stored.
    stored: usize,
}

impl Log {
    pub(super) async fn load(ctx: Here<'_, '_>) -> Result<Self> {
        let mut log = Self::default();
        let mut after = None;
        loop {
            let page = List {
                after: after.take(),
                limit: PAGE,
                ..List::default()
            };
            let rows = ctx.list(&CHUNKS, page).await?;
            let is_last = rows.len() < PAGE;
            for (key, chunks) in rows {
                log.batches.push(key.parse().unwrap_or_default());
                log.chunks.extend(chunks);
                after = Some(key);
            }
            if is_last {
                log.stored = log.chunks.len();
                return Ok(log);
            }
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.chunks.len() as u64
    }

    /// The chunks with their numbers.
    pub(super) fn chunks(&self) -> impl Iterator<Item = (u64, &str)> {
        (0..).zip(self.chunks.iter().map(String::as_str))
    }

    /// Adds a chunk. Returns its number, and it as JSON.
    pub(super) fn push(&mut self, chunk: &Value, ctx: Here<'_, '_>) -> Result<(u64, String)> {
        let (number, json) = (self.len(), chunk.to_string());
        self.chunks.push(json.clone());
        if self.chunks.len() - self.stored >= BATCH {
            self.flush(ctx)?;
        }
        Ok((number, json))
    }

    /// Stores what is not stored yet.
    pub(super) fn flush(&mut self, ctx: Here<'_, '_>) -> Result<()> {
        if self.stored < self.chunks.len() {
            let first = self.stored as u64;
            ctx.put(&CHUNKS.key(&suffix(first)), &self.chunks[self.stored..].to_vec())?;
            self.batches.push(first);
            self.stored = self.chunks.len();
        }
        Ok(())
    }

    /// Removes the chunks from a number on, where a batch begins.
    pub(super) fn cut(&mut self, from: u64, ctx: Here<'_, '_>) -> Result<()> {
        let first_cut = self.batches.partition_point(|first| *first < from);
        for first in self.batches.drain(first_cut..) {
            ctx.delete(&CHUNKS.key(&suffix(first)))?;
        }
        self.chunks.truncate(usize::try_from(from).unwrap_or(usize::MAX));
        self.stored = self.stored.min(self.chunks.len());
        Ok(())
    }

    /// The text that was said from a number on.
    pub(super) fn text_from(&self, from: u64) -> String {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let chunks = self.chunks.iter().skip(from);
        let deltas = chunks.filter_map(|chunk| {
            let chunk: Value = serde_json::from_str(chunk).ok()?;
            (chunk["type"] == "text-delta").then(|| chunk["delta"].as_str().map(str::to_owned))?
        });
        deltas.collect()
    }
}
