//! A disk in memory: what is synced survives `crash`, what is not is lost, and a sync takes time by tokio's clock.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::{Job, Loaded, LogDisk, LogWrite, broken, closed};
use crate::consensus::codec;
use crate::consensus::types::{Entry, LogId, Vote};
use crate::store::{Images, MemoryTree, OnFatal, Tree};

/// The disk of one node in a test. Clones are the same disk; it outlives the engines that are opened on it.
#[derive(Clone)]
pub(crate) struct MemoryDisk(Arc<Mutex<Medium>>);

struct Medium {
    rng: StdRng,
    sync: RangeInclusive<Duration>,
    failing: bool,
    /// Counts crashes and openings: an engine of an earlier session writes no more.
    session: u64,
    shards: Option<u16>,
    logs: HashMap<u32, Log>,
    trees: BTreeMap<u32, Arc<MemoryTree>>,
    images: Arc<Mutex<BTreeMap<u32, Bytes>>>,
    marks: Arc<Mutex<Vec<u8>>>,
}

#[derive(Clone, Default)]
struct Log {
    entries: BTreeMap<u64, Bytes>,
    vote: Option<Vote>,
    purged: Option<LogId>,
}

impl MemoryDisk {
    /// An empty disk whose syncs take between 100 us and 2 ms, as the seed has it.
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Medium {
            rng: StdRng::seed_from_u64(seed),
            sync: Duration::from_micros(100)..=Duration::from_millis(2),
            failing: false,
            session: 0,
            shards: None,
            logs: HashMap::new(),
            trees: BTreeMap::new(),
            images: Arc::default(),
            marks: Arc::default(),
        })))
    }

    /// Sets how long a sync takes.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn set_sync(&self, sync: RangeInclusive<Duration>) {
        self.0.lock().sync = sync;
    }

    /// Makes every sync fail until the next crash.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn fail_syncs(&self) {
        self.0.lock().failing = true;
    }

    #[cfg(any(test, feature = "testing"))]
    /// Kills the process that uses the disk: what was not synced is gone, and whatever still runs writes nowhere. The
    /// state, which is never synced, is left as last flushed or lost altogether, as the seed has it.
    pub(crate) fn crash(&self) {
        let mut medium = self.0.lock();
        let medium = &mut *medium;
        medium.session += 1;
        medium.failing = false;
        if medium.rng.random_bool(0.5) {
            medium.trees.clear();
        }
        for tree in medium.trees.values_mut() {
            *tree = Arc::new(tree.fork());
        }
        let images = medium.images.lock().clone();
        medium.images = Arc::new(Mutex::new(images));
        let marks = medium.marks.lock().clone();
        medium.marks = Arc::new(Mutex::new(marks));
    }

    /// What a kill at this moment would leave, with the state as last flushed.
    #[cfg(test)]
    pub(crate) fn fork(&self) -> Self {
        let medium = self.0.lock();
        let fork = Self::new(0);
        {
            let mut forked = fork.0.lock();
            forked.shards = medium.shards;
            forked.trees = medium
                .trees
                .iter()
                .map(|(group, tree)| (*group, Arc::new(tree.fork())))
                .collect();
            forked.images = Arc::new(Mutex::new(medium.images.lock().clone()));
            forked.marks = Arc::new(Mutex::new(medium.marks.lock().clone()));
            forked.logs = medium.logs.clone();
        }
        fork
    }

    /// Loses the state alone.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn lose_state(&self) {
        self.0.lock().trees.clear();
    }

    /// The number of shards the disk was created with, which is `shards` if this is the first time.
    pub(crate) fn shards(&self, shards: u16) -> u16 {
        *self.0.lock().shards.get_or_insert(shards)
    }

    /// Opens the log; an earlier session writes no more.
    pub(crate) fn open(&self, runtime: &Handle, on_fatal: OnFatal) -> MemorySession {
        let (queue, jobs) = mpsc::unbounded_channel();
        let session = {
            let mut medium = self.0.lock();
            medium.session += 1;
            medium.session
        };
        let committer = Committer {
            disk: self.clone(),
            session,
            jobs,
            on_fatal,
        };
        let committer = runtime.spawn(committer.run());
        MemorySession {
            disk: self.clone(),
            queue: Mutex::new(Some(queue)),
            committer: Mutex::new(Some(committer)),
        }
    }

    /// The tree of one group.
    pub(crate) fn tree(&self, group: u32) -> Arc<dyn Tree> {
        Arc::clone(self.0.lock().trees.entry(group).or_default()) as Arc<dyn Tree>
    }

    /// Where snapshots are kept.
    pub(crate) fn images(&self) -> Images {
        Images::Memory(Arc::clone(&self.0.lock().images))
    }

    /// Where the marks are kept.
    pub(crate) fn marks(&self) -> Arc<Mutex<Vec<u8>>> {
        Arc::clone(&self.0.lock().marks)
    }

    /// Drops the end of a log, as a damaged disk may.
    #[cfg(test)]
    pub(crate) fn cut_log(&self, group: u32, from: u64) {
        if let Some(log) = self.0.lock().logs.get_mut(&group) {
            log.entries.split_off(&from);
        }
    }

    /// Loses the purge point of a log.
    #[cfg(test)]
    pub(crate) fn forget_purge(&self, group: u32) {
        if let Some(log) = self.0.lock().logs.get_mut(&group) {
            log.purged = None;
        }
    }

    /// Loses every snapshot.
    #[cfg(test)]
    pub(crate) fn lose_snapshots(&self) {
        self.0.lock().images.lock().clear();
    }
}

