//! The mailbox of a live actor: what lies in it, who waits for an answer, and whether the actor is in use.

mod letters;

use std::{
    borrow::Cow,
    fmt,
    future::poll_fn,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{sync::oneshot, time::Instant};

use self::letters::Letters;
pub(crate) use self::letters::Offer;
use crate::{
    ActorError, RequestId,
    address::Address,
    alarm::Due,
    caller::Account,
    chain::Chain,
    gate::{Broken, Gate},
    idempotency::Keyed,
    interface::{Payload, Value},
    keyspace::SendId,
    shard::Epoch,
    socket::Exit,
    vitals::Vitals,
};

/// Why a letter has no reply. It crosses nodes: a new variant comes last.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Fault {
    /// The handler returned an error.
    Handler(ActorError),
    /// The class does not list the message, or cannot read it: no handler ran.
    Foreign(ActorError),
    /// The actor could not be activated.
    Activation(ActorError),
    /// The handler panicked.
    Panic,
    /// A bound was met; which one.
    Overloaded(Cow<'static, str>),
    /// It was not handled.
    Unavailable,
    /// It may have been handled.
    Unknown,
    /// It was not let in.
    Refused(ActorError),
}

impl From<Broken> for Fault {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::NotProposed => Self::Unavailable,
            Broken::Unknown => Self::Unknown,
        }
    }
}

impl From<Fault> for ActorError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Handler(error) | Fault::Foreign(error) | Fault::Activation(error) | Fault::Refused(error) => error,
            Fault::Panic => Self::internal("panic", "the handler panicked; what it wrote was dropped"),
            Fault::Overloaded(what) => Self::overloaded("overloaded", what),
            Fault::Unavailable => Self::retryable("retryable", "the call had no effect and may be repeated"),
            Fault::Unknown => Self::unknown("unknown", "the call may or may not have taken effect"),
        }
    }
}

/// Where the outcome of a letter goes. A letter that is dropped says so by itself.
pub(crate) struct Reply {
    sender: Option<oneshot::Sender<Result<Value, Fault>>>,
    started: bool,
}

impl Reply {
    pub(crate) fn channel() -> (Self, oneshot::Receiver<Result<Value, Fault>>) {
        let (sender, receiver) = oneshot::channel();
        (
            Self {
                sender: Some(sender),
                started: false,
            },
            receiver,
        )
    }

    /// For letters that nobody waits for.
    pub(crate) fn nobody() -> Self {
        Self {
            sender: None,
            started: false,
        }
    }

    /// From now on a lost letter may have had an effect.
    pub(crate) fn start(&mut self) {
        self.started = true;
    }

    /// Whether there is anybody to tell.
    pub(crate) fn is_expected(&self) -> bool {
        self.sender.is_some()
    }

    /// Whether the caller has gone away.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.sender.as_ref().is_some_and(oneshot::Sender::is_closed)
    }

    pub(crate) fn send(mut self, outcome: Result<Value, Fault>) {
        if let Some(sender) = self.sender.take() {
            // A caller whose deadline passed has gone away.
            let _ = sender.send(outcome);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            let _ = sender.send(Err(if self.started {
                Fault::Unknown
            } else {
                Fault::Unavailable
            }));
        }
    }
}

/// Where a call comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin {
    /// Somebody waits for the reply.
    Ask,
    /// The outbox of a shard.
    Send {
        /// Number of the shard.
        source: u16,
        /// Id of the send.
        id: SendId,
    },
    /// Work that an activation started.
    Pipe {
        /// Number of the activation within its mailbox.
        incarnation: u64,
    },
}

/// A message on its way into a mailbox.
pub(crate) struct Call {
    pub(crate) message: Cow<'static, str>,
    pub(crate) payload: Payload,
    pub(crate) origin: Origin,
    pub(crate) chain: Option<Arc<Chain>>,
    /// On whose account it was asked.
    pub(crate) account: Account,
    /// The request it is part of.
    pub(crate) request: Option<RequestId>,
    /// Set for a call under an idempotency key.
    pub(crate) keyed: Option<Box<Keyed>>,
    pub(crate) sent: Instant,
    pub(crate) reply: Reply,
}

/// What a mailbox takes.
pub(crate) enum Letter {
    /// In a box, which moves on from hand to hand: the call itself would be copied each time, at last into the memory of an
    /// actor that was not used for a while, which is slow.
    Call(Box<Call>),
    /// The alarm is due.
    Alarm(Due, Reply),
    /// Hear of what earlier owners may not have sent.
    Wake(Reply),
    /// End the activation, and say when what it did is durable.
    Passivate(Reply),
}

impl Letter {
    pub(crate) fn reply(self) -> Reply {
        match self {
            Self::Call(call) => call.reply,
            Self::Alarm(_, reply) | Self::Wake(reply) | Self::Passivate(reply) => reply,
        }
    }
}

/// Tells the actor to handle the letters of its mailbox from now on: the one message of its ractor mailbox, which would
/// otherwise have to be asked, with all the other ports of a ractor actor, before and behind every letter.
pub(crate) struct Begin;

