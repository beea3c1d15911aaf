//! Groups without an engine: rows in memory, commits that are slow, lost or doubtful as a seed decides.

mod rows;

use std::{
    io,
    ops::Bound,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
};
use tokio_util::sync::CancellationToken;

use self::rows::{Appointed, Rows};
use crate::{
    Clock,
    lease::Lease,
    peers::NodeId,
    shard::{Confirmation, Epoch, Extent, Leader, Op, Outcome, Proposal, Shard},
};

type Done = Box<dyn FnOnce(Outcome) + Send>;

/// For how long nobody takes a group over from an owner that does not hear of it.
const LEASE: Duration = Duration::from_millis(900);

/// The least time it takes to own a group: what fails at once and is tried again under each new ownership would otherwise
/// go on for ever in no time.
const INSTALL: Duration = Duration::from_millis(1);

/// How a simulated group misbehaves.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Longest time a commit takes; each takes a random part of it.
    pub commit_delay: Duration,
    /// Probability that a commit ends without a definite outcome.
    pub unknown: f64,
    /// Probability that a batch is refused before it reaches the log.
    pub refused: f64,
    /// Whether the lease of every owner has run out: what was read has to be confirmed, which takes as long as a commit.
    pub lapsed: bool,
    /// Probability that a majority does not confirm what was read.
    pub unconfirmed: f64,
}

/// What survives a crash. Several nodes may share it: then it says which of them owns a group.
pub(crate) struct SimulatedDisk {
    /// The meta group first.
    groups: Vec<Arc<Rows>>,
    random: Mutex<StdRng>,
    faults: Mutex<Faults>,
    commits: AtomicU64,
    shards: Mutex<Vec<Weak<SimulatedShard>>>,
    /// Whether every node hears at once who owns a group, as one with a replica does.
    replicas: bool,
}

impl SimulatedDisk {
    pub(crate) fn new(seed: u64, shards: u16, faults: Faults) -> Arc<Self> {
        Arc::new(Self {
            groups: (0..=shards).map(|_| Arc::new(Rows::new(NodeId::FIRST))).collect(),
            random: Mutex::new(StdRng::seed_from_u64(seed ^ 0x5eed)),
            faults: Mutex::new(faults),
            commits: AtomicU64::new(0),
            shards: Mutex::default(),
            replicas: false,
        })
    }

    /// One that several nodes share, which own the groups in turn.
    pub(crate) fn shared(seed: u64, shards: u16, faults: Faults, nodes: &[NodeId], replicas: bool) -> Arc<Self> {
        let owners = nodes.iter().cycle();
        Arc::new(Self {
            groups: (0..=shards)
                .zip(owners)
                .map(|(_, owner)| Arc::new(Rows::new(*owner)))
                .collect(),
            random: Mutex::new(StdRng::seed_from_u64(seed ^ 0x5eed)),
            faults: Mutex::new(faults),
            commits: AtomicU64::new(0),
            shards: Mutex::default(),
            replicas,
        })
    }

    /// Gives a group to a node; `deaf` does not hear of it, and goes on as if it owned the group.
    pub(crate) fn appoint(&self, group: u16, node: NodeId, deaf: Option<NodeId>) {
        self.rows(group).appoint(node, deaf);
    }

    /// Lets everybody hear of all appointments.
    pub(crate) fn tell(&self) {
        self.groups.iter().for_each(|rows| rows.tell());
    }

    /// Gives the groups of a node that ended to others.
    pub(crate) fn replace(&self, node: NodeId, others: &[NodeId]) {
        for (rows, other) in self.groups.iter().zip(others.iter().cycle()) {
            let appointed = *rows.appointed.borrow();
            if appointed.node == node {
                rows.appoint(*other, None);
            }
        }
    }

    /// Who shall own a group.
    pub(crate) fn appointed(&self, group: u16) -> NodeId {
        self.rows(group).appointed.borrow().node
    }

