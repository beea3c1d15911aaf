//! One raft group on this node.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use metrics::histogram;
use openraft::Raft;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{InitializeError, RaftError};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::codec::{self, Head};
use super::config::{self, LEASE};
use super::confirmer::Confirmer;
use super::contact::Contact;
use super::guard::{self, Guard};
use super::log::LogStore;
use super::machine::{HEAD, Machine, SnapshotInfo};
use super::membership::Standing;
use super::network::Network;
use super::ownership::Ownership;
use super::proposer::{Proposer, ROUNDS};
use super::pulse::Heard;
use super::retention::{Retention, RetentionLimits};
use super::steward::Steward;
use super::types::{LogId, Types};
use crate::lease::Lease;
use crate::metrics::{ENTRY, shards};
use crate::peers::{NodeId, Peers};
use crate::shard::{Confirmation, Epoch, Extent, Leader, Outcome, Proposal, Shard};
use crate::store::{OnFatal, Row, ShardState};

pub(crate) type GroupRaft = Raft<Types, Machine>;

/// A group that is running.
pub(crate) struct Group {
    group: u32,
    node: NodeId,
    raft: GroupRaft,
    log: LogStore,
    state: Arc<ShardState>,
    ownership: Arc<Ownership>,
    lease: Arc<Lease>,
    snapshot: Arc<SnapshotInfo>,
    guard: Guard,
    heard: Arc<Heard>,
    standing: watch::Receiver<Standing>,
    permits: Arc<Semaphore>,
    /// `None` once the group takes no more proposals.
    queue: Mutex<Option<mpsc::UnboundedSender<Proposal>>>,
    proposer: Mutex<Option<JoinHandle<()>>>,
    /// `None` once the group answers no more questions.
    questions: Mutex<Option<mpsc::UnboundedSender<Confirmation>>>,
    confirmer: Mutex<Option<JoinHandle<()>>>,
    steward: Mutex<Option<JoinHandle<()>>>,
    stop: CancellationToken,
}

/// What a group is made of.
pub(crate) struct GroupParts {
    pub(crate) group: u32,
    pub(crate) node: NodeId,
    pub(crate) peers: Arc<dyn Peers>,
    pub(crate) found: bool,
    pub(crate) retention: RetentionLimits,
    pub(crate) log: LogStore,
    pub(crate) state: Arc<ShardState>,
    pub(crate) ownership: Arc<Ownership>,
    pub(crate) lease: Arc<Lease>,
    pub(crate) snapshot: Arc<SnapshotInfo>,
    pub(crate) machine: Machine,
    pub(crate) stop: CancellationToken,
    pub(crate) actors: Handle,
    pub(crate) on_fatal: OnFatal,
}

/// How a group is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupStatus {
    /// The shard's number; `None` for the meta group.
    pub(crate) shard: Option<u16>,
    /// The epoch this node owns it under.
    pub(crate) epoch: Option<Epoch>,
    /// Index of the last applied entry.
    pub(crate) applied: Option<u64>,
    /// Index of the last entry of the log.
    pub(crate) last: Option<u64>,
    /// About how much log there is behind the last snapshot.
    pub(crate) log_bytes: u64,
    /// Index of the last entry the snapshot contains.
    pub(crate) snapshot: Option<u64>,
    /// Size of that snapshot.
    pub(crate) snapshot_bytes: u64,
}

