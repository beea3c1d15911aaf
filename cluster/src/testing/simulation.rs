//! Groups without an engine: rows in memory, commits that are slow, lost or doubtful as a seed decides.

use std::{
    collections::BTreeMap,
    io,
    ops::Bound,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Clock,
    keyspace::{self, SendId},
    lease::Lease,
    shard::{Confirmation, Epoch, Op, Outcome, Proposal, Shard},
};

/// For how long nobody takes over from a node that is cut off.
pub(crate) const LEASE: Duration = Duration::from_millis(900);

/// How long a node that is cut off waits for others.
const PATIENCE: Duration = Duration::from_secs(2);

type Done = Box<dyn FnOnce(Outcome) + Send>;

/// How a simulated group misbehaves.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Longest time a commit takes; each takes a random part of it.
    pub commit_delay: Duration,
    /// Probability that a commit ends without a definite outcome.
    pub unknown: f64,
    /// Probability that a batch is refused before it reaches the log.
    pub refused: f64,
    /// Whether the group acts as one of several voters whose lease has run out: what was read has to be confirmed, which
    /// takes as long as a commit.
    pub lapsed: bool,
    /// Probability that a majority does not confirm what was read.
    pub unconfirmed: f64,
}

/// What survives a crash.
pub(crate) struct SimulatedDisk {
    /// The meta group first.
    groups: Vec<Arc<Rows>>,
    random: Mutex<StdRng>,
    faults: Mutex<Faults>,
    commits: AtomicU64,
}

#[derive(Default)]
struct Rows {
    rows: RwLock<BTreeMap<Bytes, Bytes>>,
    /// Index of the last entry.
    index: AtomicU64,
    /// A batch that a crash catches on its way to the disk.
    writing: Mutex<Option<Vec<Op>>>,
}

impl Rows {
    /// What a node keeps that hears of no later entries.
    fn copy(&self) -> Self {
        Self {
            rows: RwLock::new(self.rows.read().clone()),
            index: AtomicU64::new(self.index.load(Ordering::Relaxed)),
            writing: Mutex::default(),
        }
    }
}

impl SimulatedDisk {
    pub(crate) fn new(seed: u64, shards: u16, faults: Faults) -> Arc<Self> {
        Arc::new(Self {
            groups: (0..=shards).map(|_| Arc::default()).collect(),
            random: Mutex::new(StdRng::seed_from_u64(seed ^ 0x5eed)),
            faults: Mutex::new(faults),
            commits: AtomicU64::new(0),
        })
    }

    /// Misbehaves in another way from now on.
    pub(crate) fn set_faults(&self, faults: Faults) {
        *self.faults.lock() = faults;
    }

    /// Decides what the disk holds of the batches that were on their way.
    fn crash(&self) {
        for group in &self.groups {
            if let Some(ops) = group.writing.lock().take()
                && self.chance(0.5)
            {
                group.apply(ops);
            }
        }
    }

    fn chance(&self, probability: f64) -> bool {
        probability > 0.0 && self.random.lock().random_bool(probability)
    }

    fn delay(&self) -> Duration {
        let longest = self.faults.lock().commit_delay;
        if longest.is_zero() {
            return Duration::ZERO;
        }
        longest.mul_f64(self.random.lock().random())
    }
}

impl Rows {
    /// Applies a batch as one entry. Returns its index.
    fn apply(&self, ops: Vec<Op>) -> u64 {
        let mut rows = self.rows.write();
        let index = self.index.fetch_add(1, Ordering::Relaxed) + 1;
        let mut ordinal = 0;
        for op in ops {
            match op {
                Op::Put { key, value } => drop(rows.insert(key, value)),
                Op::Delete { key } => drop(rows.remove(&key)),
                Op::PutIfAbsent { key, value } => drop(rows.entry(key).or_insert(value)),
                Op::Send { envelope } => {
                    rows.insert(keyspace::outbox(SendId { index, ordinal }), envelope);
                    ordinal += 1;
                }
            }
        }
        index
    }
}

/// The groups of one node, from its start to its end.
pub(crate) struct SimulatedGroups {
    disk: Arc<SimulatedDisk>,
    groups: Vec<Arc<SimulatedShard>>,
    stop: CancellationToken,
}

