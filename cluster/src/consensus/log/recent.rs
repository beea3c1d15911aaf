//! The last entries of a log, in memory.

use std::collections::VecDeque;
use std::ops::Range;

use super::journal::size;
use crate::consensus::types::Entry;

/// Recent entries that are kept, beside all that are not durable yet.
const ENTRIES: usize = 16_384;
/// How many bytes those may take.
pub(super) const BYTES: usize = 2 << 20;

/// The last entries of a log, each with the number of the write that carried it.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    entries: VecDeque<(Entry, u64)>,
    bytes: usize,
}

impl Recent {
    pub(super) fn push(&mut self, entry: Entry, write: u64) {
        self.bytes += size(&entry);
        self.entries.push_back((entry, write));
    }

    /// Forgets the oldest until the rest is within bounds; what a write later than `durable` carried stays.
    pub(super) fn trim(&mut self, durable: u64) {
        while (self.entries.len() > ENTRIES || self.bytes > BYTES)
            && self.entries.front().is_some_and(|(_, write)| *write <= durable)
        {
            self.pop_front();
        }
    }

    /// Forgets the entries before an index.
    pub(super) fn purge(&mut self, first: u64) {
        while self.first().is_some_and(|index| index < first) {
            self.pop_front();
        }
    }

    fn pop_front(&mut self) {
        if let Some((entry, _)) = self.entries.pop_front() {
            self.bytes -= size(&entry);
        }
    }

    /// Takes the last entry away if it is not before `start`, and returns its size.
    pub(super) fn pop_from(&mut self, start: u64) -> Option<usize> {
        let (entry, _) = self.entries.pop_back_if(|(entry, _)| entry.log_id.index >= start)?;
        let size = size(&entry);
        self.bytes -= size;
        Some(size)
    }

    /// Index of the first entry that a write later than `durable` carried.
    pub(super) fn first_after(&self, durable: u64) -> Option<u64> {
        let first = self.entries.partition_point(|(_, write)| *write <= durable);
        self.entries.get(first).map(|(entry, _)| entry.log_id.index)
    }

    /// The part of `range` that is here, which is always its end.
    pub(super) fn within(&self, range: &Range<u64>) -> Vec<Entry> {
        let Some(front) = self.first() else {
            return Vec::new();
        };
        let place = |index: u64| usize::try_from(index.saturating_sub(front)).unwrap_or(usize::MAX);
        let end = place(range.end).min(self.entries.len());
        let start = place(range.start).min(end);
        self.entries.range(start..end).map(|(entry, _)| entry.clone()).collect()
    }

    fn first(&self) -> Option<u64> {
        self.entries.front().map(|(entry, _)| entry.log_id.index)
    }
}
