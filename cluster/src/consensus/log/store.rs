//! One group's log, as openraft sees it.

use std::fmt::Debug;
use std::future::ready;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use openraft::errors::LeaderChanged;
use openraft::storage::{IOFlushed, LeaderBoundedStreamError, LeaderBoundedStreamResult, RaftLogStorage};
use openraft::{EntryPayload, LogState, OptionalSend, RaftLogReader};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::{Job, Journal, LogDisk, LogWrite, Progress, broken};
use crate::consensus::tenure;
use crate::consensus::types::{Entry, LeaderId, LogId, Types, Vote};
use crate::lease::Lease;

/// How many bytes of entries are read, and replicated, at once.
const READ_BYTES: usize = 1 << 20;

/// Wakes whoever decides when to take snapshots, once per megabyte of log.
#[derive(Debug, Default)]
pub(crate) struct Pressure {
    appended: AtomicU64,
    /// Notified as the logs grow.
    pub(crate) grown: Notify,
}

impl Pressure {
    const STEP: u64 = 1 << 20;

    fn add(&self, bytes: u64) {
        let before = self.appended.fetch_add(bytes, Ordering::Relaxed);
        if before / Self::STEP != (before + bytes) / Self::STEP {
            self.grown.notify_one();
        }
    }
}

/// The log of one group; clones are the same log.
#[derive(Clone)]
pub(crate) struct LogStore(Arc<Inner>);

struct Inner {
    group: u32,
    disk: Arc<dyn LogDisk>,
    journal: Mutex<Journal>,
    pressure: Arc<Pressure>,
    progress: Arc<Progress>,
    node: u64,
    /// Hears of new voters before any other node does.
    lease: Arc<Lease>,
}

impl LogStore {
    pub(crate) fn open(
        group: u32,
        disk: Arc<dyn LogDisk>,
        pressure: Arc<Pressure>,
        progress: Arc<Progress>,
        node: u64,
        lease: Arc<Lease>,
    ) -> io::Result<Self> {
        let journal = Journal::new(disk.load(group)?);
        progress.durable(journal.range().end);
        Ok(Self(Arc::new(Inner {
            group,
            disk,
            journal: Mutex::new(journal),
            pressure,
            progress,
            node,
            lease,
        })))
    }

    /// About how many bytes of log there are.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.journal.lock().bytes()
    }

    /// Index from which on the entries take no more than so many bytes.
    pub(crate) fn start_of(&self, bytes: u64) -> u64 {
        self.0.journal.lock().start_of(bytes)
    }

    /// Up to where the log was dropped.
    pub(crate) fn purged(&self) -> Option<LogId> {
        self.0.journal.lock().purged()
    }

    /// The last entry, or the purge point.
    pub(crate) fn last(&self) -> Option<LogId> {
        self.0.journal.lock().last()
    }

    /// Whether nothing was ever written to it.
    pub(crate) fn is_new(&self) -> bool {
        let journal = self.0.journal.lock();
        journal.vote.is_none() && journal.last().is_none()
    }

    /// Some entries from an index on, about a megabyte of them; `None` if the first is not there any more.
    pub(crate) fn page(&self, range: Range<u64>) -> io::Result<Option<Vec<Entry>>> {
        let entries = self.read(&range, READ_BYTES)?;
        let begins = entries.first().is_some_and(|first| first.log_id.index == range.start);
        Ok(begins.then_some(entries))
    }

    fn submit(&self, write: LogWrite, number: u64, done: impl FnOnce(io::Result<()>) + Send + 'static) {
        let inner = Arc::clone(&self.0);
        let done = Box::new(move |result: io::Result<()>| {
            if result.is_ok() {
                let mut journal = inner.journal.lock();
                journal.written(number);
                inner.progress.durable(journal.durable_end());
            }
            done(result);
        });
        self.0.disk.submit(Job {
            group: self.0.group,
            write,
            done,
        });
    }

    async fn write(&self, write: LogWrite, number: u64) -> io::Result<()> {
        let (done, written) = oneshot::channel();
        self.submit(write, number, move |result| {
            // Nobody waits any more if the group is being dropped.
            let _ = done.send(result);
        });
        written.await.map_err(|_| super::closed())?
    }

    /// The entries of `range` that exist, up to about `bytes` of them but at least one.
    fn read(&self, range: &Range<u64>, bytes: usize) -> io::Result<Vec<Entry>> {
        loop {
            let (wanted, recent) = {
                let journal = self.0.journal.lock();
                let present = journal.range();
                let wanted = range.start.max(present.start)..range.end.min(present.end);
                let recent = journal.recent(&wanted);
                (wanted, recent)
            };
            if wanted.is_empty() {
                return Ok(Vec::new());
            }
            let stored = wanted.start..recent.first().map_or(wanted.end, |entry| entry.log_id.index);
            let mut entries = if stored.is_empty() {
                Vec::new()
            } else {
                self.0.disk.read(self.0.group, stored.clone(), bytes)?
            };
            let mut used = entries.iter().map(super::journal::size).sum::<usize>();
            let complete = entries.last().is_some_and(|last| last.log_id.index + 1 == stored.end) || stored.is_empty();
            if complete {
                for entry in recent {
                    if used >= bytes && !entries.is_empty() {
                        break;
                    }
                    used += super::journal::size(&entry);
                    entries.push(entry);
                }
            } else if used < bytes {
                // Either the entries were dropped while we read, or they are lost.
                let present = self.0.journal.lock().range();
                if present.start <= wanted.start && wanted.end <= present.end {
                    return Err(broken(format!("group {} lost entries of {stored:?}", self.0.group)));
                }
                continue;
            }
            return Ok(entries);
        }
    }

    fn chunks(&self, range: Range<u64>) -> impl Stream<Item = io::Result<Vec<Entry>>> + Send + use<> {
        let log = self.clone();
        stream::try_unfold(range, move |rest| {
            let read = if rest.is_empty() {
                Ok(Vec::new())
            } else {
                log.read(&rest, READ_BYTES)
            };
            ready(read.map(|entries| {
                let next = entries.last()?.log_id.index + 1;
                Some((entries, next..rest.end))
            }))
        })
    }
}

