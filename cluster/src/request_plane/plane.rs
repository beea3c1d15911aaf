//! The request plane of one node.

use std::{
    collections::BTreeMap,
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use parking_lot::RwLock;
use ractor::{ActorRef, SpawnErr};
use tokio::{
    net::TcpListener,
    runtime::Handle,
    time::{Instant, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    config::RequestPlaneConfig,
    connection::{Carried, Closer},
    dialler,
    doorway::Doorway,
    envelope::{Envelope, FRAME, Fault},
    gateway::{Desk, Gateway},
    hello::{Cookie, Door},
    mesh::Mesh,
    meter::{Called, Meter},
    peer::Peer,
    roster::Roster,
    session::{End, NotSent, Outcome, Parts, Session},
};
use crate::{
    node_name::NodeName,
    peers::{CallError, Lane, NodeId, Peers, Service},
    tls::{ChannelError, Stream},
};

/// How long ractor_cluster may take to forget a session whose connection is closed.
const FORGET: Duration = Duration::from_secs(1);

/// Why there is no request plane.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BindError {
    /// The address cannot be listened on.
    #[error("failed to listen on {address} for requests of other nodes")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Nobody could be answered there.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// ractor_cluster did not start.
    #[error("failed to start the actors of the request plane")]
    Actors(#[from] SpawnErr),
}

/// The request plane of one node. Dropped, it ends without waiting.
pub(crate) struct RequestPlane {
    plane: Arc<Plane>,
    address: SocketAddr,
}

impl RequestPlane {
    /// Listens for other nodes, and serves what they ask. It runs on the present runtime.
    pub(crate) async fn bind(config: RequestPlaneConfig, service: Arc<dyn Service>) -> Result<Self, BindError> {
        let listen = config.listen;
        config.security.check_listener(listen)?;
        let failed = |source| BindError::Listen {
            address: listen,
            source,
        };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let meter = Arc::new(Meter::new());
        let roster = Arc::new(Roster::new(Arc::clone(&meter)));
        let desk = Arc::new(Desk {
            service,
            meter: Arc::clone(&meter),
            body: config.bounds.body,
        });
        let calls = Gateway::start(Arc::clone(&roster), Arc::clone(&desk)).await?;
        let answers = Gateway::start(Arc::clone(&roster), Arc::clone(&desk)).await?;
        let cookie = Cookie::of(config.cluster);
        let mesh = Mesh::start(config.node, &cookie, config.bounds.body + FRAME, Arc::clone(&roster)).await?;
        let plane = Arc::new(Plane {
            config,
            cookie,
            desk,
            meter,
            roster,
            mesh,
            calls,
            answers,
            peers: RwLock::default(),
            closed: CancellationToken::new(),
            tasks: TaskTracker::new(),
            runtime: Handle::current(),
            opened: AtomicU64::new(0),
        });
        let doorway = Doorway::new(Arc::clone(&plane));
        plane.spawn(doorway.listen(listener));
        Ok(Self { plane, address })
    }

    /// Where it listens.
    #[cfg(test)]
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The other nodes, as this one calls them.
    pub(crate) fn peers(&self) -> Arc<dyn Peers> {
        Arc::new(Port(Arc::clone(&self.plane)))
    }

    /// Makes a node a peer, or moves it. It is dialled at once, at `host:port`, and must show the certificate of `name`.
    pub(crate) fn set_peer(&self, node: NodeId, address: String, name: NodeName) {
        let plane = &self.plane;
        if node == plane.config.node {
            return;
        }
        let mut peers = plane.peers.write();
        if let Some(peer) = peers.get(&node) {
            peer.relocate(address, name);
            return;
        }
        let removed = plane.closed.child_token();
        let peer = Arc::new(Peer::new(plane.config.node, node, address, name, removed));
        peers.insert(node, Arc::clone(&peer));
        plane.spawn(dialler::keep(Arc::clone(plane), peer));
    }

    /// Ends the session with a node, and refuses it from now on.
    pub(crate) fn remove_peer(&self, node: NodeId) {
        let Some(peer) = self.plane.peers.write().remove(&node) else {
            return;
        };
        peer.removed.cancel();
        if let Some(session) = peer.session() {
            session.end(End::Removed);
        }
    }

    /// For how long a node cannot be called, and why; nothing if it can.
    pub(crate) fn silence(&self, node: NodeId) -> Option<(Duration, String)> {
        self.plane.peer(node)?.silence()
    }

    /// Every peer, and why it cannot be called, if it cannot.
    #[cfg(test)]
    pub(crate) fn reach(&self) -> BTreeMap<NodeId, Result<(), String>> {
        let peers = self.plane.peers.read();
        let reach = peers.values().map(|peer| (peer.node, peer.live().map(drop)));
        reach.collect()
    }

    /// Ends all sessions, and waits until nothing of the plane runs any more.
    pub(crate) async fn shutdown(&self) {
        let plane = &self.plane;
        plane.close();
        plane.mesh.stop().await;
        for gateway in [&plane.calls, &plane.answers] {
            // It may have ended before.
            let _ = gateway.stop_and_wait(None, None).await;
        }
        plane.tasks.wait().await;
    }

    /// What the tests look at.
    #[cfg(test)]
    pub(crate) fn plane(&self) -> &Plane {
        &self.plane
    }
}

impl Drop for RequestPlane {
    fn drop(&mut self) {
        self.plane.close();
        self.plane.mesh.end();
        self.plane.calls.stop(None);
        self.plane.answers.stop(None);
    }
}

impl fmt::Debug for RequestPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestPlane")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// What the tasks of a plane share.
pub(crate) struct Plane {
    pub(crate) config: RequestPlaneConfig,
    pub(crate) cookie: Cookie,
    pub(crate) desk: Arc<Desk>,
    pub(crate) meter: Arc<Meter>,
    pub(crate) roster: Arc<Roster>,
    pub(crate) closed: CancellationToken,
    tasks: TaskTracker,
    runtime: Handle,
    pub(crate) mesh: Mesh,
    calls: ActorRef<Envelope>,
    answers: ActorRef<Envelope>,
    peers: RwLock<BTreeMap<NodeId, Arc<Peer>>>,
    opened: AtomicU64,
}

impl Plane {
    /// The peer, if it is one.
    pub(crate) fn peer(&self, node: NodeId) -> Option<Arc<Peer>> {
        self.peers.read().get(&node).cloned()
    }

    /// Where the envelopes of a new session are to go.
    pub(crate) fn door(&self) -> Door {
        Door {
            token: rand::random(),
            calls: self.calls.get_id().pid(),
            answers: self.answers.get_id().pid(),
        }
    }

    /// A session over a connection, between two doors.
    pub(crate) fn session(&self, peer: &Peer, closer: Closer, doors: Doors, dialled: bool) -> Arc<Session> {
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        Session::new(Parts {
            peer: peer.node,
            label: format!("node {} session {number}", peer.node),
            token: doors.ours.token,
            theirs: doors.theirs,
            dialled,
            closer,
            bounds: self.config.bounds.clone(),
            meter: Arc::clone(&self.meter),
        })
    }

    /// Gives the connection of a session to ractor_cluster, and waits until calls can be made over it.
    pub(crate) async fn raise(
        &self,
        session: &Arc<Session>,
        before: Option<Arc<Session>>,
        stream: Stream,
    ) -> Result<(), End> {
        let uncarried = Uncarried { plane: self, session };
        if let Some(before) = before {
            // Otherwise ractor_cluster would choose between the two.
            let _ = timeout(FORGET, before.gone.cancelled()).await;
        }
        let carried = Carried {
            stream,
            label: session.label.clone(),
            read: Arc::clone(&session.read),
        };
        self.mesh.carry(Box::new(carried), session.dialled);
        std::mem::forget(uncarried);
        tokio::select! {
            () = session.ready.cancelled() => {}
            () = session.ended.cancelled() => {}
            () = self.closed.cancelled() => session.end(End::Shutdown),
            () = tokio::time::sleep(self.config.bounds.handshake) => session.end(End::Unready),
        }
        if let Some(end) = session.why_ended() {
            // It is never seen if ractor_cluster could not make an actor for it.
            if timeout(FORGET, session.gone.cancelled()).await.is_err() {
                self.forget(session, end);
            }
            return Err(end);
        }
        tracing::debug!(peer = %session.peer, session = %session.label, "a session is up");
        self.spawn(Arc::clone(session).watch());
        Ok(())
    }

    /// Runs a task of the plane, on the runtime of the plane.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn_on(task, &self.runtime);
    }

    /// Drops a session that ractor_cluster does not know.
    pub(crate) fn forget(&self, session: &Session, end: End) {
        session.end(end);
        session.gone.cancel();
        self.roster.remove(session);
    }

    fn close(&self) {
        self.closed.cancel();
        self.tasks.close();
        self.roster.end_all(End::Shutdown);
    }

    /// Sends a call; if it does not leave, says why.
    fn send(
        &self,
        to: NodeId,
        lane: Lane,
        request: Bytes,
        within: Duration,
    ) -> Result<super::session::Call, (Called, String)> {
        let not_sent = |reason: String| (Called::NotSent, reason);
        if lane != Lane::Request {
            return Err(not_sent("the request plane carries requests only".to_owned()));
        }
        let Some(peer) = self.peer(to) else {
            return Err(not_sent("it is no peer of this node".to_owned()));
        };
        let session = peer.live().map_err(not_sent)?;
        session.call(request, within).map_err(|error| match error {
            NotSent::Ended(end) => not_sent(end.text().to_owned()),
            NotSent::TooLarge => not_sent(format!("a request has {} bytes at most", self.config.bounds.body)),
            NotSent::Overloaded => (
                Called::Overloaded,
                "overloaded: too many calls to it wait for their answers".to_owned(),
            ),
        })
    }
}

/// A session that ractor_cluster will not forget, because it does not know it yet.
struct Uncarried<'a> {
    plane: &'a Plane,
    session: &'a Session,
}

