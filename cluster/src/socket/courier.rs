//! Brings what a client sends to its actor: frame by frame, each until it is answered.

use std::{collections::VecDeque, fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::{
    Closing, Frame, Opening, SocketId, SocketReceiver, UNKNOWN,
    letters::{Arrived, Closed, Connect, Gap},
    ports::{Port, RESTART, TAKEN_FOR_LOST},
};
use crate::{
    ActorError, ActorId, Cluster, Credential, ErrorKind, Message, Result,
    address::Address,
    interface::{Codec, Payload, foreign_type},
    remote::Line,
    router::{Ask, Node},
};

/// Frames of one client that wait for its actor; then no more is read from the client.
const WINDOW: usize = 32;

/// For how long a frame is sent again until its client is told to come again.
const PATIENCE: Duration = Duration::from_secs(60);

/// Pause before a frame is sent again: the first one, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Close codes of the gateway.
const POLICY: u16 = 1008;
const INTERNAL: u16 = 1011;
const TRY_AGAIN: u16 = 1013;

/// What is shown for the calls that a client causes, anew for each.
pub type Credentials = Arc<dyn Fn() -> Option<Credential> + Send + Sync>;

impl Cluster {
    /// Connects a client to an actor, of a class that has [sockets](crate::Interface::sockets), and returns both ends of what
    /// the client sees: what it sends to the actor, and what the actor sends.
    ///
    /// # Errors
    /// What [`SocketActor::connect`](crate::SocketActor::connect) returns; `message.unknown` if the class has no sockets;
    /// otherwise as [`ActorRef::ask`](crate::ActorRef::ask).
    pub async fn connect(
        &self,
        actor: ActorId,
        opening: Opening,
        credentials: Credentials,
    ) -> Result<(SocketSender, SocketReceiver)> {
        let node = Arc::clone(self.node());
        actor.check()?;
        let address = Address::new(node.class(actor.class())?, actor);
        let (socket, port, receiver) = node.ports.open(node.remote.node, node.shard(address.hash));
        let sender = SocketSender(Arc::new(Inner {
            node,
            address,
            socket,
            port,
            credentials,
            window: Arc::new(Semaphore::new(WINDOW)),
            queue: Mutex::default(),
        }));
        // From here on whoever goes away closes the socket.
        match sender.0.ask(Connect { socket, opening }).await {
            Ok(auto_response) => {
                sender.0.port.connected(auto_response);
                Ok((sender, receiver))
            }
            Err(error) => {
                if !matches!(error.kind(), ErrorKind::Unknown | ErrorKind::Deadline) {
                    // The actor has nothing of it.
                    sender.0.forget();
                }
                Err(error)
            }
        }
    }

    /// Clients that are connected to this node.
    pub fn sockets(&self) -> usize {
        self.node().ports.count()
    }
}

/// What one client sends to its actor. Dropping it closes the socket, as if the connection was lost.
pub struct SocketSender(Arc<Inner>);

struct Inner {
    node: Arc<Node>,
    address: Arc<Address>,
    socket: SocketId,
    port: Arc<Port>,
    credentials: Credentials,
    window: Arc<Semaphore>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    /// Number of the last frame.
    number: u64,
    letters: VecDeque<Letter>,
    /// Whether somebody empties it.
    is_running: bool,
    /// Whether the end of the socket is in it.
    is_closed: bool,
    /// Whether a frame was given up: what comes behind it must not be handled without it.
    has_failed: bool,
}

enum Letter {
    Frame(Frame, OwnedSemaphorePermit),
    Close(Closing),
}

impl SocketSender {
    /// The socket.
    pub fn id(&self) -> SocketId {
        self.0.socket
    }

    /// Sends a frame to the actor. It waits while too many wait for the actor, and not for the actor to handle this one. If it
    /// is dropped before it returns, nothing was sent.
    pub async fn send(&self, frame: Frame) {
        if self.0.port.answers(&frame, || self.0.node.clock.now()) {
            return;
        }
        let permit = Arc::clone(&self.0.window).acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        self.0.push(Letter::Frame(frame, permit));
    }

    /// Sends a frame to the actor, unless too many wait for it.
    ///
    /// # Errors
    /// The frame comes back if there is no [room](Self::ready) for it.
    pub fn try_send(&self, frame: Frame) -> std::result::Result<(), Frame> {
        if self.0.port.answers(&frame, || self.0.node.clock.now()) {
            return Ok(());
        }
        match Arc::clone(&self.0.window).try_acquire_owned() {
            Ok(permit) => {
                self.0.push(Letter::Frame(frame, permit));
                Ok(())
            }
            Err(_) => Err(frame),
        }
    }

    /// Waits until there is room for another frame.
    pub async fn ready(&self) {
        // Never closed.
        let _ = self.0.window.acquire().await;
    }

    /// Tells the actor that the client has gone.
    pub fn close(self, closing: Closing) {
        self.0.end(closing);
    }
}

impl Drop for SocketSender {
    fn drop(&mut self) {
        self.0.end(Closing::lost());
    }
}

impl Inner {
    fn push(self: &Arc<Self>, letter: Letter) {
        let begins = {
            let mut queue = self.queue.lock();
            if queue.has_failed && matches!(letter, Letter::Frame(..)) {
                return;
            }
            queue.letters.push_back(letter);
            !std::mem::replace(&mut queue.is_running, true)
        };
        if begins {
            let runtime = self.node.host(self.address.hash).runtime.clone();
            runtime.spawn(run(Arc::clone(self)));
        }
    }

    /// Closes the socket without telling anybody.
    fn forget(&self) {
        self.queue.lock().is_closed = true;
        self.node.ports.remove(self.socket);
    }

    fn end(self: &Arc<Self>, closing: Closing) {
        if !std::mem::replace(&mut self.queue.lock().is_closed, true) {
            self.port.ended(closing.code);
            self.push(Letter::Close(closing));
        }
    }

    async fn ask<M: Message>(&self, message: M) -> Result<M::Reply> {
        let asked = ask(&self.node, &self.address, message);
        match (self.credentials)() {
            Some(credential) => credential.scope(asked).await,
            None => asked.await,
        }
    }

    /// Brings a frame to the actor. The error is why the client has to be disconnected.
    async fn bring(&self, arrived: &Arrived) -> Result<(), Closing> {
        let (began, mut pause) = (Instant::now(), PAUSE.0);
        loop {
            let Err(error) = self.ask(arrived.clone()).await else {
                return Ok(());
            };
            let closing = match error.kind() {
                ErrorKind::Retryable | ErrorKind::Overloaded | ErrorKind::Unknown | ErrorKind::Deadline => {
                    if began.elapsed() < PATIENCE {
                        tracing::debug!(actor = %self.address, socket = %self.socket, %error, "a frame is sent again");
                        tokio::time::sleep(pause).await;
                        pause = (pause * 2).min(PAUSE.1);
                        continue;
                    }
                    Closing::because(TRY_AGAIN, "the actor does not answer")
                }
                ErrorKind::Forbidden => Closing::because(POLICY, error.code()),
                ErrorKind::NotFound if error.code() == UNKNOWN => Closing::because(RESTART, TAKEN_FOR_LOST),
                ErrorKind::NotFound
                | ErrorKind::Invalid
                | ErrorKind::Conflict
                | ErrorKind::TooLarge
                | ErrorKind::Unsupported
                | ErrorKind::Internal => Closing::because(INTERNAL, error.code()),
            };
            tracing::debug!(actor = %self.address, socket = %self.socket, %error, "a client is disconnected");
            return Err(closing);
        }
    }
}

async fn run(inner: Arc<Inner>) {
    loop {
        let letter = {
            let mut queue = inner.queue.lock();
            let Some(letter) = queue.letters.pop_front() else {
                queue.is_running = false;
                return;
            };
            letter
        };
        match letter {
            Letter::Frame(frame, permit) => {
                let number = {
                    let mut queue = inner.queue.lock();
                    queue.number += 1;
                    queue.number
                };
                let arrived = Arrived {
                    socket: inner.socket,
                    number,
                    frame,
                };
                if let Err(closing) = inner.bring(&arrived).await {
                    let mut queue = inner.queue.lock();
                    queue.has_failed = true;
                    queue.letters.retain(|letter| matches!(letter, Letter::Close(_)));
                    drop(queue);
                    inner.port.close(closing);
                }
                drop(permit);
            }
            Letter::Close(closing) => {
                tell_closed(&inner.node, &inner.address, inner.socket, closing).await;
                // Not before: an actor that sends something to a socket that is not there takes it for lost, with the
                // frames that are still to come.
                inner.node.ports.remove(inner.socket);
            }
        }
    }
}

async fn ask<M: Message>(node: &Arc<Node>, address: &Arc<Address>, message: M) -> Result<M::Reply> {
    let ask = Ask {
        message: M::NAME,
        payload: Payload::Local(Box::new(message)),
        codec: Codec::of::<M>(),
        keyed: None,
        deadline: node.bounds.ask,
    };
    let value = node.ask(address, ask, &Line::default()).await?;
    value.downcast().map(|reply| *reply).map_err(|_| foreign_type::<M>())
}

/// Tells an actor something once, on the cluster's own account.
async fn tell_once<M: Message>(node: &Arc<Node>, address: &Arc<Address>, message: M) -> Result<M::Reply> {
    let asked = ask(node, address, message);
    match &node.gatekeeper {
        Some(gatekeeper) => gatekeeper.vouch(address.id.tenant()).scope(asked).await,
        None => asked.await,
    }
}

/// Tells an actor something until it has heard it, or cannot.
async fn tell<M: Message + Clone>(node: &Arc<Node>, address: &Arc<Address>, message: M) -> Result<M::Reply> {
    let mut pause = PAUSE.0;
    loop {
        match tell_once(node, address, message.clone()).await {
            Err(error) if error.is_passing() && !node.host(address.hash).is_draining() => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE.1);
            }
            told => {
                if let Err(error) = &told {
                    refused::<M>(address, error);
                }
                return told;
            }
        }
    }
}

