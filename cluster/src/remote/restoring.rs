//! Actors that a restore keeps at rest on every node, and its batches.
//!
//! A restore holds its actors on all nodes it can reach, so that a shard may change its owner meanwhile; a batch is taken
//! only by an owner that holds them. A hold is lent: it ends when it is not renewed, because the node that restores may
//! die. Batches are numbered, and each is taken once, because the way between nodes may repeat them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::future::join_all;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    Owner,
    request::{Answer, Request},
};
use crate::{
    consensus::read_ops,
    hold::{Held, Hold},
    host::Effects,
    keyspace,
    peers::NodeId,
    router::Node,
    shard::{Epoch, Op, Outcome, is_confirmed},
};

/// How long actors stay at rest without being asked for again.
const LEASE: Duration = Duration::from_secs(20);

/// Ended holds that are remembered, so that none is begun again by a request that comes late.
const ENDED: usize = 64;

/// Most bytes of a batch that wait for the rest of it.
const STAGED: usize = 64 << 20;

/// What a restore asks of a node. A new variant comes last.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Restoring {
    /// That actors rest, from now on or for longer.
    Hold { token: u64, held: Held },
    /// That they need not rest any more.
    Release { token: u64 },
    /// That it keeps a part of a batch, which is the content.
    Part { token: u64, number: u64, part: u32 },
    /// That it commits a batch as the owner of a shard: so many parts, and the content.
    Write {
        token: u64,
        number: u64,
        parts: u32,
        shard: u16,
        /// The ownership that the batch is for; any if there is none.
        epoch: Option<Epoch>,
        /// Whether the timer, and the collector, have to look.
        wakes: (bool, bool),
    },
}

/// What it answers. A new variant comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kept {
    /// The actors rest; whether that begins now.
    Holding { is_new: bool },
    /// It was done.
    Done,
    /// The batch is durable.
    Written(Epoch),
    /// The actors do not rest here.
    NotHeld,
    /// The node does not own the shard under that epoch.
    NotOwner,
    /// Nobody knows what became of it.
    Doubtful,
}

/// The holds that this node lends.
#[derive(Default)]
pub(crate) struct Holds(Mutex<BTreeMap<u64, Arc<Lent>>>);

struct Lent {
    /// Locked while actors come to rest.
    holds: tokio::sync::Mutex<Vec<Hold>>,
    state: Mutex<State>,
}

struct State {
    until: Instant,
    standing: Standing,
    /// Parts of batches, by their numbers.
    staged: BTreeMap<u64, BTreeMap<u32, Bytes>>,
    staged_bytes: usize,
    /// Batches that were taken.
    taken: BTreeSet<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Beginning,
    Holding,
    Ended,
}

impl Lent {
    fn new(standing: Standing) -> Arc<Self> {
        Arc::new(Self {
            holds: tokio::sync::Mutex::default(),
            state: Mutex::new(State {
                until: Instant::now() + LEASE,
                standing,
                staged: BTreeMap::new(),
                staged_bytes: 0,
                taken: BTreeSet::new(),
            }),
        })
    }

    async fn end(&self) {
        {
            let mut state = self.state.lock();
            state.standing = Standing::Ended;
            state.staged = BTreeMap::new();
            state.taken = BTreeSet::new();
        }
        self.holds.lock().await.clear();
    }

