//! A session with one peer: the calls that wait, the credits of both sides, and the signs of life.
//!
//! ractor_cluster queues without bound and keeps what nobody waits for. So the bounds are kept here: a sender counts what
//! it has sent, the receiver says with every envelope what it has dealt with, and the difference never exceeds the window.
//! A call counts as dealt with when it was served, anything else when it arrived.

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use ractor::{ActorCell, ActorRef};
use ractor_cluster::NodeSessionMessage;
use tokio::{
    sync::{Semaphore, oneshot},
    time::{Instant, MissedTickBehavior, interval_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    config::RequestBounds,
    connection::Closer,
    envelope::{Content, Envelope, FRAME, Fault, Header},
    hello::Door,
    meter::Meter,
};
use crate::peers::NodeId;

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The connection ended.
    Closed,
    /// Nothing was heard from the peer.
    Silent,
    /// It did not come up in time.
    Unready,
    /// There is a newer one.
    Replaced,
    /// The peer is none any more.
    Removed,
    /// The plane was shut down.
    Shutdown,
}

impl End {
    /// Every reason.
    pub(crate) const ALL: [Self; 6] = [
        Self::Closed,
        Self::Silent,
        Self::Unready,
        Self::Replaced,
        Self::Removed,
        Self::Shutdown,
    ];

    /// Its name among the metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Silent => "silent",
            Self::Unready => "unready",
            Self::Replaced => "replaced",
            Self::Removed => "removed",
            Self::Shutdown => "shutdown",
        }
    }

    /// What callers are told.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Closed => "the connection was lost",
            Self::Silent => "the connection was cut, because nothing was heard over it",
            Self::Unready => "the connection did not come up in time",
            Self::Replaced => "the connection was replaced by a newer one",
            Self::Removed => "the node was removed",
            Self::Shutdown => "this node shuts down",
        }
    }
}

/// Why a call did not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotSent {
    /// There is no session, for this reason.
    Ended(End),
    /// Too many calls wait, or too many bytes.
    Overloaded,
    /// The request is larger than any may be.
    TooLarge,
}

/// What became of a call that left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was answered.
    Answer(Bytes),
    /// The peer has no answer.
    Fault(Fault),
    /// The session ended before.
    Ended(End),
}

/// A session with one peer.
pub(crate) struct Session {
    /// The peer.
    pub(crate) peer: NodeId,
    /// Its name in ractor_cluster.
    pub(crate) label: String,
    /// What the peer shows.
    pub(crate) token: u64,
    /// Whether this side has dialled.
    pub(crate) dialled: bool,
    /// Cancelled when it has ended.
    pub(crate) ended: CancellationToken,
    /// Cancelled when ractor_cluster has forgotten it.
    pub(crate) gone: CancellationToken,
    /// Cancelled when ractor_cluster can carry calls.
    pub(crate) ready: CancellationToken,
    /// Bytes that were read from the connection.
    pub(crate) read: Arc<AtomicU64>,
    /// Permits of requests that are served at once.
    pub(crate) serving: Arc<Semaphore>,
    bounds: RequestBounds,
    theirs: Door,
    closer: Closer,
    meter: Arc<Meter>,
    carrier: OnceLock<ActorCell>,
    gateways: OnceLock<Gateways>,
    dealt: AtomicU64,
    told: AtomicU64,
    ended_at: OnceLock<Instant>,
    state: Mutex<State>,
}

/// The gateways of the peer.
struct Gateways {
    calls: ActorRef<Envelope>,
    answers: ActorRef<Envelope>,
}

#[derive(Default)]
struct State {
    end: Option<End>,
    calls: HashMap<u64, oneshot::Sender<Outcome>>,
    last: u64,
    sent: u64,
    acknowledged: u64,
}

impl State {
    fn outstanding(&self) -> u64 {
        self.sent.saturating_sub(self.acknowledged)
    }
}

