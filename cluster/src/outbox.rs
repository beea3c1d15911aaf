//! Durable sends: rows of the sender's batch that the host of the shard hands to their receivers.
//!
//! The sends to one actor go one after another, in the order of their ids; different receivers do not wait for each
//! other. A row is removed after the receiver's turn is durable, so a crash repeats a send, and the receiver skips what
//! it has taken before.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::{
    ActorError,
    address::{Address, Stored},
    dead_letter,
    host::Host,
    id::ActorHash,
    keyspace::{self, SendId},
    mailbox::Fault,
    router::{Classes, Node},
    shard::Outcome,
    storage, wire,
};

/// Sends of one shard that are known to their lanes; the rest waits in the outbox.
const IN_HAND: usize = 16_384;

/// Rows read from the outbox at a time.
const READ: usize = 256;

/// Failed deliveries after which a send is given up.
const ATTEMPTS: u32 = 10;

/// Pause after the first failed delivery; it doubles up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(100);

/// Longest pause between deliveries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A durable send as it is stored: the length of the header, the header, the message.
pub(crate) struct Envelope {
    pub(crate) target: Stored,
    pub(crate) message: String,
    pub(crate) payload: Bytes,
}

impl Envelope {
    pub(crate) fn encode(&self) -> Bytes {
        wire::frame(&storage::encoded(&(&self.target, &self.message)), &self.payload)
    }

    pub(crate) fn decode(bytes: &Bytes) -> Option<Self> {
        let ((target, message), payload) = wire::unframe(bytes)?;
        Some(Self {
            target,
            message,
            payload,
        })
    }
}

/// About how many rows an outbox has: counted, because a look would read them all.
#[derive(Debug, Default)]
pub(crate) struct Length(AtomicI64);