    /// Ends it when it was not renewed.
    async fn expire(self: Arc<Self>) {
        loop {
            let until = {
                let state = self.state.lock();
                if state.standing == Standing::Ended {
                    return;
                }
                state.until
            };
            if until <= Instant::now() {
                tracing::warn!("a restore that nobody goes on with is given up");
                return self.end().await;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}

impl Holds {
    fn get(&self, token: u64) -> Option<Arc<Lent>> {
        self.0.lock().get(&token).cloned()
    }

    /// The hold of a token; whether it is a new one.
    fn lend(&self, token: u64, standing: Standing) -> (Arc<Lent>, bool) {
        let mut holds = self.0.lock();
        if let Some(known) = holds.get(&token) {
            return (Arc::clone(known), false);
        }
        if holds.len() >= ENDED {
            holds.retain(|_, lent| lent.state.lock().standing != Standing::Ended);
        }
        let lent = Lent::new(standing);
        holds.insert(token, Arc::clone(&lent));
        (lent, true)
    }
}

impl Restoring {
    /// Does what was asked.
    pub(super) async fn serve(self, node: &Arc<Node>, content: Bytes) -> Kept {
        match self {
            Self::Hold { token, held } => hold(node, token, held).await,
            Self::Release { token } => {
                let (lent, _) = node.holds.lend(token, Standing::Ended);
                lent.end().await;
                Kept::Done
            }
            Self::Part { token, number, part } => {
                let Some(lent) = node.holds.get(token) else {
                    return Kept::NotHeld;
                };
                let mut state = lent.state.lock();
                if state.standing != Standing::Holding || state.taken.contains(&number) {
                    return Kept::NotHeld;
                }
                state.staged_bytes += content.len();
                if state.staged_bytes > STAGED {
                    return Kept::Doubtful;
                }
                state.staged.entry(number).or_default().insert(part, content);
                Kept::Done
            }
            Self::Write {
                token,
                number,
                parts,
                shard,
                epoch,
                wakes,
            } => {
                let ops = match take(node, token, number, parts, content) {
                    Ok(ops) => ops,
                    Err(kept) => return kept,
                };
                write(node, shard, epoch, ops, wakes).await
            }
        }
    }
}

async fn hold(node: &Arc<Node>, token: u64, held: Held) -> Kept {
    let (lent, is_new) = node.holds.lend(token, Standing::Beginning);
    if is_new {
        tokio::spawn(Arc::clone(&lent).expire());
    }
    let mut holds = lent.holds.lock().await;
    if holds.is_empty() {
        if lent.state.lock().standing == Standing::Ended {
            return Kept::NotHeld;
        }
        let begin = |host| Hold::begin(Arc::clone(host), held.clone());
        *holds = join_all(node.hosts.iter().map(begin)).await;
    }
    let mut state = lent.state.lock();
    if state.standing == Standing::Ended {
        return Kept::NotHeld;
    }
    state.standing = Standing::Holding;
    state.until = Instant::now() + LEASE;
    Kept::Holding { is_new }
}

/// Takes a batch, once.
fn take(node: &Node, token: u64, number: u64, parts: u32, content: Bytes) -> Result<Vec<Op>, Kept> {
    let lent = node.holds.get(token).ok_or(Kept::NotHeld)?;
    let mut state = lent.state.lock();
    if state.standing != Standing::Holding {
        return Err(Kept::NotHeld);
    }
    if !state.taken.insert(number) {
        return Err(Kept::Doubtful);
    }
    let staged = state.staged.remove(&number).unwrap_or_default();
    state.staged_bytes -= staged.values().map(Bytes::len).sum::<usize>().min(state.staged_bytes);
    if !staged.keys().copied().eq(0..parts) {
        return Err(Kept::Doubtful);
    }
    let mut bytes = BytesMut::new();
    for part in staged.values().chain([&content]) {
        bytes.extend_from_slice(part);
    }
    read_ops(bytes.freeze()).map_err(|error| {
        tracing::error!(%error, "failed to read a batch of a restore");
        Kept::Doubtful
    })
}

async fn write(node: &Node, shard: u16, epoch: Option<Epoch>, ops: Vec<Op>, wakes: (bool, bool)) -> Kept {
    let Some(host) = node.hosts.get(usize::from(shard)) else {
        return Kept::NotOwner;
    };
    let Some(epoch) = host.epoch().filter(|own| epoch.is_none_or(|epoch| epoch == *own)) else {
        return Kept::NotOwner;
    };
    if ops.is_empty() {
        let is_owner = is_confirmed(&*host.shard, epoch).await && host.epoch() == Some(epoch);
        return if is_owner { Kept::Written(epoch) } else { Kept::NotOwner };
    }
    let is_send = |op: &&Op| matches!(op, Op::Send { .. });
    let is_taken_back = |op: &&Op| matches!(op, Op::Delete { key } if keyspace::parse_outbox(key).is_some());
    let forgotten = ops.iter().filter(is_taken_back).count();
    let effects = Effects {
        alarm: wakes.0,
        sends: ops.iter().filter(is_send).count(),
        garbage: wakes.1,
        ..Effects::default()
    };
    match host.write_under(epoch, ops, effects).await {
        Outcome::Committed { .. } => {
            host.outbox.removed(forgotten);
            Kept::Written(epoch)
        }
        Outcome::NotProposed => Kept::NotOwner,
        Outcome::Unknown => Kept::Doubtful,
    }
}

impl Node {
    /// This node and all others that it has met.
    pub(crate) fn nodes(&self) -> Vec<NodeId> {
        let others = self.remote.others.lock();
        std::iter::once(self.remote.node)
            .chain(others.iter().copied())
            .collect()
    }

    /// The node that owns a shard, as far as is known, once there is one.
    pub(crate) async fn owner_of(&self, shard: u16) -> NodeId {
        let owned = self.hosts[usize::from(shard)].owned();
        match self.remote.search(shard, owned).owner().await {
            Owner::Here(_) => self.remote.node,
            Owner::There(leader) => leader.node,
        }
    }

    /// Asks a node something for a restore; `None` if it does not answer.
    pub(crate) async fn restoring(
        self: &Arc<Self>,
        to: NodeId,
        restoring: Restoring,
        content: Bytes,
        within: Duration,
    ) -> Option<Kept> {
        if to == self.remote.node {
            return Some(restoring.serve(self, content).await);
        }
        let request = Request::Restoring(restoring).encode(&content);
        match self.remote.exchange(to, request, within).await {
            Ok((Answer::Kept(kept), _)) => Some(kept),
            Ok(_) => None,
            Err(error) => {
                tracing::debug!(%error, "a node does not answer a restore");
                None
            }
        }
    }
}
