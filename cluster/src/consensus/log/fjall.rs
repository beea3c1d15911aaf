//! The logs on disk: one fjall keyspace for the entries of all groups, a small one for votes and purge points.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};
use metrics::{Histogram, histogram};
use parking_lot::{Mutex, RwLock};

use super::{Job, Loaded, LogDisk, LogWrite, broken, closed, tail};
use crate::consensus::codec;
use crate::consensus::types::Entry;
use crate::metrics::{LOG_SYNC, LOG_SYNCS};
use crate::store::{OnFatal, remove, replace, sync_all, sync_parent};

/// How much of the log fjall replays when it opens.
const JOURNAL_BYTES: u64 = 128 << 20;
const MEMTABLE_BYTES: u64 = 16 << 20;
const CACHE_BYTES: u64 = 16 << 20;
/// When a round is full.
const ROUND_BYTES: usize = 8 << 20;

const VOTE: u8 = 0;
const PURGED: u8 = 1;

/// The log directory of a node.
pub(crate) struct FjallLog {
    parts: RwLock<Option<Parts>>,
    queue: RwLock<Option<mpsc::Sender<Job>>>,
    committer: Mutex<Option<thread::JoinHandle<()>>>,
}

#[derive(Clone)]
struct Parts {
    db: Database,
    entries: Keyspace,
    marks: Keyspace,
}

impl FjallLog {
    /// Opens the logs in a directory, or creates them.
    pub(crate) fn open(path: &Path, on_fatal: OnFatal) -> io::Result<Self> {
        let making = path.with_extension("making");
        if making.try_exists()? || !path.try_exists()? {
            create(path, &making)?;
        }
        tail::repair(path)?;
        let parts = whole(|| Parts::open(path))?;
        let (queue, jobs) = mpsc::channel();
        let committer = Committer {
            parts: parts.clone(),
            jobs,
            on_fatal,
            times: histogram!(LOG_SYNC),
        };
        let committer = thread::Builder::new()
            .name("log-committer".to_owned())
            .spawn(move || committer.run())?;
        Ok(Self {
            parts: RwLock::new(Some(parts)),
            queue: RwLock::new(Some(queue)),
            committer: Mutex::new(Some(committer)),
        })
    }

    /// Commits what is queued and lets go of the files. Blocks.
    pub(crate) fn close(&self) {
        self.queue.write().take();
        if let Some(committer) = self.committer.lock().take()
            && committer.join().is_err()
        {
            tracing::error!("the committer of the log panicked");
        }
        self.parts.write().take();
    }

    fn parts(&self) -> io::Result<Parts> {
        self.parts.read().clone().ok_or_else(closed)
    }
}

/// Makes an empty log. fjall does not open what a crash has left of making one, so a mark stands beside it until it is whole.
fn create(path: &Path, making: &Path) -> io::Result<()> {
    replace(making, b"")?;
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    drop(Parts::open(path)?);
    // fjall removes what the making left behind when it opens the log again.
    drop(Parts::open(path)?);
    // It syncs what is in the directory of a keyspace, not that there is one, nor that something was removed.
    sync_all(path)?;
    sync_parent(path)?;
    remove(making)
}

/// Runs what reads files. Some kinds of damage make fjall panic where others make it fail.
fn whole<T>(read: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(broken("it cannot be read at all".to_owned())))
}

/// The error of the disk, without the name that fjall has for it. Damage has the kind `InvalidData`: also files that are
/// missing, cut, or where none should be.
fn unreadable(error: fjall::Error) -> io::Error {
    match error {
        fjall::Error::Io(error) => match error.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::InvalidInput => io::Error::new(io::ErrorKind::InvalidData, error),
            _ => error,
        },
        error @ (fjall::Error::Locked | fjall::Error::Poisoned | fjall::Error::KeyspaceDeleted) => {
            io::Error::other(error)
        }
        error => io::Error::new(io::ErrorKind::InvalidData, error),
    }
}

fn key(group: u32, index: u64) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&group.to_be_bytes());
    key[4..].copy_from_slice(&index.to_be_bytes());
    key
}

fn mark(group: u32, kind: u8) -> [u8; 5] {
    let [a, b, c, d] = group.to_be_bytes();
    [a, b, c, d, kind]
}

fn index(key: &[u8]) -> io::Result<u64> {
    match key.last_chunk::<8>() {
        Some(index) if key.len() == 12 => Ok(u64::from_be_bytes(*index)),
        Some(_) | None => Err(broken("a key has a wrong length".to_owned())),
    }
}

impl Parts {
    fn open(path: &Path) -> io::Result<Self> {
        let db = Database::builder(path)
            .worker_threads(1)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .open()
            .map_err(unreadable)?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
        Ok(Self {
            entries: db.keyspace("entries", options).map_err(unreadable)?,
            marks: db.keyspace("marks", options).map_err(unreadable)?,
            db,
        })
    }

