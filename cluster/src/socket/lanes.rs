//! The ways of what actors send to gateways on other nodes: one to each, and on it one request at a time, with all that
//! gathered meanwhile.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Delivery, SocketId, courier, departure::lose, departures::Underway};
use crate::{
    address::Address,
    peers::{CallError, NodeId},
    router::Node,
};

/// Most bytes that wait for one node. What comes beyond them is lost together with its sockets.
const LANE_BYTES: usize = 32 << 20;

/// Bytes after which a request takes no further delivery.
const REQUEST_BYTES: usize = 1 << 20;

/// How long a gateway may take for one request.
const WITHIN: Duration = Duration::from_secs(5);

/// For how long a gateway is tried that cannot be reached.
const TRIED: Duration = Duration::from_secs(10);

/// Pause between the attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// Pause after a request whose outcome nobody knows.
const AFTER_LOSS: Duration = Duration::from_secs(1);

/// The lanes of a node.
#[derive(Default)]
pub(crate) struct Lanes {
    lanes: Mutex<HashMap<NodeId, Lane>>,
    /// Number of the last request.
    number: AtomicU64,
    /// Sockets whose actors are being told something of them.
    telling: Mutex<HashSet<SocketId>>,
}

#[derive(Default)]
struct Lane {
    items: VecDeque<Item>,
    bytes: usize,
    /// Whether somebody empties it.
    is_running: bool,
}

/// A delivery with its sender.
struct Item {
    address: Arc<Address>,
    delivery: Delivery,
    /// Until the delivery has an outcome, and the actor knows it.
    underway: Arc<Underway>,
}

impl Item {
    fn bytes(&self) -> usize {
        self.delivery.command.size() + 8 * self.delivery.numbers.len()
    }

    fn sockets(&self, node: NodeId) -> Vec<SocketId> {
        let instance = self.delivery.instance;
        let numbers = self.delivery.numbers.iter();
        numbers.map(|&number| SocketId { node, instance, number }).collect()
    }
}

impl Lanes {
    /// Queues deliveries of an actor.
    pub(super) fn push(
        &self,
        node: &Arc<Node>,
        to: NodeId,
        address: &Arc<Address>,
        underway: &Arc<Underway>,
        deliveries: Vec<Delivery>,
    ) {
        let mut lost = Vec::new();
        let begins = {
            let mut lanes = self.lanes.lock();
            let lane = lanes.entry(to).or_default();
            for delivery in deliveries {
                let item = Item {
                    address: Arc::clone(address),
                    delivery,
                    underway: Arc::clone(underway),
                };
                if lane.bytes + item.bytes() > LANE_BYTES {
                    lost.extend(item.sockets(to));
                    continue;
                }
                lane.bytes += item.bytes();
                lane.items.push_back(item);
            }
            !lane.items.is_empty() && !std::mem::replace(&mut lane.is_running, true)
        };
        if begins {
            let runtime = node.host(address.hash).runtime.clone();
            runtime.spawn(run(Arc::clone(node), to));
        }
        if !lost.is_empty() {
            tracing::warn!(%to, sockets = lost.len(), "a gateway does not keep up, and loses sockets");
            lose(node, address, lost);
        }
    }

    /// What goes with the next request; nothing ends the run.
    fn take(&self, to: NodeId) -> Option<Vec<Item>> {
        let mut lanes = self.lanes.lock();
        let lane = lanes.get_mut(&to)?;
        let (mut items, mut bytes) = (Vec::new(), 0);
        while bytes < REQUEST_BYTES
            && let Some(item) = lane.items.pop_front()
        {
            bytes += item.bytes();
            items.push(item);
        }
        lane.bytes -= bytes;
        if items.is_empty() {
            lanes.remove(&to);
            return None;
        }
        Some(items)
    }

    /// Of these sockets, those of which nobody tells their actors yet. Whoever asks does, and says when it is done.
    pub(super) fn begin_telling(&self, mut sockets: Vec<SocketId>) -> Vec<SocketId> {
        let mut telling = self.telling.lock();
        sockets.retain(|socket| telling.insert(*socket));
        sockets
    }

    pub(super) fn told(&self, socket: SocketId) {
        self.telling.lock().remove(&socket);
    }
}

async fn run(node: Arc<Node>, to: NodeId) {
    while let Some(items) = node.lanes.take(to) {
        let (senders, deliveries): (Vec<_>, Vec<_>) = items
            .iter()
            .map(|item| (Arc::clone(&item.address), item.delivery.clone()))
            .unzip();
        match request(&node, to, &deliveries).await {
            Ok(unknown) => {
                for (address, item) in senders.iter().zip(&items) {
                    let mut sockets = item.sockets(to);
                    sockets.retain(|socket| unknown.contains(socket));
                    lose(&node, address, sockets);
                }
            }
            Err(error) => {
                tracing::debug!(%error, "nobody knows whether frames have reached their gateway");
                // Whoever hears of a gap may send more, which shall not be lost at once in the same way.
                tokio::time::sleep(AFTER_LOSS).await;
                tell_gaps(&node, items, to);
            }
        }
    }
}

/// Delivers once; what certainly did not leave is tried again.
async fn request(node: &Arc<Node>, to: NodeId, deliveries: &[Delivery]) -> Result<Vec<SocketId>, CallError> {
    let began = Instant::now();
    loop {
        let number = node.lanes.number.fetch_add(1, Ordering::Relaxed) + 1;
        match node.remote.deliver(to, number, deliveries, WITHIN).await {
            Err(CallError::NotSent { .. }) if began.elapsed() < TRIED => tokio::time::sleep(PAUSE).await,
            answered => return answered,
        }
    }
}

/// Tells each actor once of each of its sockets.
fn tell_gaps(node: &Arc<Node>, items: Vec<Item>, to: NodeId) {
    let mut told = BTreeMap::new();
    for item in items {
        for socket in item.sockets(to) {
            // As long as one of them has not been told, its shard does not count as left in good order.
            told.insert(socket, (Arc::clone(&item.address), Arc::clone(&item.underway)));
        }
    }
    let Some((address, _)) = told.values().next() else {
        return;
    };
    let runtime = node.host(address.hash).runtime.clone();
    let node = Arc::clone(node);
    runtime.spawn(async move {
        for (socket, (address, _underway)) in told {
            courier::tell_gap(&node, &address, socket).await;
        }
    });
}