impl Group {
    /// Starts the group on the current runtime. A new one is founded with this node as its only voter, or rests until a
    /// leader of the group adds this node.
    pub(crate) async fn start(parts: GroupParts) -> io::Result<Arc<Self>> {
        let GroupParts {
            group,
            node,
            peers,
            found,
            retention,
            log,
            state,
            ownership,
            lease,
            snapshot,
            machine,
            stop,
            actors,
            on_fatal,
        } = parts;
        let config = Arc::new(config::raft().validate().map_err(io::Error::other)?);
        let contact = Arc::<Contact>::default();
        let network = Network::new(node, group, peers, Arc::clone(&contact));
        let raft = GroupRaft::new(node.get(), config, network, log.clone(), machine)
            .await
            .map_err(io::Error::other)?;
        if found {
            match raft.initialize(BTreeMap::from([(node.get(), ())])).await {
                Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => {}
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        let is_sole_voter = raft.with_raft_state(move |state| {
            let voters = state.membership_state.effective().voter_ids();
            voters.eq([node.get()])
        });
        let guard = Guard::new(is_sole_voter.await.map_err(io::Error::other)?);
        let heard = Arc::<Heard>::default();
        let (tell, standing) = watch::channel(Standing::default());
        let (queue, proposals) = mpsc::unbounded_channel();
        let permits = Arc::new(Semaphore::new(ROUNDS as usize));
        let proposer = Proposer {
            raft: raft.clone(),
            ownership: Arc::clone(&ownership),
            queue: proposals,
            actors: actors.clone(),
            permits: Arc::clone(&permits),
            sizes: histogram!(ENTRY),
        };
        let (questions, asked) = mpsc::unbounded_channel();
        let confirmer = Confirmer {
            raft: raft.clone(),
            ownership: Arc::clone(&ownership),
            lease: Arc::clone(&lease),
            contact: Arc::clone(&contact),
            queue: asked,
            actors,
        };
        let steward = Steward {
            group,
            node: node.get(),
            raft: raft.clone(),
            ownership: Arc::clone(&ownership),
            lease: Arc::clone(&lease),
            contact,
            guard,
            heard: Arc::clone(&heard),
            standing: tell,
            retention: Retention {
                raft: raft.clone(),
                log: log.clone(),
                limits: retention,
            },
            moves: shards::moves(shard_of(group)),
            stop: stop.clone(),
            on_fatal,
        };
        Ok(Arc::new(Self {
            group,
            node,
            raft,
            log,
            state,
            ownership,
            lease,
            snapshot,
            guard,
            heard,
            standing,
            permits,
            queue: Mutex::new(Some(queue)),
            proposer: Mutex::new(Some(tokio::spawn(proposer.run()))),
            questions: Mutex::new(Some(questions)),
            confirmer: Mutex::new(Some(tokio::spawn(confirmer.run()))),
            steward: Mutex::new(Some(tokio::spawn(steward.run()))),
            stop,
        }))
    }

    /// Takes no more proposals and questions, and waits until those it has are answered; only so long if that needs other
    /// nodes.
    pub(crate) async fn drain(&self, within: Duration) {
        self.queue.lock().take();
        self.questions.lock().take();
        let proposer = self.proposer.lock().take();
        let Some(mut proposer) = proposer else {
            return;
        };
        let needs_others = {
            let metrics = self.raft.server_metrics();
            let metrics = metrics.borrow_watched();
            metrics
                .membership_config
                .voter_ids()
                .any(|voter| voter != self.node.get())
        };
        if !needs_others {
            join(Some(proposer), "proposer").await;
        } else if tokio::time::timeout(within, &mut proposer).await.is_err() {
            // They hear that the outcome is unknown when the core ends.
            *self.proposer.lock() = Some(proposer);
        }
    }

    /// Ends the group. Its state machine may go on for a moment.
    pub(crate) async fn shutdown(&self) {
        self.stop.cancel();
        let steward = self.steward.lock().take();
        join(steward, "steward").await;
        if self.raft.shutdown().await.is_err() {
            tracing::error!(group = self.group, "a raft core panicked");
        }
        let (proposer, confirmer) = (self.proposer.lock().take(), self.confirmer.lock().take());
        join(proposer, "proposer").await;
        join(confirmer, "confirmer").await;
    }

    #[cfg(test)]
    /// Waits until this node owns the group.
    pub(crate) async fn owned(&self) {
        // The sender lives as long as the group.
        let _ = self.ownership.watch().wait_for(Option::is_some).await;
    }

    /// Asks for a snapshot; the log is purged behind it.
    pub(crate) async fn take_snapshot(&self) {
        if let Err(error) = self.raft.trigger().snapshot().await {
            tracing::debug!(%error, "a snapshot was not taken: the group is stopping");
        }
    }

    pub(crate) fn log_bytes(&self) -> u64 {
        self.log.bytes()
    }

    pub(crate) fn snapshot_bytes(&self) -> u64 {
        self.snapshot.bytes()
    }

    pub(crate) fn status(&self) -> GroupStatus {
        let applied = self
            .raft
            .metrics()
            .borrow_watched()
            .last_applied
            .map(|applied| applied.index);
        GroupStatus {
            shard: shard_of(self.group),
            epoch: self.ownership.current(),
            applied,
            last: self.log.last().map(|last| last.index),
            log_bytes: self.log.bytes(),
            snapshot: self.snapshot.applied().map(|applied| applied.index),
            snapshot_bytes: self.snapshot.bytes(),
        }
    }

    pub(crate) fn number(&self) -> u32 {
        self.group
    }

    pub(crate) fn state(&self) -> &Arc<ShardState> {
        &self.state
    }

    pub(crate) fn log(&self) -> &LogStore {
        &self.log
    }

    /// How far the state is applied, and under which owner.
    pub(crate) fn head(&self) -> io::Result<Head> {
        let head = self.state.get(HEAD)?.map(codec::read_head).transpose()?;
        Ok(head.unwrap_or_default())
    }

    /// Waits until no write-set is on its way. None is proposed while the permit is held.
    pub(crate) async fn rest(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.permits)
            .acquire_many_owned(ROUNDS)
            .await
            .expect("the semaphore is never closed")
    }

    /// This node.
    pub(crate) fn node(&self) -> NodeId {
        self.node
    }

    /// The last entry that the last snapshot contains.
    pub(crate) fn snapshot_applied(&self) -> Option<LogId> {
        self.snapshot.applied()
    }

    /// Whether this node may help to elect a leader; `is_handed_over` if the present one wants it so.
    pub(crate) fn may_vote(&self, is_handed_over: bool) -> bool {
        (is_handed_over || !self.guard.is_up()) && guard::has_members(&self.raft)
    }

    /// When this node last heard from a leader that it follows.
    pub(crate) fn heard(&self) -> &Arc<Heard> {
        &self.heard
    }

    pub(crate) fn raft(&self) -> &GroupRaft {
        &self.raft
    }
}

/// The shard that a group is; none for the meta group.
fn shard_of(group: u32) -> Option<u16> {
    group.checked_sub(1).and_then(|shard| u16::try_from(shard).ok())
}

async fn join(task: Option<JoinHandle<()>>, name: &'static str) {
    if let Some(task) = task
        && task.await.is_err()
    {
        tracing::error!(task = name, "a task of a group panicked");
    }
}

impl Shard for Group {
    fn number(&self) -> u16 {
        shard_of(self.group).unwrap_or(u16::MAX)
    }