    /// Waits until a node owns a group.
    pub(crate) async fn installed(&self, group: u16, node: NodeId) {
        let mut installed = self.rows(group).installed.subscribe();
        let is_node = |installed: &Option<Leader>| installed.is_some_and(|leader| leader.node == node);
        // The sender lives as long as the disk.
        let _ = installed.wait_for(is_node).await;
    }

    fn rows(&self, group: u16) -> &Rows {
        &self.groups[usize::from(group.wrapping_add(1))]
    }

    /// Misbehaves in another way from now on.
    pub(crate) fn set_faults(&self, faults: Faults) {
        *self.faults.lock() = faults;
        let shards = self.shards.lock();
        for shard in shards.iter().filter_map(Weak::upgrade) {
            let is_appointed = shard.rows.appointed.borrow().node == shard.node;
            if let Some(epoch) = *shard.owned.borrow()
                && is_appointed
            {
                shard.renew(epoch);
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

/// The groups of one node, from its start to its end.
pub(crate) struct SimulatedGroups {
    disk: Arc<SimulatedDisk>,
    groups: Vec<Arc<SimulatedShard>>,
    stop: CancellationToken,
}

impl SimulatedGroups {
    pub(crate) fn open(disk: &Arc<SimulatedDisk>, node: NodeId, runtime: &Handle, clock: &Arc<impl Clock>) -> Self {
        let stop = CancellationToken::new();
        let groups = (0_u16..)
            .zip(&disk.groups)
            .map(|(number, rows)| {
                let (queue, proposals) = mpsc::unbounded_channel();
                let shard = Arc::new_cyclic(|this| SimulatedShard {
                    this: Weak::clone(this),
                    number: number.wrapping_sub(1),
                    node,
                    replica: disk.replicas,
                    rows: Arc::clone(rows),
                    writing: Mutex::default(),
                    has_owned: AtomicBool::new(false),
                    owned: watch::Sender::new(None),
                    queue,
                    broken: AtomicU64::new(0),
                    lease: Arc::new(Lease::new(clock.clone())),
                    disk: Arc::clone(disk),
                    runtime: runtime.clone(),
                    stop: stop.clone(),
                });
                disk.shards.lock().push(Arc::downgrade(&shard));
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

    /// Ends, and decides what the disk holds of the batches that were on their way.
    pub(crate) fn crash(&self) {
        self.stop();
        for shard in &self.groups {
            if let Some((epoch, ops)) = shard.writing.lock().take()
                && self.disk.chance(0.5)
            {
                shard.rows.apply(epoch, ops);
            }
        }
    }

    pub(crate) fn commits(&self) -> u64 {
        self.disk.commits.load(Ordering::Relaxed)
    }
}

struct SimulatedShard {
    this: Weak<Self>,
    number: u16,
    node: NodeId,
    replica: bool,
    rows: Arc<Rows>,
    /// A batch that a crash catches on its way to the disk.
    writing: Mutex<Option<(Epoch, Vec<Op>)>>,
    /// A node that never owned a group knows nothing of its rows.
    has_owned: AtomicBool,
    owned: watch::Sender<Option<Epoch>>,
    queue: mpsc::UnboundedSender<Proposal>,
    /// The last epoch with a failed commit: nothing more of it is committed, and its owner has to give it up.
    broken: AtomicU64,
    lease: Arc<Lease>,
    disk: Arc<SimulatedDisk>,
    runtime: Handle,
    stop: CancellationToken,
}

impl SimulatedShard {
    /// A cluster that cannot register its classes does not open, and shows nothing: the meta group is spared.
    fn faults(&self) -> Faults {
        if self.number == u16::MAX {
            Faults::default()
        } else {
            self.disk.faults.lock().clone()
        }
    }

    /// Begins the lease of an epoch.
    fn renew(&self, epoch: Epoch) {
        self.lease.begin(epoch, 0);
        if !self.faults().lapsed {
            self.lease.extend_always(0);
        }
    }

    /// Whether a majority says that this node owns the group.
    async fn is_confirmed(&self, epoch: Epoch) -> bool {
        tokio::time::sleep(self.disk.delay()).await;
        let unconfirmed = self.faults().unconfirmed;
        let is_last = self.rows.installed.borrow().is_some_and(|last| last.epoch == epoch);
        is_last && *self.owned.borrow() == Some(epoch) && !self.disk.chance(unconfirmed)
    }
}

/// Commits what is proposed, a round at a time.
async fn serve(disk: Arc<SimulatedDisk>, shard: Arc<SimulatedShard>, mut proposals: mpsc::UnboundedReceiver<Proposal>) {
    let mut owned = shard.owned.subscribe();
    let mut appointed = shard.rows.appointed.subscribe();
    loop {
        let Appointed { node, deaf, at } = *appointed.borrow_and_update();
        let is_deaf = deaf == Some(shard.node);
        if is_deaf && shard.lease.is_sole() {
            let left = LEASE.saturating_sub(at.elapsed());
            shard.lease.extend(shard.lease.clock().elapsed() + left);
        }
        // One that did not hear of another owner, and is to own the group again, begins anew.
        let is_over = |epoch| shard.rows.installed.borrow().is_some_and(|last| last.epoch != epoch);
        let is_former = node != shard.node || shard.owned.borrow().is_some_and(is_over);
        if is_former && !is_deaf && shard.owned.borrow().is_some() {
            shard.owned.send_replace(None);
            owned.mark_unchanged();
        }
        if node == shard.node && shard.owned.borrow().is_none() {
            let lease = deaf.map_or(Duration::ZERO, |_| LEASE.saturating_sub(at.elapsed()));
            tokio::time::sleep(lease + disk.delay().max(INSTALL)).await;
            if appointed.borrow().node != shard.node {
                continue;
            }
            let epoch = shard.rows.install(shard.node);
            shard.has_owned.store(true, Ordering::Relaxed);
            shard.renew(epoch);
            shard.owned.send_replace(Some(epoch));
            owned.mark_unchanged();
        }
        let first = tokio::select! {
            biased;
            _ = owned.changed() => continue,
            _ = appointed.changed() => continue,
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
    let faults = shard.faults();
    if waiting.is_empty() {
        return;
    }
    if disk.chance(faults.refused) {
        shard.broken.store(epoch.0, Ordering::Relaxed);
        waiting.into_iter().for_each(|(_, done)| done(Outcome::NotProposed));
        return;
    }
    *shard.writing.lock() = Some((epoch, ops));
    tokio::time::sleep(disk.delay()).await;
    let Some((_, ops)) = shard.writing.lock().take() else {
        return;
    };
    let doubtful = disk.chance(faults.unknown);
    let index = if doubtful && disk.chance(0.5) {
        None
    } else {
        shard.rows.apply(epoch, ops)
    };
    let Some(index) = index.filter(|_| !doubtful) else {
        shard.broken.store(epoch.0, Ordering::Relaxed);
        waiting.into_iter().for_each(|(_, done)| done(Outcome::Unknown));
        return;
    };
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

    fn leader(&self) -> Option<Leader> {
        self.replica.then(|| *self.rows.installed.borrow()).flatten()
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

    fn extent(&self) -> Option<Extent> {
        let has_owned = self.has_owned.load(Ordering::Relaxed);
        has_owned.then(|| {
            let index = self.rows.index(self.node);
            Extent {
                applied: index,
                logged: index,
                edition: 0,
            }
        })
    }

    fn get(&self, key: &[u8]) -> io::Result<Option<Bytes>> {
        if !self.has_owned.load(Ordering::Relaxed) {
            return Ok(None);
        }
        Ok(self.rows.read(self.node, |rows| rows.get(key).cloned()))
    }

    fn scan(
        &self,
        range: (Bound<Bytes>, Bound<Bytes>),
        reverse: bool,
        limit: usize,
    ) -> io::Result<Vec<(Bytes, Bytes)>> {
        if !self.has_owned.load(Ordering::Relaxed) {
            return Ok(Vec::new());
        }
        Ok(self.rows.read(self.node, |rows| {
            let found = rows.range(range).map(|(key, value)| (key.clone(), value.clone()));
            if reverse {
                found.rev().take(limit).collect()
            } else {
                found.take(limit).collect()
            }
        }))
    }
}
