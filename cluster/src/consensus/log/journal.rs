//! What a node remembers of one group's log: its ends, its recent entries, its size. Pure bookkeeping, no disk.

use std::collections::VecDeque;
use std::ops::Range;

use openraft::EntryPayload;

use super::{Loaded, Recent};
use crate::consensus::types::{Command, Entry, LogId, Vote};

/// The size of the log is known at points this far apart.
const SIZE_STEP: u64 = 1 << 20;

/// About what an entry takes in the log.
pub(crate) fn size(entry: &Entry) -> usize {
    const OVERHEAD: usize = 80;
    match &entry.payload {
        EntryPayload::Normal(Command::Write { ops, .. }) => OVERHEAD + ops.len(),
        EntryPayload::Normal(Command::Own { .. }) | EntryPayload::Blank | EntryPayload::Membership(_) => OVERHEAD,
    }
}

/// The bookkeeping of one log.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    pub(super) vote: Option<Vote>,
    purged: Option<LogId>,
    last: Option<LogId>,
    first: u64,
    recent: Recent,
    appended: u64,
    forgotten: u64,
    /// Index of an entry and the bytes appended up to it, every `SIZE_STEP`.
    steps: VecDeque<(u64, u64)>,
    writes: u64,
    durable: u64,
}

impl Journal {
    pub(crate) fn new(loaded: Loaded) -> Self {
        let mut journal = Self {
            vote: loaded.vote,
            purged: loaded.purged,
            last: loaded.last.or(loaded.purged),
            first: loaded
                .first
                .unwrap_or_else(|| loaded.purged.map_or(0, |purged| purged.index + 1)),
            recent: loaded.recent,
            ..Self::default()
        };
        loaded
            .sizes
            .into_iter()
            .for_each(|(index, size)| journal.grow(index, size));
        journal
    }

    pub(crate) fn purged(&self) -> Option<LogId> {
        self.purged
    }

    pub(crate) fn last(&self) -> Option<LogId> {
        self.last
    }

    /// The indexes that are there.
    pub(crate) fn range(&self) -> Range<u64> {
        self.first..self.last.map_or(self.first, |last| last.index + 1)
    }

    /// About how many bytes are there.
    pub(crate) fn bytes(&self) -> u64 {
        self.appended - self.forgotten
    }

    /// Index from which on the entries take no more than so many bytes, which are known in steps of a megabyte.
    pub(crate) fn start_of(&self, bytes: u64) -> u64 {
        if self.bytes() <= bytes {
            return self.first;
        }
        let before = self.appended - bytes;
        let step = self.steps.partition_point(|(_, appended)| *appended < before);
        self.steps
            .get(step)
            .map_or_else(|| self.range().end, |(index, _)| index + 1)
    }

    /// Numbers a write, so that `written` can tell what it made durable.
    pub(crate) fn next_write(&mut self) -> u64 {
        self.writes += 1;
        self.writes
    }

    /// Notes that a write, and all before it, are durable.
    pub(crate) fn written(&mut self, write: u64) {
        self.durable = self.durable.max(write);
    }

    /// The index up to which everything is durable, as far as it is remembered.
    pub(crate) fn durable_end(&self) -> u64 {
        self.recent
            .first_after(self.durable)
            .unwrap_or_else(|| self.range().end)
    }

    /// Takes in entries that follow, or replace, the last ones. Returns the bytes they take.
    pub(crate) fn append(&mut self, entries: &[Entry], write: u64) -> usize {
        let Some(start) = entries.first().map(|entry| entry.log_id.index) else {
            return 0;
        };
        if self.range().is_empty() {
            self.first = start;
        }
        debug_assert!(
            start <= self.range().end || self.range().is_empty(),
            "appended entries leave no hole"
        );
        self.cut(start);
        let mut bytes = 0;
        for entry in entries {
            let size = size(entry);
            bytes += size;
            self.grow(entry.log_id.index, size);
            self.recent.push(entry.clone(), write);
        }
        self.last = entries.last().map(|entry| entry.log_id);
        self.recent.trim(self.durable);
        bytes
    }

    /// Forgets everything after `keep`; the caller found out which id the new last entry has.
    pub(crate) fn truncate(&mut self, keep: Option<LogId>) -> Range<u64> {
        let end = self.range().end;
        let start = keep.map_or(self.first, |keep| keep.index + 1).clamp(self.first, end);
        if start < end {
            self.cut(start);
            self.last = keep.filter(|keep| keep.index >= self.first).or(self.purged);
        }
        start..end
    }

    /// Forgets everything up to and including an entry, which may lie beyond the end.
    pub(crate) fn purge(&mut self, upto: LogId) -> Range<u64> {
        let range = self.range();
        if self.purged.is_some_and(|purged| purged.index >= upto.index) {
            return range.start..range.start;
        }
        let start = upto.index + 1;
        self.purged = Some(upto);
        self.first = start;
        if self.last.is_none_or(|last| last.index <= upto.index) {
            self.last = Some(upto);
        }
        self.recent.purge(start);
        while let Some((_, bytes)) = self.steps.pop_front_if(|(index, _)| *index < start) {
            self.forgotten = bytes;
        }
        if self.range().is_empty() {
            self.forgotten = self.appended;
        }
        range.start..start.min(range.end)
    }