    fn load(&self, group: u32) -> io::Result<Loaded> {
        let read = |kind| self.marks.get(mark(group, kind)).map_err(unreadable);
        let vote = read(VOTE)?
            .map(|vote| codec::read_vote(Bytes::copy_from_slice(&vote)))
            .transpose()?;
        let purged = read(PURGED)?
            .map(|id| codec::read_log_id(Bytes::copy_from_slice(&id)))
            .transpose()?;
        let mut loaded = Loaded {
            vote,
            purged,
            ..Loaded::default()
        };
        for found in self.entries.prefix(group.to_be_bytes()) {
            let (key, record) = found.into_inner().map_err(unreadable)?;
            let index = index(&key)?;
            let entry = codec::read_entry(Bytes::copy_from_slice(&record))
                .map_err(|error| broken(format!("entry {index} of group {group}: {error}")))?;
            let size = super::journal::size(&entry);
            loaded.push(index, entry, size)?;
        }
        Ok(loaded)
    }
}

impl LogDisk for FjallLog {
    fn load(&self, group: u32) -> io::Result<Loaded> {
        let parts = self.parts()?;
        whole(|| parts.load(group))
    }

    fn submit(&self, job: Job) {
        let rejected = match &*self.queue.read() {
            Some(queue) => queue.send(job).err().map(|rejected| rejected.0),
            None => Some(job),
        };
        if let Some(job) = rejected {
            (job.done)(Err(closed()));
        }
    }

    fn read(&self, group: u32, range: Range<u64>, bytes: usize) -> io::Result<Vec<Entry>> {
        let parts = self.parts()?;
        let (mut entries, mut used, mut expected) = (Vec::new(), 0, range.start);
        for found in parts.entries.range(key(group, range.start)..key(group, range.end)) {
            let (key, record) = found.into_inner().map_err(unreadable)?;
            if index(&key)? != expected || (used >= bytes && !entries.is_empty()) {
                break;
            }
            let entry = codec::read_entry(Bytes::copy_from_slice(&record))
                .map_err(|error| broken(format!("entry {expected} of group {group}: {error}")))?;
            if entry.log_id.index != expected {
                return Err(broken(format!("the entry at {expected} says it is {}", entry.log_id)));
            }
            used += super::journal::size(&entry);
            expected += 1;
            entries.push(entry);
        }
        Ok(entries)
    }
}

/// Makes the writes of all groups durable, one batch and one fsync for all that wait.
struct Committer {
    parts: Parts,
    jobs: mpsc::Receiver<Job>,
    on_fatal: OnFatal,
    times: Histogram,
}

impl Committer {
    fn run(self) {
        let syncs = metrics::counter!(LOG_SYNCS);
        while let Ok(first) = self.jobs.recv() {
            let (round, batch) = self.gather(first);
            let began = Instant::now();
            if let Err(error) = batch.commit() {
                // What the disk holds is unknown from here on, so nothing is tried again.
                (self.on_fatal)(format!("failed to commit to the log: {}", unreadable(error)));
                let refuse = |job: Job| (job.done)(Err(io::Error::other("an earlier commit to the log failed")));
                round.into_iter().for_each(refuse);
                self.jobs.iter().for_each(refuse);
                return;
            }
            syncs.increment(1);
            self.times.record(began.elapsed());
            round.into_iter().for_each(|job| (job.done)(Ok(())));
        }
    }

    fn gather(&self, first: Job) -> (Vec<Job>, OwnedWriteBatch) {
        let (mut changes, mut round) = (Changes::default(), Vec::new());
        let mut cost = 0;
        let mut next = Some(first);
        while let Some(job) = next {
            cost += job.write.cost();
            changes.add(&job);
            round.push(job);
            next = if cost < ROUND_BYTES {
                self.jobs.try_recv().ok()
            } else {
                None
            };
        }
        let mut batch = self.parts.db.batch().durability(Some(PersistMode::SyncData));
        for (key, record) in changes.entries {
            match record {
                Some(record) => batch.insert(&self.parts.entries, key, record),
                None => batch.remove(&self.parts.entries, key),
            }
        }
        for (key, record) in changes.marks {
            batch.insert(&self.parts.marks, key, record);
        }
        (round, batch)
    }
}

/// What a round changes. Each key once: all of a batch carries one sequence number, so that within it an entry and its
/// removal have no order.
#[derive(Default)]
struct Changes {
    entries: BTreeMap<[u8; 12], Option<Vec<u8>>>,
    marks: BTreeMap<[u8; 5], Vec<u8>>,
}

impl Changes {
    fn add(&mut self, job: &Job) {
        match &job.write {
            LogWrite::Append(appended) => {
                for entry in appended {
                    self.entries
                        .insert(key(job.group, entry.log_id.index), Some(codec::entry(entry)));
                }
            }
            LogWrite::Vote(vote) => {
                self.marks.insert(mark(job.group, VOTE), codec::vote(vote));
            }
            LogWrite::Truncate(range) => self.remove(job.group, range),
            LogWrite::Purge(range, upto) => {
                self.remove(job.group, range);
                self.marks.insert(mark(job.group, PURGED), codec::log_id(upto));
            }
        }
    }

    fn remove(&mut self, group: u32, range: &Range<u64>) {
        self.entries
            .extend(range.clone().map(|index| (key(group, index), None)));
    }
}