impl SimulatedGroups {
    pub(crate) fn open(disk: &Arc<SimulatedDisk>, runtime: &Handle, clock: &Arc<dyn Clock>) -> Self {
        let stop = CancellationToken::new();
        let groups = (0_u16..)
            .zip(&disk.groups)
            .map(|(number, rows)| {
                let (queue, proposals) = mpsc::unbounded_channel();
                let shard = Arc::new_cyclic(|this| SimulatedShard {
                    this: Weak::clone(this),
                    number: number.wrapping_sub(1),
                    rows: RwLock::new(Arc::clone(rows)),
                    owned: watch::Sender::new(None),
                    queue,
                    broken: AtomicU64::new(0),
                    lease: Arc::new(Lease::new(Arc::clone(clock))),
                    is_cut_off: AtomicBool::new(false),
                    disk: Arc::clone(disk),
                    runtime: runtime.clone(),
                    stop: stop.clone(),
                });
                let serve = serve(Arc::clone(disk), Arc::clone(&shard), proposals);
                runtime.spawn(stop.clone().run_until_cancelled_owned(serve));
                shard
            })
            .collect();
        Self {
            disk: Arc::clone(disk),
            groups,
            stop,
        }
    }

    pub(crate) fn meta(&self) -> Arc<dyn Shard> {
        Arc::<SimulatedShard>::clone(&self.groups[0])
    }

    pub(crate) fn shards(&self) -> Vec<Arc<dyn Shard>> {
        self.groups[1..]
            .iter()
            .map(|group| Arc::<SimulatedShard>::clone(group) as Arc<dyn Shard>)
            .collect()
    }

    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Lets the node hear nothing of the others, and they nothing of it, from now on.
    pub(crate) fn cut_off(&self) {
        for shard in &self.groups {
            let kept = shard.rows.read().copy();
            *shard.rows.write() = Arc::new(kept);
            shard.is_cut_off.store(true, Ordering::Relaxed);
            shard.lease.extend(shard.lease.clock().elapsed() + LEASE);
        }
    }

    /// Follows a change of the faults.
    pub(crate) fn renew(&self) {
        for shard in &self.groups {
            if let Some(epoch) = *shard.owned.borrow() {
                shard.renew(epoch);
            }
        }
    }

    pub(crate) fn crash(&self) {
        self.stop();
        self.disk.crash();
    }

    pub(crate) fn commits(&self) -> u64 {
        self.disk.commits.load(Ordering::Relaxed)
    }
}

struct SimulatedShard {
    this: Weak<Self>,
    number: u16,
    /// Those of the disk, or what a node kept that was cut off.
    rows: RwLock<Arc<Rows>>,
    owned: watch::Sender<Option<Epoch>>,
    queue: mpsc::UnboundedSender<Proposal>,
    /// The last epoch with a failed commit: nothing more of it is committed, and its owner has to give it up.
    broken: AtomicU64,
    lease: Arc<Lease>,
    is_cut_off: AtomicBool,
    disk: Arc<SimulatedDisk>,
    runtime: Handle,
    stop: CancellationToken,
}

impl SimulatedShard {
    fn rows(&self) -> Arc<Rows> {
        Arc::clone(&self.rows.read())
    }

    fn is_cut_off(&self) -> bool {
        self.is_cut_off.load(Ordering::Relaxed)
    }

    /// Begins the lease of an epoch.
    fn renew(&self, epoch: Epoch) {
        self.lease.begin(epoch, 0);
        if !self.disk.faults.lock().lapsed {
            self.lease.extend_always(0);
        }
    }

    /// Whether a majority says that this node owns the shard.
    async fn is_confirmed(&self, epoch: Epoch) -> bool {
        if self.is_cut_off() {
            tokio::time::sleep(LEASE).await;
            return false;
        }
        tokio::time::sleep(self.disk.delay()).await;
        let unconfirmed = self.disk.faults.lock().unconfirmed;
        *self.owned.borrow() == Some(epoch) && !self.is_cut_off() && !self.disk.chance(unconfirmed)
    }
}

/// Commits what is proposed, a round at a time.
async fn serve(disk: Arc<SimulatedDisk>, shard: Arc<SimulatedShard>, mut proposals: mpsc::UnboundedReceiver<Proposal>) {
    let mut owned = shard.owned.subscribe();
    loop {
        if shard.owned.borrow().is_none() {
            tokio::time::sleep(disk.delay()).await;
            if shard.is_cut_off() {
                return std::future::pending().await;
            }
            let index = shard.rows().apply(Vec::new());
            shard.renew(Epoch(index));
            shard.owned.send_replace(Some(Epoch(index)));
            owned.mark_unchanged();
        }
        let first = tokio::select! {
            biased;
            _ = owned.changed() => continue,
            proposal = proposals.recv() => proposal,
        };
        let Some(first) = first else { return };
        let Some(epoch) = *shard.owned.borrow() else {
            (first.done)(Outcome::NotProposed);
            continue;
        };
        round(&disk, &shard, epoch, first, &mut proposals).await;
    }
}

