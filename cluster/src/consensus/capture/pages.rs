//! Rows of a group, page by page from its owner.

use std::collections::VecDeque;
use std::ops::Bound;

use bytes::Bytes;

use super::{Source, read_head};
use crate::consensus::codec::Head;
use crate::consensus::copies::{Asked, Given, Span, read_rows};
use crate::id::ClassUid;
use crate::keyspace::{self, KeyRange};
use crate::store::Row;
use crate::{ActorError, TenantId};

/// Ranges that are asked for at once.
const SPANS: usize = 512;

/// The rows of ranges of one group, in the order of the ranges and of their keys, each as it is when it is read.
pub(crate) struct Pages<'a> {
    source: &'a dyn Source,
    group: u32,
    spans: VecDeque<Span>,
}

/// Some rows, and how far the state was before they were read.
pub(crate) struct Page {
    pub(crate) rows: Vec<Row>,
    pub(super) head: Head,
}

impl<'a> Pages<'a> {
    pub(crate) fn new(source: &'a dyn Source, group: u32, ranges: impl IntoIterator<Item = KeyRange>) -> Self {
        let spans = ranges.into_iter().map(|(from, to)| (bytes(from), bytes(to)));
        Self {
            source,
            group,
            spans: spans.collect(),
        }
    }

    /// The next rows; there may be none in a page before the last.
    pub(crate) async fn next(&mut self) -> crate::Result<Option<Page>> {
        self.next_of(usize::MAX).await
    }

    /// The next rows, at most so many.
    pub(crate) async fn next_of(&mut self, limit: usize) -> crate::Result<Option<Page>> {
        if self.spans.is_empty() {
            return Ok(None);
        }
        let spans = self.spans.iter().take(SPANS).cloned().collect();
        let given = self.source.ask(self.group, Asked::Rows { spans, limit }).await?;
        let (Given::Rows { head, done, after, .. }, content) = given else {
            return Err(unexpected());
        };
        drop(self.spans.drain(..done.min(self.spans.len())));
        if let Some(after) = after
            && let Some((from, _)) = self.spans.front_mut()
        {
            *from = Bound::Excluded(after);
        } else if done == 0 {
            return Err(unexpected());
        }
        Ok(Some(Page {
            rows: read_rows(content).map_err(|_| unexpected())?,
            head: read_head(head)?,
        }))
    }
}

fn bytes(bound: Bound<Bytes>) -> Bound<Vec<u8>> {
    bound.map(|key| key.to_vec())
}

pub(super) fn unexpected() -> ActorError {
    ActorError::internal("backup.answer", "what the owner of a shard gave cannot be read")
}

/// All rows of a range.
pub(crate) async fn rows(source: &dyn Source, group: u32, range: KeyRange) -> crate::Result<Vec<Row>> {
    let mut pages = Pages::new(source, group, [range]);
    let mut rows = Vec::new();
    while let Some(page) = pages.next().await? {
        rows.extend(page.rows);
    }
    Ok(rows)
}

/// The entries of a tenant in the directory of a shard, of whatever class.
pub(crate) async fn of_tenant(source: &dyn Source, group: u32, tenant: &TenantId) -> crate::Result<Vec<Row>> {
    let mut found = Vec::new();
    let mut rest = keyspace::all_directory();
    loop {
        let page = Pages::new(source, group, [rest]).next_of(1).await?;
        let Some((key, _)) = page.and_then(|mut page| page.rows.pop()) else {
            return Ok(found);
        };
        let class = key.get(1..9).and_then(|class| class.try_into().ok()).map(ClassUid);
        let class = class.ok_or_else(|| ActorError::internal("storage.read", "a key of the directory is broken"))?;
        let entries = keyspace::under(keyspace::directory(class, tenant, ""));
        found.extend(rows(source, group, entries).await?);
        rest = keyspace::directory_behind(class);
    }
}