    fn ownership(&self) -> watch::Receiver<Option<Epoch>> {
        self.ownership.watch()
    }

    /// A leader that was just elected is known before its epoch is: it refuses calls under the one before, and tells.
    fn leader(&self) -> Option<Leader> {
        let node = self.standing.borrow().leader?;
        let epoch = self.ownership.applied()?;
        Some(Leader { node, epoch })
    }

    fn propose(&self, proposal: Proposal) {
        let refused = match &*self.queue.lock() {
            Some(queue) => queue.send(proposal).err().map(|refused| refused.0),
            None => Some(proposal),
        };
        if let Some(proposal) = refused {
            (proposal.done)(Outcome::NotProposed);
        }
    }

    fn relinquish(&self, epoch: Epoch) {
        self.ownership.relinquish(epoch);
    }

    fn lease(&self) -> Arc<Lease> {
        Arc::clone(&self.lease)
    }

    fn confirm(&self, confirmation: Confirmation) {
        let refused = match &*self.questions.lock() {
            Some(questions) => questions.send(confirmation).err().map(|refused| refused.0),
            None => Some(confirmation),
        };
        if let Some(confirmation) = refused {
            (confirmation.done)(false);
        }
    }

    fn extent(&self) -> Option<Extent> {
        let edition = self.state.edition()?;
        let applied = self.head().ok()?.applied?.index;
        let logged = self.log.last().map_or(0, |last| last.index);
        let extent = Extent {
            applied,
            logged: logged.max(applied),
            edition,
        };
        // Otherwise this may be how far the rows went that were there before.
        (self.state.edition() == Some(edition)).then_some(extent)
    }

    fn reached(&self, index: u64) -> BoxFuture<'_, Option<Extent>> {
        let mut metrics = self.raft.data_metrics();
        async move {
            loop {
                // In this order: what is applied behind the look is told.
                metrics.borrow_and_update();
                let extent = self.extent().filter(|extent| extent.applied >= index);
                // A copy that was taken out of the group may never hear of it.
                let is_kept_up =
                    || self.ownership.current().is_some() || self.heard.ago().is_some_and(|ago| ago < LEASE);
                if extent.is_some() || !is_kept_up() || metrics.changed().await.is_err() {
                    return extent;
                }
            }
        }
        .boxed()
    }

    fn get(&self, key: &[u8]) -> io::Result<Option<Bytes>> {
        self.state.get(key)
    }

    fn scan(&self, range: (Bound<Bytes>, Bound<Bytes>), reverse: bool, limit: usize) -> io::Result<Vec<Row>> {
        self.state.scan(range, reverse, limit)
    }
}

impl std::fmt::Debug for Group {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group")
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}