    /// The part of `range` that is in memory, which is always its end.
    pub(crate) fn recent(&self, range: &Range<u64>) -> Vec<Entry> {
        self.recent.within(range)
    }

    fn cut(&mut self, start: u64) {
        while let Some(size) = self.recent.pop_from(start) {
            self.appended = self.appended.saturating_sub(size as u64).max(self.forgotten);
        }
        while self.steps.back().is_some_and(|(index, _)| *index >= start) {
            self.steps.pop_back();
        }
    }

    fn grow(&mut self, index: u64, size: usize) {
        self.appended += size as u64;
        if self.steps.back().map_or(self.forgotten, |(_, bytes)| *bytes) + SIZE_STEP <= self.appended {
            self.steps.push_back((index, self.appended));
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::consensus::log::recent::BYTES;
    use crate::consensus::types::LeaderId;
    use crate::shard::Epoch;

    fn id(index: u64) -> LogId {
        LogId {
            leader_id: LeaderId { term: 1, node_id: 1 },
            index,
        }
    }

    fn entry(index: u64, bytes: usize) -> Entry {
        let command = Command::Write {
            epoch: Epoch(0),
            round: 0,
            ops: Bytes::from(vec![0; bytes]),
        };
        Entry {
            log_id: id(index),
            payload: EntryPayload::Normal(command),
        }
    }

    fn append(journal: &mut Journal, indexes: Range<u64>, bytes: usize) -> u64 {
        let write = journal.next_write();
        let entries = indexes.map(|index| entry(index, bytes)).collect::<Vec<_>>();
        journal.append(&entries, write);
        write
    }

    fn recent(journal: &Journal) -> Vec<u64> {
        journal
            .recent(&(0..u64::MAX))
            .iter()
            .map(|entry| entry.log_id.index)
            .collect()
    }

    #[test]
    fn entries_that_are_not_durable_are_never_forgotten() {
        let mut journal = Journal::default();
        let first = append(&mut journal, 0..5, BYTES);
        append(&mut journal, 5..8, BYTES);
        assert_eq!(recent(&journal), (0..8).collect::<Vec<_>>());
        assert_eq!(journal.durable_end(), 0);
        journal.written(first);
        assert_eq!(journal.durable_end(), 5);
        let last = append(&mut journal, 8..9, 1);
        assert_eq!(recent(&journal), [5, 6, 7, 8]);
        journal.written(last);
        assert_eq!(journal.durable_end(), 9);
    }

    #[test]
    fn a_purge_beyond_the_end_empties_the_log() {
        let mut journal = Journal::default();
        append(&mut journal, 0..5, 10);
        assert_eq!(journal.purge(id(9)), 0..5);
        assert_eq!((journal.purged(), journal.last()), (Some(id(9)), Some(id(9))));
        assert_eq!((journal.range(), journal.bytes()), (10..10, 0));
        assert_eq!(journal.purge(id(3)), 10..10, "a purge never goes back");
        append(&mut journal, 10..12, 10);
        assert_eq!((journal.range(), recent(&journal)), (10..12, vec![10, 11]));
    }

    #[test]
    fn a_truncated_end_is_replaced() {
        let mut journal = Journal::default();
        append(&mut journal, 0..10, 10);
        assert_eq!(journal.truncate(Some(id(20))), 10..10);
        assert_eq!(journal.truncate(Some(id(6))), 7..10);
        assert_eq!((journal.last(), journal.range()), (Some(id(6)), 0..7));
        append(&mut journal, 7..8, 10);
        assert_eq!(recent(&journal), (0..8).collect::<Vec<_>>());
        assert_eq!(journal.truncate(None), 0..8);
        assert_eq!((journal.last(), journal.bytes()), (None, 0));
    }

    #[test]
    fn the_last_bytes_begin_at_an_entry() {
        let mut journal = Journal::default();
        append(&mut journal, 0..100, 100_000);
        assert_eq!(journal.start_of(20_000_000), 0);
        for bytes in [2 << 20, 5 << 20] {
            let start = journal.start_of(bytes);
            let kept = (100 - start) * 100_080;
            assert!(kept <= bytes && kept + SIZE_STEP + 100_080 > bytes, "{kept} of {bytes}");
        }
        assert_eq!(journal.start_of(0), 100);
        journal.purge(id(49));
        assert_eq!(journal.start_of(20_000_000), 50);
    }

    #[test]
    fn the_size_follows_appends_and_purges() {
        let mut journal = Journal::default();
        append(&mut journal, 0..100, 100_000);
        let whole = journal.bytes();
        assert!(whole >= 10_000_000);
        journal.purge(id(49));
        let half = journal.bytes();
        assert!(
            half >= whole / 2 && half <= whole / 2 + 2 * SIZE_STEP,
            "{half} of {whole}"
        );
        journal.purge(id(99));
        assert_eq!(journal.bytes(), 0);
    }
}
