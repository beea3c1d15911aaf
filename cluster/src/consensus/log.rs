//! The raft logs of all groups of a node.
//!
//! A [`LogStore`] is what openraft sees of one group. It keeps the recent entries in memory, because a leader reads its
//! own log back to apply it, and hands every write to the one [`LogDisk`] of the node, whose committer makes the writes
//! of all groups durable together, in the order in which they were handed over.

mod fjall;
mod journal;
mod marks;
mod memory;
mod recent;
mod store;
mod tail;

use std::io;
use std::ops::Range;

pub(crate) use fjall::FjallLog;
pub(crate) use journal::{Journal, size};
pub(crate) use marks::{MarkError, Marks, Progress};
pub(crate) use memory::{MemoryDisk, MemorySession};
pub(crate) use recent::Recent;
pub(crate) use store::{LogStore, Pressure};

use super::types::{Entry, LogId, Vote};

/// Where the logs of all groups are kept.
pub(crate) trait LogDisk: Send + Sync + 'static {
    /// What is there of a group, after checking every entry and that none is missing between two others.
    fn load(&self, group: u32) -> io::Result<Loaded>;

    /// Queues a write. Writes become durable in the order of the calls; `done` hears of it from any thread.
    fn submit(&self, job: Job);

    /// Entries of a range, from its start, until one is missing or `bytes` is exceeded; at least one if it is there.
    fn read(&self, group: u32, range: Range<u64>, bytes: usize) -> io::Result<Vec<Entry>>;
}

/// What a log held when it was opened.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    pub(crate) vote: Option<Vote>,
    pub(crate) purged: Option<LogId>,
    /// The first entry's index.
    pub(crate) first: Option<u64>,
    pub(crate) last: Option<LogId>,
    /// Index and size of every entry.
    pub(crate) sizes: Vec<(u64, usize)>,
    /// The last entries: most starts apply them, and none shall read them twice.
    pub(crate) recent: Recent,
}

impl Loaded {
    /// Takes the next entry in; refuses it if it does not follow the one before.
    pub(crate) fn push(&mut self, index: u64, entry: Entry, size: usize) -> io::Result<()> {
        let expected = self
            .last
            .map(|last| last.index + 1)
            .or_else(|| self.purged.map(|purged| purged.index + 1));
        if entry.log_id.index != index {
            return Err(broken(format!("the entry at {index} says it is {}", entry.log_id)));
        }
        if expected.is_some_and(|expected| expected != index) {
            return Err(broken(format!(
                "entry {} is missing before {index}",
                expected.unwrap_or_default()
            )));
        }
        self.first.get_or_insert(index);
        self.last = Some(entry.log_id);
        self.sizes.push((index, size));
        self.recent.push(entry, 0);
        self.recent.trim(0);
        Ok(())
    }
}

/// One write.
pub(crate) struct Job {
    pub(crate) group: u32,
    pub(crate) write: LogWrite,
    pub(crate) done: Box<dyn FnOnce(io::Result<()>) + Send>,
}

/// What a write does.
pub(crate) enum LogWrite {
    Append(Vec<Entry>),
    Vote(Vote),
    /// Removes a range from the end.
    Truncate(Range<u64>),
    /// Removes a range from the beginning and notes how far.
    Purge(Range<u64>, LogId),
}

impl LogWrite {
    /// About how many bytes it adds to a batch.
    pub(crate) fn cost(&self) -> usize {
        match self {
            Self::Append(entries) => entries.iter().map(journal::size).sum(),
            Self::Vote(_) => 64,
            Self::Truncate(range) | Self::Purge(range, _) => usize::try_from(range.end.saturating_sub(range.start))
                .unwrap_or(usize::MAX)
                .saturating_mul(32),
        }
    }
}

pub(crate) fn broken(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("log is broken: {message}"))
}

pub(crate) fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the log is closed")
}