impl Length {
    /// An ownership begins: rows of earlier ones are counted when they are read.
    pub(crate) fn restart(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Rows are durable.
    pub(crate) fn committed(&self, rows: usize) {
        self.0
            .fetch_add(i64::try_from(rows).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn removed(&self, rows: usize) {
        self.0
            .fetch_sub(i64::try_from(rows).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// The count. A removal may be counted a moment before its commit, never less than none is shown.
    pub(crate) fn get(&self) -> u64 {
        u64::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(0)
    }
}

/// Sends in hand, by receiver.
struct Lanes {
    host: Arc<Host>,
    node: Arc<Node>,
    queues: Mutex<HashMap<ActorHash, VecDeque<Item>>>,
    /// Rows that are dealt with and may be removed.
    done: Mutex<Vec<Bytes>>,
    removal: Notify,
}

struct Item {
    id: SendId,
    _permit: OwnedSemaphorePermit,
}

/// Hands sends to their receivers until it is dropped.
pub(crate) async fn run(host: Arc<Host>, token: CancellationToken) {
    let Some(node) = host.node() else { return };
    let lanes = Arc::new(Lanes {
        host: Arc::clone(&host),
        node,
        queues: Mutex::default(),
        done: Mutex::default(),
        removal: Notify::new(),
    });
    tokio::join!(
        read(&lanes, &token),
        remove(&lanes),
        dead_letter::expire(&host, &lanes.node)
    );
}

/// Reads the outbox in order and queues each send in the lane of its receiver.
async fn read(lanes: &Arc<Lanes>, token: &CancellationToken) {
    let host = &lanes.host;
    let owned_since = host.epoch().map_or(0, |epoch| epoch.0);
    let room = Arc::new(Semaphore::new(IN_HAND));
    let mut last: Option<SendId> = None;
    loop {
        let rows = match host.shard.scan(keyspace::outbox_after(last), false, READ) {
            Ok(rows) => rows,
            Err(error) => {
                tracing::error!(%error, shard = host.shard.number(), "failed to read the outbox");
                tokio::time::sleep(LONGEST_PAUSE).await;
                continue;
            }
        };
        if rows.is_empty() {
            host.sends.notified().await;
            continue;
        }
        for (key, value) in rows {
            let Some(id) = keyspace::parse_outbox(&key) else {
                tracing::error!(shard = host.shard.number(), "a key of the outbox is broken");
                lanes.finish(key);
                continue;
            };
            last = Some(id);
            if id.index < owned_since {
                host.outbox.committed(1);
            }
            let Some(target) = target(&value, &lanes.node.classes) else {
                let class = Envelope::decode(&value).map(|envelope| envelope.target.class());
                if class.is_some_and(|class| lanes.node.classes.is_deleted(class)) {
                    // Nobody will ever take it: it goes with the other rows of its class.
                    host.outbox.removed(1);
                    continue;
                }
                give_up(
                    lanes,
                    id,
                    value,
                    "the receiver's class is not registered, or the row is broken",
                )
                .await;
                continue;
            };
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
                return;
            };
            let item = Item { id, _permit: permit };
            let mut queues = lanes.queues.lock();
            if let Some(queue) = queues.get_mut(&target.hash) {
                queue.push_back(item);
            } else {
                queues.insert(target.hash, VecDeque::from([item]));
                drop(queues);
                let lane = lane(Arc::clone(lanes), target);
                host.runtime.spawn(token.clone().run_until_cancelled_owned(lane));
            }
        }
    }
}

fn target(envelope: &Bytes, classes: &Classes) -> Option<Arc<Address>> {
    Envelope::decode(envelope)?.target.resolve(classes)
}

/// Delivers the sends to one receiver, one after another.
async fn lane(lanes: Arc<Lanes>, target: Arc<Address>) {
    loop {
        let item = {
            let mut queues = lanes.queues.lock();
            let next = queues.get_mut(&target.hash).and_then(VecDeque::pop_front);
            let Some(item) = next else {
                queues.remove(&target.hash);
                return;
            };
            item
        };
        deliver(&lanes, &target, item.id).await;
    }
}

/// Delivers one send until the receiver took it, or it is given up.
async fn deliver(lanes: &Lanes, target: &Arc<Address>, id: SendId) {
    let mut failures = 0;
    let mut pause = PAUSE;
    loop {
        let fault = match attempt(lanes, target, id).await {
            Attempt::Taken => return lanes.finish(keyspace::outbox(id)),
            Attempt::Failed(fault) => fault,
            Attempt::Foreign(error) => return bury(lanes, id, &error).await,
            Attempt::Gone => return,
        };
        // A receiver that cannot be reached loses nothing by waiting; one that fails each time would block its lane.
        let counts = match &fault {
            Fault::Panic => true,
            Fault::Activation(error) | Fault::Refused(error) => !error.is_passing(),
            Fault::Handler(_) | Fault::Foreign(_) | Fault::Overloaded(_) | Fault::Unavailable | Fault::Unknown => false,
        };
        failures += u32::from(counts);
        if failures >= ATTEMPTS {
            return bury(lanes, id, &fault.into()).await;
        }
        tracing::debug!(actor = %target, failures, "a durable send could not be delivered yet");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

enum Attempt {
    Taken,
    Failed(Fault),
    /// The receiver's class does not know the message.
    Foreign(ActorError),
    /// The row is not there any more.
    Gone,
}

async fn attempt(lanes: &Lanes, target: &Arc<Address>, id: SendId) -> Attempt {
    let envelope = match lanes.host.shard.get(&keyspace::outbox(id)) {
        Ok(Some(bytes)) => Envelope::decode(&bytes),
        Ok(None) => return Attempt::Gone,
        Err(error) => {
            tracing::error!(%error, "failed to read a durable send");
            return Attempt::Failed(Fault::Unavailable);
        }
    };
    let Some(envelope) = envelope else { return Attempt::Gone };
    let source = lanes.host.shard.number();
    match lanes.node.hand(target, envelope, source, id).await {
        Err(Fault::Foreign(error)) => Attempt::Foreign(error),
        // The receiver's error has consumed the message: it was handled, and what it wrote is kept.
        Ok(()) | Err(Fault::Handler(_)) => Attempt::Taken,
        Err(fault) => Attempt::Failed(fault),
    }
}

/// Gives up a send that failed.
async fn bury(lanes: &Lanes, id: SendId, error: &ActorError) {
    let envelope = match lanes.host.shard.get(&keyspace::outbox(id)) {
        Ok(envelope) => envelope.unwrap_or_default(),
        Err(error) => {
            // The row stays, and the next ownership tries again.
            return tracing::error!(%error, "failed to read a durable send");
        }
    };
    give_up(lanes, id, envelope, &error.to_string()).await;
}

/// Moves a send to the dead letters.
async fn give_up(lanes: &Lanes, id: SendId, envelope: Bytes, reason: &str) {
    tracing::error!(
        shard = lanes.host.shard.number(),
        index = id.index,
        ordinal = id.ordinal,
        reason,
        "a durable send is given up"
    );
    lanes.node.metrics.dead_letter();
    if dead_letter::bury(&lanes.host, &lanes.node, id, envelope, reason).await {
        lanes.host.outbox.removed(1);
    }
}

impl Lanes {
    fn finish(&self, key: Bytes) {
        self.done.lock().push(key);
        self.removal.notify_one();
    }
}

/// Removes rows that are dealt with, as many at a time as there are.
async fn remove(lanes: &Lanes) {
    loop {
        let keys = std::mem::take(&mut *lanes.done.lock());
        if keys.is_empty() {
            lanes.removal.notified().await;
            continue;
        }
        let rows = keys.len();
        if let Outcome::Committed { .. } = lanes.host.remove(keys).await {
            lanes.host.outbox.removed(rows);
        }
    }
}
