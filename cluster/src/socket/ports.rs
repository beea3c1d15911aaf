//! The sockets whose connections this node keeps.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::{AutoResponse, Closing, Frame, Outgoing, SocketId, table::Command};
use crate::{Timestamp, metrics::SocketMetrics, peers::NodeId, shard::Epoch};

/// Most bytes that wait until a client takes them. A client that is slower is disconnected.
pub(crate) const SEND_WINDOW: usize = 4 << 20;

/// Runs of other nodes of which is known what they sent last.
const SENDERS: usize = 1024;

/// Room that a frame takes beside its content.
const OVERHEAD: usize = 64;

/// The close code for a client that does not keep up: it may come again.
const TOO_SLOW: u16 = 1013;

/// The close code for a client that the actor has given up: it may come again.
pub(super) const RESTART: u16 = 1012;

/// Why it is.
pub(super) const TAKEN_FOR_LOST: &str = "the connection was taken for lost";

/// Something for sockets of one process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Delivery {
    /// The run of the process.
    pub(crate) instance: u64,
    /// The ownership under which it was sent: what a later one has sent makes it void.
    pub(crate) epoch: Epoch,
    pub(crate) numbers: Vec<u64>,
    pub(crate) command: Command,
}

/// The sockets whose connections this node keeps.
pub(crate) struct Ports {
    /// The run of this process.
    pub(crate) instance: u64,
    pub(super) metrics: Arc<SocketMetrics>,
    next: AtomicU64,
    open: Mutex<HashMap<u64, Arc<Port>>>,
    /// Shards to whose actors clients have connected since the last roll.
    shards: Mutex<BTreeSet<u16>>,
    /// The last request of each run of another node that was taken.
    taken: Mutex<HashMap<u64, u64>>,
}

/// The sockets of a node at one moment.
pub(super) struct Called {
    /// No socket has a higher number.
    pub(super) to: u64,
    /// Shards to whose actors clients have connected since the last time.
    pub(super) shards: BTreeSet<u16>,
    /// By shard and in order, and whether they are known to be connected.
    pub(super) open: BTreeMap<u16, Vec<(u64, bool)>>,
}

/// One of them.
pub(crate) struct Port {
    /// The shard of the actor.
    shard: u16,
    /// Whether the actor has let it in.
    is_connected: AtomicBool,
    outgoing: mpsc::UnboundedSender<Outgoing>,
    /// Bytes that wait for the client.
    waiting: AtomicUsize,
    is_too_slow: AtomicBool,
    epoch: AtomicU64,
    /// Unknown until the actor has said so.
    auto_response: Mutex<Option<Option<AutoResponse>>>,
    /// When a frame was last answered by itself.
    answered: Mutex<Option<Timestamp>>,
    /// Whether it is counted how it ended.
    has_ended: AtomicBool,
    metrics: Arc<SocketMetrics>,
}

impl Ports {
    pub(crate) fn new(instance: u64) -> Self {
        Self {
            instance,
            metrics: Arc::new(SocketMetrics::new()),
            next: AtomicU64::new(0),
            open: Mutex::default(),
            shards: Mutex::default(),
            taken: Mutex::default(),
        }
    }

    /// Takes the requests of another node, each once and in order: `deliver` is called for one that comes neither twice nor
    /// late. The way between nodes may repeat and delay anything.
    pub(crate) fn in_order(
        &self,
        sender: u64,
        number: u64,
        deliver: impl FnOnce(&Self) -> Vec<SocketId>,
    ) -> Vec<SocketId> {
        let mut taken = self.taken.lock();
        if taken.len() >= SENDERS {
            // Runs of nodes that have ended long ago.
            taken.clear();
        }
        let last = taken.entry(sender).or_default();
        if number <= *last {
            return Vec::new();
        }
        *last = number;
        deliver(self)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.open.lock().len()
    }

    /// A new socket of this node, which takes what is sent to it from now on.
    pub(super) fn open(&self, node: NodeId, shard: u16) -> (SocketId, Arc<Port>, SocketReceiver) {
        let (outgoing, taken) = mpsc::unbounded_channel();
        let port = Arc::new(Port {
            shard,
            is_connected: AtomicBool::new(false),
            outgoing,
            waiting: AtomicUsize::new(0),
            is_too_slow: AtomicBool::new(false),
            epoch: AtomicU64::new(0),
            auto_response: Mutex::default(),
            answered: Mutex::default(),
            has_ended: AtomicBool::new(false),
            metrics: Arc::clone(&self.metrics),
        });
        self.shards.lock().insert(shard);
        let mut open = self.open.lock();
        let socket = SocketId {
            node,
            instance: self.instance,
            // Under the lock, so that no roll is called in which this number counts and is not named.
            number: self.next.fetch_add(1, Ordering::Relaxed) + 1,
        };
        open.insert(socket.number, Arc::clone(&port));
        drop(open);
        self.metrics.opened();
        let receiver = SocketReceiver {
            port: Arc::clone(&port),
            taken,
        };
        (socket, port, receiver)
    }

    /// Takes nothing for a socket any more.
    pub(super) fn remove(&self, socket: SocketId) {
        if self.open.lock().remove(&socket.number).is_some() {
            self.metrics.removed();
        }
    }