/// Who and what a session is made of.
pub(crate) struct Parts {
    pub(crate) peer: NodeId,
    pub(crate) label: String,
    pub(crate) token: u64,
    pub(crate) theirs: Door,
    pub(crate) dialled: bool,
    pub(crate) closer: Closer,
    pub(crate) bounds: RequestBounds,
    pub(crate) meter: Arc<Meter>,
}

impl Session {
    /// A session that is not up yet.
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        Arc::new(Self {
            peer: parts.peer,
            label: parts.label,
            token: parts.token,
            dialled: parts.dialled,
            ended: CancellationToken::new(),
            gone: CancellationToken::new(),
            ready: CancellationToken::new(),
            read: Arc::default(),
            serving: Arc::new(Semaphore::new(parts.bounds.served)),
            bounds: parts.bounds,
            theirs: parts.theirs,
            closer: parts.closer,
            meter: parts.meter,
            carrier: OnceLock::new(),
            gateways: OnceLock::new(),
            dealt: AtomicU64::new(0),
            told: AtomicU64::new(0),
            ended_at: OnceLock::new(),
            state: Mutex::default(),
        })
    }

    /// ractor_cluster has made an actor for it.
    pub(crate) fn opened(&self, carrier: &ActorRef<NodeSessionMessage>) {
        // One connection is opened once.
        let _ = self.carrier.set(carrier.get_cell());
    }

    /// Whether calls can be made.
    pub(crate) fn is_live(&self) -> bool {
        self.ready.is_cancelled() && !self.ended.is_cancelled()
    }

    /// When it has ended, if it ever carried calls.
    pub(crate) fn carried_until(&self) -> Option<Instant> {
        self.ended_at.get().copied().filter(|_| self.ready.is_cancelled())
    }

    /// Why it has ended, if it has.
    pub(crate) fn why_ended(&self) -> Option<End> {
        self.state.lock().end
    }

    /// Ends it: whoever waits hears so at once, and the connection is closed.
    pub(crate) fn end(&self, end: End) {
        let calls = {
            let state = &mut *self.state.lock();
            if state.end.is_some() {
                return;
            }
            state.end = Some(end);
            // It ends once.
            let _ = self.ended_at.set(Instant::now());
            std::mem::take(&mut state.calls)
        };
        self.ended.cancel();
        self.closer.close();
        for call in calls.into_values() {
            // The caller may have given up.
            let _ = call.send(Outcome::Ended(end));
        }
        self.meter.ended(end);
        tracing::debug!(peer = %self.peer, session = %self.label, reason = end.label(), "a session ended");
    }

    /// Sends a call, unless a bound says no.
    pub(crate) fn call(self: &Arc<Self>, body: Bytes, within: Duration) -> Result<Call, NotSent> {
        if body.len() > self.bounds.body {
            return Err(NotSent::TooLarge);
        }
        let Some(gateways) = self.gateways() else {
            return Err(NotSent::Ended(End::Closed));
        };
        let size = (FRAME + body.len()) as u64;
        let (answer, answered) = oneshot::channel();
        let correlation = {
            let state = &mut *self.state.lock();
            if let Some(end) = state.end {
                return Err(NotSent::Ended(end));
            }
            if state.calls.len() >= self.bounds.calls || state.outstanding() + size > self.bounds.window as u64 {
                return Err(NotSent::Overloaded);
            }
            state.sent += size;
            state.last += 1;
            state.calls.insert(state.last, answer);
            state.last
        };
        let call = Call {
            session: Arc::clone(self),
            correlation,
            answered,
        };
        let content = Content::Call {
            correlation,
            within,
            body,
        };
        let envelope = Envelope::new(self.header(), &content);
        debug_assert_eq!(envelope.size() as u64, size, "both sides count the same");
        if gateways.calls.cast(envelope).is_err() {
            self.state.lock().sent -= size;
            return Err(NotSent::Ended(End::Closed));
        }
        Ok(call)
    }

    /// Sends what is not a call.
    pub(crate) fn send(&self, content: &Content) {
        let Some(gateways) = self.gateways() else {
            return;
        };
        let envelope = Envelope::new(self.header(), content);
        self.state.lock().sent += envelope.size() as u64;
        // If it is closed, the end of the session is on its way.
        let _ = gateways.answers.cast(envelope);
    }

    /// An envelope of the peer has arrived.
    pub(crate) fn arrived(&self, header: Header) {
        let state = &mut *self.state.lock();
        // The two gateways overtake each other.
        state.acknowledged = state.acknowledged.max(header.dealt.min(state.sent));
    }

    /// Whether the peer does not take its answers off.
    pub(crate) fn is_clogged(&self) -> bool {
        self.state.lock().outstanding() >= self.bounds.window as u64
    }

    /// An answer of the peer; nobody may wait for it any more.
    pub(crate) fn answered(&self, correlation: u64, outcome: Outcome) {
        let call = self.state.lock().calls.remove(&correlation);
        if call.is_none_or(|call| call.send(outcome).is_err()) {
            self.meter.late_answer();
        }
    }

    /// Bytes of the peer were dealt with; it is told soon.
    pub(crate) fn dealt_with(&self, bytes: usize) {
        let dealt = self.dealt.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        let untold = dealt.saturating_sub(self.told.load(Ordering::Relaxed));
        if untold >= self.bounds.window as u64 / 4 {
            self.send(&Content::Pulse);
        }
    }

    /// Lets the peer hear something, and listens, until the session ends.
    pub(crate) async fn watch(self: Arc<Self>) {
        let pulse = self.bounds.pulse;
        let mut ticks = interval_at(Instant::now() + pulse, pulse);
        // A node that stood still itself has missed one pulse, not all of that time.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut missed, mut before) = (0, 0);
        loop {
            tokio::select! {
                () = self.ended.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let read = self.read.load(Ordering::Relaxed);
            missed = if read == before { missed + 1 } else { 0 };
            before = read;
            if missed >= self.bounds.missed {
                self.end(End::Silent);
                return;
            }
            self.send(&Content::Pulse);
        }
    }

    /// How many calls wait for an answer.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().calls.len()
    }

    fn header(&self) -> Header {
        let dealt = self.dealt.load(Ordering::Relaxed);
        self.told.fetch_max(dealt, Ordering::Relaxed);
        Header {
            token: self.theirs.token,
            dealt,
        }
    }

    /// The gateways of the peer, as ractor_cluster shows them: children of the session's actor, under the ids that the
    /// peer has told. Neither process groups nor names are asked, which belong to the whole process: there, what two
    /// nodes of one process know of a third has the same id.
    fn gateways(&self) -> Option<&Gateways> {
        if let Some(gateways) = self.gateways.get() {
            return Some(gateways);
        }
        let children = self.carrier.get()?.get_children();
        let find = |pid: u64| {
            let found = children
                .iter()
                .find(|child| !child.get_id().is_local() && child.get_id().pid() == pid);
            found.map(|cell| ActorRef::from(cell.clone()))
        };
        let found = Gateways {
            calls: find(self.theirs.calls)?,
            answers: find(self.theirs.answers)?,
        };
        Some(self.gateways.get_or_init(|| found))
    }
}

/// A call on its way. Dropped, its answer is not waited for.
pub(crate) struct Call {
    session: Arc<Session>,
    correlation: u64,
    answered: oneshot::Receiver<Outcome>,
}

impl Call {
    /// Waits for the answer; nothing, if it does not come in time.
    pub(crate) async fn wait(mut self, until: Instant) -> Option<Outcome> {
        match tokio::time::timeout_at(until, &mut self.answered).await {
            Ok(Ok(outcome)) => Some(outcome),
            Ok(Err(_)) => Some(Outcome::Ended(End::Closed)),
            Err(_) => None,
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.session.state.lock().calls.remove(&self.correlation);
    }
}