impl Drop for Uncarried<'_> {
    fn drop(&mut self) {
        self.plane.forget(self.session, End::Closed);
    }
}

/// Where the two sides of a session want their envelopes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doors {
    pub(crate) ours: Door,
    pub(crate) theirs: Door,
}

/// The way of one node to the others.
struct Port(Arc<Plane>);

impl Peers for Port {
    fn call(
        &self,
        to: NodeId,
        lane: Lane,
        request: Bytes,
        within: Duration,
    ) -> BoxFuture<'static, Result<Bytes, CallError>> {
        let meter = Arc::clone(&self.0.meter);
        let start = Instant::now();
        let sent = self.0.send(to, lane, request, within);
        async move {
            let answer = match sent {
                Err((called, reason)) => Err((called, reason)),
                Ok(call) => judge(call.wait(start + within).await),
            };
            match answer {
                Ok(answer) => {
                    meter.called(Called::Answered);
                    meter.took(start.elapsed());
                    Ok(answer)
                }
                Err((called, reason)) => {
                    meter.called(called);
                    Err(match called {
                        Called::NotSent | Called::Overloaded => CallError::NotSent { node: to, reason },
                        Called::Answered | Called::NoAnswer => CallError::NoAnswer { node: to, reason },
                    })
                }
            }
        }
        .boxed()
    }
}

/// What the caller of a call that left is told.
fn judge(outcome: Option<Outcome>) -> Result<Bytes, (Called, String)> {
    let (called, reason) = match outcome {
        Some(Outcome::Answer(answer)) => return Ok(answer),
        // It was turned away before anybody looked at it.
        Some(Outcome::Fault(Fault::Overloaded)) => (
            Called::Overloaded,
            "overloaded: it serves too many requests of this node",
        ),
        Some(Outcome::Fault(Fault::TooLarge)) => (Called::NoAnswer, "the answer is too large"),
        Some(Outcome::Fault(Fault::Failed)) => (Called::NoAnswer, "serving the request panicked"),
        Some(Outcome::Ended(end)) => (Called::NoAnswer, end.text()),
        None => (Called::NoAnswer, "the deadline passed"),
    };
    Err((called, reason.to_owned()))
}