impl ractor::Message for Begin {}

/// The mailbox of a live actor, as the host sees it. What every call touches comes first and lies together.
#[repr(C)]
pub(crate) struct Mailbox {
    letters: Letters,
    /// Work beside the mailbox.
    busy: AtomicUsize,
    pub(crate) vitals: Vitals,
    pub(crate) gate: Arc<Gate>,
    pub(crate) epoch: Epoch,
    pub(crate) address: Arc<Address>,
    actor: OnceLock<ractor::ActorRef<Begin>>,
    /// What its turns send through sockets, in order.
    pub(crate) exit: Exit,
}

/// Keeps an activation in use while it lives.
pub(crate) struct Busy(Arc<Mailbox>);

impl Mailbox {
    pub(crate) fn new(address: Arc<Address>, epoch: Epoch) -> Arc<Self> {
        Arc::new(Self {
            address,
            gate: Arc::default(),
            epoch,
            vitals: Vitals::default(),
            letters: Letters::new(),
            busy: AtomicUsize::new(0),
            actor: OnceLock::new(),
            exit: Exit::default(),
        })
    }

    pub(crate) fn bind(&self, actor: ractor::ActorRef<Begin>) {
        let bound = self.actor.set(actor);
        debug_assert!(bound.is_ok(), "a mailbox is bound once, where it is made");
    }

    /// Letters and work in hand.
    pub(crate) fn load(&self) -> usize {
        self.letters.load() + self.busy.load(Ordering::Acquire)
    }

    pub(crate) fn busy(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Ordering::AcqRel);
        Busy(Arc::clone(self))
    }

    /// Puts a letter of a caller in, unless it is full or ending.
    pub(crate) fn offer(&self, letter: Letter, bound: usize) -> Offer {
        let others = self.busy.load(Ordering::Acquire);
        self.letters.offer(letter, others, bound)
    }

    /// Puts a letter of the runtime in. If the actor has ended, the letter is dropped, and says so; then this is `false`.
    pub(crate) fn post(&self, letter: Letter) -> bool {
        self.letters.post(letter)
    }

    /// The next letter for the actor, which is done with the last one since `now`; `None` when it has to end.
    pub(crate) async fn next(&self, now: Instant) -> Option<Letter> {
        poll_fn(|cx| self.letters.poll_next(cx, now)).await
    }

    pub(crate) fn last_used(&self) -> Instant {
        self.letters.last_used()
    }

    /// Whether ending the activation would lose nothing but its fields.
    pub(crate) fn is_idle(&self) -> bool {
        self.load() == 0 && self.gate.is_idle()
    }

    /// Takes no more letters of callers.
    pub(crate) fn seal(&self) {
        self.letters.seal();
    }

    /// Takes letters of callers again, if it only was sealed.
    pub(crate) fn open(&self) {
        self.letters.open();
    }

    /// Takes no more letters, and drops those that are there: the actor has ended.
    pub(crate) fn close(&self) {
        self.letters.close();
    }

    /// Ends the activation if it is idle. Says whether it was.
    pub(crate) fn stop_if_idle(&self) -> bool {
        let idle = self
            .letters
            .end_if_idle(|| self.busy.load(Ordering::Acquire) == 0 && self.gate.is_idle());
        if idle && let Some(actor) = self.actor.get() {
            actor.stop(None);
        }
        idle
    }

    /// Ends the activation after the letters it has, or in the middle of one if they take longer than `patience`. Returns
    /// when all it did has an outcome.
    pub(crate) async fn end(&self, patience: Duration) {
        let (reply, ended) = Reply::channel();
        self.post(Letter::Passivate(reply));
        self.seal();
        let passivated = tokio::time::timeout(patience, ended).await.is_ok();
        if let Some(actor) = self.actor.get() {
            if passivated {
                self.letters.end();
                actor.stop(None);
            } else {
                self.kill();
            }
            // An actor that is gone already is what is wanted.
            actor.wait(None).await.ok();
        }
        self.gate.wait(self.gate.last()).await.ok();
    }

    /// Ends the activation at once, in the middle of a turn if need be.
    pub(crate) fn kill(&self) {
        self.vitals.discard();
        // Its letters are dropped with the actor; later ones wait for the next ownership.
        self.seal();
        if let Some(actor) = self.actor.get() {
            actor.kill();
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.letters.touch();
        self.0.busy.fetch_sub(1, Ordering::AcqRel);
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox")
            .field("id", &self.address.id)
            .field("load", &self.load())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantee 13.
    #[test]
    fn a_dropped_letter_answers_by_itself() {
        let (reply, mut outcome) = Reply::channel();
        drop(reply);
        assert!(matches!(outcome.try_recv(), Ok(Err(Fault::Unavailable))));
        let (mut reply, mut outcome) = Reply::channel();
        reply.start();
        drop(reply);
        assert!(matches!(outcome.try_recv(), Ok(Err(Fault::Unknown))));
    }
}