async fn round(
    disk: &SimulatedDisk,
    shard: &SimulatedShard,
    epoch: Epoch,
    first: Proposal,
    proposals: &mut mpsc::UnboundedReceiver<Proposal>,
) {
    let mut ops = Vec::new();
    let mut waiting: Vec<(u32, Done)> = Vec::new();
    let mut ordinal = 0;
    let mut next = Some(first);
    while let Some(proposal) = next {
        if proposal.epoch == epoch && shard.broken.load(Ordering::Relaxed) != epoch.0 {
            waiting.push((ordinal, proposal.done));
            for op in proposal.writes.ops {
                ordinal += u32::from(matches!(op, Op::Send { .. }));
                ops.push(op);
            }
        } else {
            (proposal.done)(Outcome::NotProposed);
        }
        next = proposals.try_recv().ok();
    }
    // A cluster that cannot register its classes does not open, and shows nothing.
    let faults = if shard.number == u16::MAX {
        Faults::default()
    } else {
        disk.faults.lock().clone()
    };
    if waiting.is_empty() {
        return;
    }
    if disk.chance(faults.refused) {
        shard.broken.store(epoch.0, Ordering::Relaxed);
        waiting.into_iter().for_each(|(_, done)| done(Outcome::NotProposed));
        return;
    }
    let rows = shard.rows();
    *rows.writing.lock() = Some(ops);
    tokio::time::sleep(disk.delay()).await;
    let Some(ops) = rows.writing.lock().take() else {
        return;
    };
    if shard.is_cut_off() {
        // The others never hear of it, and nobody here knows that.
        shard.broken.store(epoch.0, Ordering::Relaxed);
        tokio::time::sleep(PATIENCE).await;
        waiting.into_iter().for_each(|(_, done)| done(Outcome::Unknown));
        return;
    }
    if disk.chance(faults.unknown) {
        if disk.chance(0.5) {
            rows.apply(ops);
        }
        shard.broken.store(epoch.0, Ordering::Relaxed);
        waiting.into_iter().for_each(|(_, done)| done(Outcome::Unknown));
        return;
    }
    let index = rows.apply(ops);
    disk.commits.fetch_add(1, Ordering::Relaxed);
    waiting
        .into_iter()
        .for_each(|(first_ordinal, done)| done(Outcome::Committed { index, first_ordinal }));
}

impl Shard for SimulatedShard {
    fn number(&self) -> u16 {
        self.number
    }

    fn ownership(&self) -> watch::Receiver<Option<Epoch>> {
        self.owned.subscribe()
    }

    fn propose(&self, proposal: Proposal) {
        if self.stop.is_cancelled() {
            return (proposal.done)(Outcome::NotProposed);
        }
        if let Err(refused) = self.queue.send(proposal) {
            (refused.0.done)(Outcome::NotProposed);
        }
    }

    fn relinquish(&self, epoch: Epoch) {
        self.owned.send_if_modified(|owned| {
            let ours = *owned == Some(epoch);
            if ours {
                *owned = None;
            }
            ours
        });
    }

    fn lease(&self) -> Arc<Lease> {
        Arc::clone(&self.lease)
    }

    fn confirm(&self, confirmation: Confirmation) {
        let Confirmation { epoch, done } = confirmation;
        let Some(shard) = self.this.upgrade() else {
            return done(false);
        };
        let asked = async move { done(shard.is_confirmed(epoch).await) };
        self.runtime.spawn(self.stop.clone().run_until_cancelled_owned(asked));
    }

    fn get(&self, key: &[u8]) -> io::Result<Option<Bytes>> {
        Ok(self.rows().rows.read().get(key).cloned())
    }

    fn scan(
        &self,
        range: (Bound<Bytes>, Bound<Bytes>),
        reverse: bool,
        limit: usize,
    ) -> io::Result<Vec<(Bytes, Bytes)>> {
        let rows = self.rows();
        let rows = rows.rows.read();
        let found = rows.range(range).map(|(key, value)| (key.clone(), value.clone()));
        Ok(if reverse {
            found.rev().take(limit).collect()
        } else {
            found.take(limit).collect()
        })
    }
}
