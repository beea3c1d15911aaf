//! Where each group's log is known to end, kept outside the log.
//!
//! fjall cuts its journal silently behind a record it cannot decode, and a log that lost its end looks like one that
//! never had it. So at each snapshot a synced file notes how far every log reaches, counted in entries that are
//! applied and durable here, which no election takes back.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::consensus::codec;
use crate::store::replace;

/// Why a log is not the one that was left behind.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum MarkError {
    #[error("the log of group {group} ends before entry {expected}, which was applied: entries were lost")]
    Short { group: u32, expected: u64 },
}

/// How far a group got: ends of ranges, so that zero is "nothing".
#[derive(Debug, Default)]
pub(crate) struct Progress {
    applied: AtomicU64,
    durable: AtomicU64,
}

impl Progress {
    pub(crate) fn applied(&self, end: u64) {
        self.applied.store(end, Ordering::Release);
    }

    pub(crate) fn durable(&self, end: u64) {
        self.durable.store(end, Ordering::Release);
    }

    fn end(&self) -> u64 {
        self.applied
            .load(Ordering::Acquire)
            .min(self.durable.load(Ordering::Acquire))
    }
}

/// The marks of a node.
pub(crate) struct Marks {
    medium: Medium,
    known: BTreeMap<u32, u64>,
    groups: Mutex<Vec<(u32, Arc<Progress>)>>,
    writing: Mutex<()>,
}

enum Medium {
    Disk(PathBuf),
    Memory(Arc<Mutex<Vec<u8>>>),
}

impl Marks {
    pub(crate) fn on_disk(path: PathBuf) -> io::Result<Self> {
        let record = match fs::read(&path) {
            Ok(record) => record,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        Self::new(Medium::Disk(path), record)
    }

    pub(crate) fn in_memory(record: Arc<Mutex<Vec<u8>>>) -> io::Result<Self> {
        let read = record.lock().clone();
        Self::new(Medium::Memory(record), read)
    }

    fn new(medium: Medium, record: Vec<u8>) -> io::Result<Self> {
        let known = if record.is_empty() {
            Vec::new()
        } else {
            codec::read_marks(record.into())?
        };
        Ok(Self {
            medium,
            known: known.into_iter().collect(),
            groups: Mutex::default(),
            writing: Mutex::default(),
        })
    }

    /// Compares what is there of a log with what was noted of it. `end` is the index after its last entry.
    pub(crate) fn check(&self, group: u32, end: u64) -> Result<(), MarkError> {
        match self.known.get(&group) {
            Some(mark) if *mark > end => Err(MarkError::Short {
                group,
                expected: mark - 1,
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Takes a group on; the returned progress is what the next marks say of it.
    pub(crate) fn track(&self, group: u32) -> Arc<Progress> {
        let progress = Arc::<Progress>::default();
        self.groups.lock().push((group, Arc::clone(&progress)));
        progress
    }

    /// Notes where all groups are. Blocks on a disk.
    pub(crate) fn write(&self) -> io::Result<()> {
        let _writing = self.writing.lock();
        // A group that is still starting has not caught up with what is known of it.
        let end = |group: &u32, progress: &Progress| progress.end().max(self.known.get(group).copied().unwrap_or(0));
        let marks = self
            .groups
            .lock()
            .iter()
            .map(|(group, progress)| (*group, end(group, progress)))
            .collect::<Vec<_>>();
        let record = codec::marks(&marks);
        match &self.medium {
            Medium::Disk(path) => replace(path, &record),
            Medium::Memory(kept) => {
                *kept.lock() = record;
                Ok(())
            }
        }
    }
}
