//! What nodes ask each other, so that a call reaches its actor on whatever node owns it.
//!
//! A call goes to the owner in one hop, and is never passed on: a node that does not own the shard says so at once, with
//! the owner it knows of, and has done nothing. Whoever asks follows such hints, and waits while nobody owns the shard,
//! until the deadline. What was sent and not answered is never sent again, because it may have been handled.
//!
//! The way between nodes may lose, repeat and delay anything. So each call names the ownership it is for, and its number
//! among those from this node to that owner: an owner of another epoch refuses it, and a number is taken once. Both are
//! decided where the call is put into a mailbox, under the lock under which the ownership changes. A call also names
//! the one that it must not overtake: the last before it through the same reference.

mod call;
mod copy;
mod delivery;
mod horizon;
mod leaders;
mod line;
mod link;
mod looking;
mod operation;
mod reception;
mod request;
mod restoring;
mod search;
mod vouching;
mod window;

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IteratorRandom};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

pub(crate) use self::{
    copy::Owners,
    leaders::META,
    line::Line,
    looking::Seen,
    operation::{
        Count, DeadLetterPage, Inspect, IsErased, Live, Names, Operate, Passivate, ReadDeadLetter, RemoveDeadLetter,
        Tenants, Values,
    },
    reception::Reception,
    request::{Meta, Passage},
    restoring::{Holds, Kept, Restoring},
    search::{Owner, Search},
    vouching::vouch,
    window::{Intake, Standing},
};
use self::{
    horizon::Horizons,
    leaders::Leaders,
    link::Link,
    request::{Answer, Request},
};
use crate::{
    peers::{CallError, Lane, NodeId, Peers},
    shard::{Epoch, Leader, Shard},
};

/// Pause between the rounds in which a node learns from another who owns what.
const GOSSIP: Duration = Duration::from_secs(1);

/// Shortest pause between them, while somebody waits for an owner.
const HURRY: Duration = Duration::from_millis(20);

/// Nodes that are asked in a round: one of them may be the one that has just died.
const ASKED: usize = 2;

/// How long another node may take to say who owns what.
const GOSSIP_WITHIN: Duration = Duration::from_millis(500);

/// How long the owner of the meta group may take for an answer; then it is asked again.
const META_WITHIN: Duration = Duration::from_secs(2);

/// How often a call that is not answered looks whether its owner still is one.
const LOOK: Duration = Duration::from_millis(200);

/// Looks that find another owner before a call is given up: its answer may be on the way.
const LOOKS: u32 = 3;

/// This node's way to the others.
pub(crate) struct Remote {
    pub(crate) node: NodeId,
    pub(crate) leaders: Leaders,
    peers: Arc<dyn Peers>,
    /// By shard number.
    links: Vec<Arc<Link>>,
    horizons: Horizons,
    /// Tells this run of the node from earlier ones.
    instance: u64,
    /// The others, as far as they were met.
    others: Mutex<BTreeSet<NodeId>>,
    random: Mutex<StdRng>,
    /// Wakes the gossip: somebody was met, or somebody waits.
    doubt: Notify,
    /// Whether there is any other.
    accompanied: watch::Sender<bool>,
    /// The newest format of requests that every node knows.
    format: AtomicU32,
}

impl Remote {
    pub(crate) fn new(
        node: NodeId,
        peers: Arc<dyn Peers>,
        others: impl IntoIterator<Item = NodeId>,
        meta: Arc<dyn Shard>,
        shards: &[Arc<dyn Shard>],
        format: u32,
        mut random: StdRng,
    ) -> Arc<Self> {
        let others: BTreeSet<_> = others.into_iter().filter(|other| *other != node).collect();
        Arc::new(Self {
            node,
            leaders: Leaders::new(node, std::iter::once(meta).chain(shards.iter().cloned())),
            peers,
            links: shards.iter().map(|_| Arc::default()).collect(),
            horizons: Horizons::new(shards.len()),
            instance: random.random(),
            accompanied: watch::Sender::new(!others.is_empty()),
            others: Mutex::new(others),
            random: Mutex::new(StdRng::from_rng(&mut random)),
            doubt: Notify::new(),
            format: AtomicU32::new(format),
        })
    }

