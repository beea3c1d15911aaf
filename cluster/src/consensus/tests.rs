//! Tests of the engine as a whole.

mod crash;
mod damage;
mod disk;
mod golden;
mod kill;
mod memory;
#[cfg(feature = "testing")]
mod nodes;
#[cfg(feature = "testing")]
mod passage;
mod rpc;
#[cfg(feature = "testing")]
mod schedules;
#[cfg(feature = "testing")]
mod several;
mod suite;

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::*;
use crate::SystemClock;
use crate::peers::{NoPeers, NodeId};
use crate::shard::{Epoch, Op, Outcome, Proposal, Shard, WriteSet};
use crate::store::OnFatal;

/// A node that must not fail.
fn unfailing() -> OnFatal {
    Arc::new(|reason| panic!("the node was stopped: {reason}"))
}

/// A node whose failure is expected, and what it said.
fn failing() -> (OnFatal, Arc<Mutex<Vec<String>>>) {
    let reasons = Arc::<Mutex<Vec<String>>>::default();
    let heard = Arc::clone(&reasons);
    (Arc::new(move |reason| heard.lock().push(reason)), reasons)
}

async fn open(stores: Stores, shards: u16) -> Result<Engine, OpenError> {
    Engine::open(EngineConfig {
        shards,
        stores,
        node: NodeId::FIRST,
        peers: Arc::new(NoPeers),
        found: true,
        raft: Handle::current(),
        actors: Handle::current(),
        clock: Arc::new(SystemClock),
        on_fatal: unfailing(),
    })
    .await
}

fn key(name: &str) -> Bytes {
    [&[1], name.as_bytes()].concat().into()
}

fn put(name: &str, value: impl Into<Bytes>) -> Op {
    Op::Put {
        key: key(name),
        value: value.into(),
    }
}

fn epoch(shard: &dyn Shard) -> Epoch {
    shard.ownership().borrow().expect("the shard is owned")
}

/// Proposes and returns at once, with a way to wait.
fn propose(shard: &dyn Shard, epoch: Epoch, ops: Vec<Op>) -> oneshot::Receiver<Outcome> {
    let (tell, heard) = oneshot::channel();
    let done = Box::new(move |outcome| {
        let _ = tell.send(outcome);
    });
    shard.propose(Proposal {
        epoch,
        writes: WriteSet { ops },
        done,
    });
    heard
}

async fn write(shard: &dyn Shard, ops: Vec<Op>) -> Outcome {
    propose(shard, epoch(shard), ops)
        .await
        .expect("every proposal is answered")
}

async fn commit(shard: &dyn Shard, ops: Vec<Op>) -> u64 {
    match write(shard, ops).await {
        Outcome::Committed { index, .. } => index,
        outcome @ (Outcome::NotProposed | Outcome::Unknown) => panic!("the write was not committed: {outcome:?}"),
    }
}