fn refused<M: Message>(address: &Address, error: &ActorError) {
    tracing::debug!(actor = %address, message = M::NAME, %error, "an actor was not told of its socket");
}

/// Tells an actor that a socket is closed.
pub(super) async fn tell_closed(node: &Arc<Node>, address: &Arc<Address>, socket: SocketId, closing: Closing) {
    let closed = |is_final| Closed {
        socket,
        closing: closing.clone(),
        is_final,
    };
    if tell(node, address, closed(false)).await.is_err() {
        // An actor that fails at it has no socket any more all the same.
        let _ = tell(node, address, closed(true)).await;
    }
}

/// Tells an actor that a socket is lost, if it can be told at once.
pub(super) async fn tell_lost(node: &Arc<Node>, address: &Arc<Address>, socket: SocketId) {
    let closed = |is_final| Closed {
        socket,
        closing: Closing::lost(),
        is_final,
    };
    if let Err(error) = tell_once(node, address, closed(false)).await
        && !error.is_passing()
    {
        refused::<Closed>(address, &error);
        let _ = tell_once(node, address, closed(true)).await;
    }
}

/// Tells an actor that frames may be lost.
pub(super) async fn tell_gap(node: &Arc<Node>, address: &Arc<Address>, socket: SocketId) {
    // Who cannot hear of it cannot do anything about it either.
    let _ = tell(node, address, Gap { socket }).await;
}

impl fmt::Debug for SocketSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketSender")
            .field("id", &self.0.socket)
            .field("actor", &self.0.address.id)
            .finish_non_exhaustive()
    }
}