    /// When a frame of a client was last answered by itself, if that client is connected to this run of the node.
    pub(crate) fn answered(&self, instance: u64, number: u64) -> Option<Timestamp> {
        let port = self.open.lock().get(&number).cloned();
        let answered = port.and_then(|port| *port.answered.lock());
        answered.filter(|_| instance == self.instance)
    }

    /// Names all sockets.
    pub(super) fn call_roll(&self) -> Called {
        let shards = std::mem::take(&mut *self.shards.lock());
        let mut called = BTreeMap::<u16, Vec<_>>::new();
        let open = self.open.lock();
        let to = self.next.load(Ordering::Relaxed);
        for (number, port) in &*open {
            let sockets = called.entry(port.shard).or_default();
            sockets.push((*number, port.is_connected.load(Ordering::Acquire)));
        }
        drop(open);
        called.values_mut().for_each(|sockets| sockets.sort_unstable());
        let open = called;
        Called { to, shards, open }
    }

    /// Disconnects a client of which no actor knows any more.
    pub(super) fn disown(&self, number: u64) {
        let port = self.open.lock().get(&number).cloned();
        if let Some(port) = port {
            port.close(Closing::because(RESTART, TAKEN_FOR_LOST));
        }
    }

    /// Hands something to clients. Returns the sockets that are not there.
    pub(crate) fn deliver(&self, node: NodeId, delivery: Delivery) -> Vec<SocketId> {
        let Delivery {
            instance,
            epoch,
            numbers,
            command,
        } = delivery;
        let open = self.open.lock();
        let open = (instance == self.instance).then_some(&*open);
        let missing = numbers.into_iter().filter(|number| {
            let port = open.and_then(|open| open.get(number));
            if let Some(port) = port {
                port.take(epoch, &command);
            }
            port.is_none()
        });
        let missing = missing.map(|number| SocketId { node, instance, number });
        missing.collect()
    }
}

impl Port {
    fn take(&self, epoch: Epoch, command: &Command) {
        if self.epoch.fetch_max(epoch.0, Ordering::AcqRel) > epoch.0 {
            // It was on its way when another node came to own the actor.
            return;
        }
        match command {
            Command::Frame(frame) => self.push(frame.clone()),
            Command::Close { code, reason } => self.close(Closing {
                code: *code,
                reason: reason.clone(),
                is_clean: true,
            }),
            Command::AutoResponse(auto_response) => *self.auto_response.lock() = Some(auto_response.clone()),
        }
    }

    /// Keeps a frame until the client takes it, unless too much waits already.
    pub(super) fn push(&self, frame: Frame) {
        let bytes = frame.len() + OVERHEAD;
        if self.is_too_slow.load(Ordering::Acquire) {
            return;
        }
        if self.waiting.fetch_add(bytes, Ordering::AcqRel) + bytes > SEND_WINDOW {
            if self.is_too_slow.swap(true, Ordering::AcqRel) {
                return;
            }
            return self.close(Closing::because(
                TOO_SLOW,
                "the client does not take what is sent to it",
            ));
        }
        // The connection may have ended.
        if self.outgoing.send(Outgoing::Frame(frame)).is_ok() {
            self.metrics.sent();
        }
    }

    /// Ends the connection behind what was sent before.
    pub(super) fn close(&self, closing: Closing) {
        self.ended(closing.code);
        let _ = self.outgoing.send(Outgoing::Close(closing));
    }

    /// Counts the end, when somebody says for the first time how it came.
    pub(super) fn ended(&self, code: u16) {
        if !self.has_ended.swap(true, Ordering::AcqRel) {
            SocketMetrics::ended(code);
        }
    }

    /// The actor has let the client in, and has said what is answered by itself. What it has sent since is newer.
    pub(super) fn connected(&self, auto_response: Option<AutoResponse>) {
        self.is_connected.store(true, Ordering::Release);
        self.auto_response.lock().get_or_insert(auto_response);
    }

    /// Takes a frame of the client, and answers it without the actor, if that is what it is for. Says whether it did.
    pub(super) fn answers(&self, frame: &Frame, now: impl FnOnce() -> Timestamp) -> bool {
        self.metrics.received();
        let response = self
            .auto_response
            .lock()
            .iter()
            .flatten()
            .find_map(|auto| auto.to(frame));
        let Some(response) = response else { return false };
        *self.answered.lock() = Some(now());
        self.push(response);
        true
    }
}

/// What an actor sends to one client.
pub struct SocketReceiver {
    port: Arc<Port>,
    taken: mpsc::UnboundedReceiver<Outgoing>,
}

impl SocketReceiver {
    /// The next frame, or the end of the connection, behind which there is nothing. It can be dropped and called again.
    pub async fn next(&mut self) -> Option<Outgoing> {
        loop {
            let outgoing = self.taken.recv().await?;
            match &outgoing {
                // Nobody waits for the rest.
                Outgoing::Frame(_) if self.port.is_too_slow.load(Ordering::Acquire) => {}
                Outgoing::Frame(frame) => {
                    self.port.waiting.fetch_sub(frame.len() + OVERHEAD, Ordering::AcqRel);
                    return Some(outgoing);
                }
                Outgoing::Close(_) => {
                    self.taken.close();
                    return Some(outgoing);
                }
            }
        }
    }
}

impl fmt::Debug for SocketReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketReceiver")
            .field("waiting", &self.port.waiting)
            .finish_non_exhaustive()
    }
}