fn bounds(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(start) => start + 1,
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(end) => end.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}

impl RaftLogReader<Types> for LogStore {
    async fn leader_bounded_stream<RB>(
        &mut self,
        leader: LeaderId,
        range: RB,
    ) -> impl Stream<Item = LeaderBoundedStreamResult<Types>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let log = self.clone();
        let first = log.0.journal.lock().vote;
        let allowed = move |vote: Option<Vote>| vote.is_some_and(|vote| vote.committed && vote.leader_id == leader);
        let refuse = move |vote| Err(LeaderBoundedStreamError::from(LeaderChanged::new(leader, vote)));
        let refused = stream::iter((!allowed(first)).then(|| refuse(first)));
        let range = if allowed(first) { bounds(&range) } else { 0..0 };
        // The vote is looked at after each read: it may have changed meanwhile, and the entries with it.
        let read = self.chunks(range).map(move |chunk| {
            let vote = log.0.journal.lock().vote;
            match chunk {
                Ok(entries) if allowed(vote) => entries.into_iter().map(Ok).collect::<Vec<_>>(),
                Ok(_) => vec![refuse(vote)],
                Err(error) => vec![Err(error.into())],
            }
        });
        refused.chain(read.flat_map(stream::iter)).boxed()
    }

    async fn entries_stream<RB>(&mut self, range: RB) -> impl Stream<Item = io::Result<Entry>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        self.chunks(bounds(&range))
            .map_ok(|entries| stream::iter(entries.into_iter().map(Ok)))
            .try_flatten()
            .boxed()
    }

    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<Entry>> {
        self.read(&bounds(&range), usize::MAX)
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.0.journal.lock().vote)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.read(&(start..end), READ_BYTES)
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        let journal = self.0.journal.lock();
        Ok(LogState {
            last_purged_log_id: journal.purged(),
            last_log_id: journal.last(),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let number = {
            let mut journal = self.0.journal.lock();
            journal.vote = Some(*vote);
            journal.next_write()
        };
        self.write(LogWrite::Vote(*vote), number).await
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries = entries.into_iter().collect::<Vec<_>>();
        for entry in &entries {
            if let EntryPayload::Membership(membership) = &entry.payload {
                let voters = tenure::voters(membership, self.0.node);
                self.0.lease.revote(entry.log_id.index, voters);
            }
        }
        let (number, bytes, replaced) = {
            let mut journal = self.0.journal.lock();
            let replaced = entries
                .first()
                .map_or(0..0, |first| first.log_id.index..journal.range().end);
            let number = journal.next_write();
            (number, journal.append(&entries, number), replaced)
        };
        if !replaced.is_empty() {
            self.submit(LogWrite::Truncate(replaced), 0, drop);
        }
        self.0.pressure.add(bytes as u64);
        self.submit(LogWrite::Append(entries), number, move |result| {
            callback.io_completed(result)
        });
        Ok(())
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> io::Result<()> {
        let (number, range) = {
            let mut journal = self.0.journal.lock();
            (journal.next_write(), journal.truncate(last_log_id))
        };
        self.0.lease.unvote(last_log_id.map(|last| last.index));
        if range.is_empty() {
            return Ok(());
        }
        self.write(LogWrite::Truncate(range), number).await
    }

    async fn purge(&mut self, log_id: LogId) -> io::Result<()> {
        let (number, range, purged) = {
            let mut journal = self.0.journal.lock();
            (journal.next_write(), journal.purge(log_id), journal.purged())
        };
        if purged == Some(log_id) {
            // Not awaited: a purge that a crash undoes is repeated, and a failure stops the node by itself.
            self.submit(LogWrite::Purge(range, log_id), number, drop);
        }
        Ok(())
    }
}