    /// Looks for the owner of a group, which may come to be this node.
    pub(crate) fn search(&self, group: u16, owned: watch::Receiver<Option<Epoch>>) -> Search<'_> {
        Search::new(self, group, owned)
    }

    /// The run of this node.
    pub(crate) fn instance(&self) -> u64 {
        self.instance
    }

    /// Takes note of a node that is there.
    pub(crate) fn meet(&self, node: NodeId) {
        if node != self.node && self.others.lock().insert(node) {
            self.doubt.notify_one();
            self.accompanied.send_replace(true);
        }
    }

    /// Takes note of which nodes there are: those that are gone are asked no more.
    pub(crate) fn know(&self, mut nodes: BTreeSet<NodeId>) {
        nodes.remove(&self.node);
        self.accompanied.send_replace(!nodes.is_empty());
        *self.others.lock() = nodes;
        self.doubt.notify_one();
    }

    /// Waits until another node is known.
    async fn accompanied(&self) {
        // The sender lives as long as this does.
        let _ = self.accompanied.subscribe().wait_for(|is| *is).await;
    }

    /// The newest format of requests that every node knows.
    pub(crate) fn format(&self) -> u32 {
        self.format.load(Ordering::Relaxed)
    }

    /// Every node knows this format by now.
    pub(crate) fn go_over(&self, format: u32) {
        self.format.store(format, Ordering::Relaxed);
    }

    /// Whether no other node is known.
    fn is_alone(&self) -> bool {
        self.others.lock().is_empty()
    }

    /// Learns soon from others who owns what.
    fn ask_around(&self) {
        self.doubt.notify_one();
    }

    /// Learns from others who owns what, again and again: a node without a replica hears it from nobody else.
    pub(crate) async fn gossip(self: Arc<Self>) {
        loop {
            let asked = {
                let others = self.others.lock();
                others.iter().copied().choose_multiple(&mut *self.random.lock(), ASKED)
            };
            if asked.is_empty() {
                self.doubt.notified().await;
                continue;
            }
            join_all(asked.into_iter().map(|other| self.learn_from(other))).await;
            tokio::time::sleep(HURRY).await;
            tokio::select! {
                () = self.doubt.notified() => {}
                () = tokio::time::sleep(GOSSIP) => {}
            }
        }
    }

    async fn learn_from(&self, other: NodeId) {
        match self.exchange(other, Request::Leaders.encode(&[]), GOSSIP_WITHIN).await {
            Ok((Answer::Leaders(table), _)) => {
                for (group, leader) in table {
                    self.leaders.learn(group, leader);
                }
            }
            Ok(_) => tracing::debug!(node = %other, "a node does not say who owns what"),
            Err(error) => tracing::debug!(%error, "failed to learn who owns what"),
        }
    }

    /// Asks a node something once.
    async fn exchange(&self, to: NodeId, request: Bytes, within: Duration) -> Result<(Answer, Bytes), CallError> {
        let answer = self.peers.call(to, Lane::Request, request, within).await?;
        Answer::decode(&answer).ok_or_else(|| CallError::NoAnswer {
            node: to,
            reason: "the answer cannot be read".to_owned(),
        })
    }

    /// Asks the owner of the meta group something that may be repeated. It fails, perhaps with a hint, if the node did
    /// not answer or is not the owner.
    pub(crate) async fn ask_meta(
        &self,
        leader: Leader,
        request: &Meta,
        within: Duration,
    ) -> Result<crate::Result<Option<Vec<u8>>>, Option<Leader>> {
        let request = Request::Meta(request.clone()).encode(&[]);
        let answer = self.exchange(leader.node, request, within.min(META_WITHIN)).await;
        match answer {
            Ok((Answer::Row(row), _)) => Ok(Ok(row)),
            Ok((Answer::Failed(error), _)) => Ok(Err(error)),
            Ok((Answer::NotLeader(hint), _)) => Err(hint),
            Ok(_) => Err(None),
            Err(error) => {
                tracing::debug!(%error, "failed to ask the owner of the meta group");
                Err(None)
            }
        }
    }

    /// Waits for an answer as long as it can still come: an owner that was replaced gives none that counts.
    async fn answered<T>(
        &self,
        group: u16,
        leader: Leader,
        answer: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let mut answer = std::pin::pin!(answer);
        let mut looks = 0;
        let mut next = Instant::now() + LOOK;
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return answer,
                () = tokio::time::sleep_until(next) => {}
            }
            next += LOOK;
            looks += u32::from(self.leaders.of(group).is_some_and(|now| now.epoch > leader.epoch));
            if looks >= LOOKS {
                return Err(CallError::NoAnswer {
                    node: leader.node,
                    reason: "another node owns the shard by now".to_owned(),
                });
            }
        }
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}