impl std::fmt::Debug for MemoryDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryDisk").finish_non_exhaustive()
    }
}

/// The log of one engine on a disk in memory.
pub(crate) struct MemorySession {
    disk: MemoryDisk,
    queue: Mutex<Option<mpsc::UnboundedSender<Job>>>,
    committer: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

impl MemorySession {
    /// Commits what is queued.
    pub(crate) async fn close(&self) {
        self.queue.lock().take();
        let committer = self.committer.lock().take();
        if let Some(committer) = committer
            && committer.await.is_err()
        {
            tracing::error!("the committer of the log panicked");
        }
    }
}

impl LogDisk for MemorySession {
    fn load(&self, group: u32) -> io::Result<Loaded> {
        let medium = self.disk.0.lock();
        let Some(log) = medium.logs.get(&group) else {
            return Ok(Loaded::default());
        };
        let mut loaded = Loaded {
            vote: log.vote,
            purged: log.purged,
            ..Loaded::default()
        };
        for (index, record) in &log.entries {
            let entry = codec::read_entry(record.clone())?;
            let size = super::journal::size(&entry);
            loaded.push(*index, entry, size)?;
        }
        Ok(loaded)
    }

    fn submit(&self, job: Job) {
        let rejected = match &*self.queue.lock() {
            Some(queue) => queue.send(job).err().map(|rejected| rejected.0),
            None => Some(job),
        };
        if let Some(job) = rejected {
            (job.done)(Err(closed()));
        }
    }

    fn read(&self, group: u32, range: Range<u64>, bytes: usize) -> io::Result<Vec<Entry>> {
        let medium = self.disk.0.lock();
        let Some(log) = medium.logs.get(&group) else {
            return Ok(Vec::new());
        };
        let (mut entries, mut used) = (Vec::new(), 0);
        for (expected, (index, record)) in (range.start..).zip(log.entries.range(range)) {
            if *index != expected || (used >= bytes && !entries.is_empty()) {
                break;
            }
            let entry = codec::read_entry(record.clone()).map_err(|error| broken(error.to_string()))?;
            used += super::journal::size(&entry);
            entries.push(entry);
        }
        Ok(entries)
    }
}

struct Committer {
    disk: MemoryDisk,
    session: u64,
    jobs: mpsc::UnboundedReceiver<Job>,
    on_fatal: OnFatal,
}

impl Committer {
    async fn run(mut self) {
        while let Some(first) = self.jobs.recv().await {
            let mut round = vec![first];
            while let Ok(job) = self.jobs.try_recv() {
                round.push(job);
            }
            let pause = {
                let mut medium = self.disk.0.lock();
                let sync = medium.sync.clone();
                medium.rng.random_range(sync)
            };
            tokio::time::sleep(pause).await;
            let committed = self.commit(&round);
            let failed = committed.is_err();
            for job in round {
                let result = committed
                    .as_ref()
                    .map_err(|error| io::Error::other(error.to_string()))
                    .copied();
                (job.done)(result);
            }
            if failed {
                break;
            }
        }
        self.jobs.close();
        while let Ok(job) = self.jobs.try_recv() {
            (job.done)(Err(closed()));
        }
    }

    fn commit(&self, round: &[Job]) -> io::Result<()> {
        let mut medium = self.disk.0.lock();
        if medium.session != self.session {
            return Err(closed());
        }
        if medium.failing {
            drop(medium);
            (self.on_fatal)("failed to commit to the log: the disk fails every sync".to_owned());
            return Err(io::Error::other("the disk fails every sync"));
        }
        for job in round {
            let log = medium.logs.entry(job.group).or_default();
            match &job.write {
                LogWrite::Append(entries) => {
                    log.entries.extend(
                        entries
                            .iter()
                            .map(|entry| (entry.log_id.index, codec::entry(entry).into())),
                    );
                }
                LogWrite::Vote(vote) => log.vote = Some(*vote),
                LogWrite::Truncate(range) => log.entries.retain(|index, _| !range.contains(index)),
                LogWrite::Purge(range, upto) => {
                    log.entries.retain(|index, _| !range.contains(index));
                    log.purged = Some(*upto);
                }
            }
        }
        Ok(())
    }
}
