//! Which part of a node a request of another one is for: the first byte says it.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{
    FutureExt,
    future::{BoxFuture, ready},
};
use tokio::sync::watch;

use crate::{
    members::Registrar,
    peers::{CallError, Lane, NodeId, Peers, Service},
};

/// What requests are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Topic {
    /// Actors, and what the shards hold.
    Actors,
    /// The nodes of the cluster.
    Members,
}

impl Topic {
    fn byte(self) -> u8 {
        match self {
            Self::Actors => 0,
            Self::Members => 1,
        }
    }

    fn of(byte: u8) -> Option<Self> {
        [Self::Actors, Self::Members]
            .into_iter()
            .find(|topic| topic.byte() == byte)
    }
}

/// The other nodes, as one part of this one calls them.
pub(super) struct About {
    peers: Arc<dyn Peers>,
    topic: Topic,
}

impl About {
    pub(super) fn new(topic: Topic, peers: Arc<dyn Peers>) -> Arc<Self> {
        Arc::new(Self { peers, topic })
    }
}

impl Peers for About {
    fn call(
        &self,
        to: NodeId,
        lane: Lane,
        request: Bytes,
        within: Duration,
    ) -> BoxFuture<'static, Result<Bytes, CallError>> {
        let mut bytes = BytesMut::with_capacity(1 + request.len());
        bytes.put_u8(self.topic.byte());
        bytes.put_slice(&request);
        self.peers.call(to, lane, bytes.freeze(), within)
    }
}

/// A request that a node without a number sends, as [`Switchboard::admit`] expects it.
pub(super) fn about_members(request: &[u8]) -> Bytes {
    [&[Topic::Members.byte()], request].concat().into()
}

/// Gives each request to the part of the node that it is for. A part that is not there yet lets requests wait; whoever
/// sent them gives up at their deadline.
pub(super) struct Switchboard {
    actors: watch::Sender<Option<Arc<dyn Service>>>,
    members: watch::Sender<Option<Arc<Registrar>>>,
}

impl Default for Switchboard {
    fn default() -> Self {
        Self {
            actors: watch::Sender::new(None),
            members: watch::Sender::new(None),
        }
    }
}

impl Switchboard {
    pub(super) fn attach_actors(&self, service: Arc<dyn Service>) {
        self.actors.send_replace(Some(service));
    }

    pub(super) fn attach_members(&self, registrar: Arc<Registrar>) {
        self.members.send_replace(Some(registrar));
    }

    /// Lets nobody in any more.
    pub(super) fn detach(&self) {
        self.actors.send_replace(None);
        self.members.send_replace(None);
    }
}

impl Service for Switchboard {
    fn serve(&self, from: NodeId, lane: Lane, mut request: Bytes) -> BoxFuture<'static, Bytes> {
        let topic = request.first().copied().and_then(Topic::of);
        match topic {
            Some(Topic::Actors) => {
                let request = request.split_off(1);
                let service = self.actors.borrow().clone();
                // At once if it can be, so that requests are taken in as they arrive.
                match service {
                    Some(service) => service.serve(from, lane, request),
                    None => late(&self.actors, move |service| service.serve(from, lane, request)),
                }
            }
            Some(Topic::Members) => {
                let request = request.split_off(1);
                late(&self.members, move |registrar| registrar.serve(&request))
            }
            // Of a newer program; nobody takes nothing for an answer.
            None => ready(Bytes::new()).boxed(),
        }
    }

    fn admit(&self, mut request: Bytes) -> Option<BoxFuture<'static, Bytes>> {
        let topic = request.first().copied().and_then(Topic::of);
        if topic != Some(Topic::Members) {
            return None;
        }
        let registrar = self.members.borrow().clone()?;
        registrar.admit(&request.split_off(1))
    }
}

/// Serves a request as soon as there is somebody for it.
fn late<S: Clone + Send + Sync + 'static>(
    part: &watch::Sender<Option<S>>,
    serve: impl FnOnce(S) -> BoxFuture<'static, Bytes> + Send + 'static,
) -> BoxFuture<'static, Bytes> {
    let mut part = part.subscribe();
    async move {
        let there = part.wait_for(Option::is_some).await.ok();
        let there = there.and_then(|part| part.clone());
        match there {
            Some(part) => serve(part).await,
            None => Bytes::new(),
        }
    }
    .boxed()
}

/// The other nodes, for a part that is there before there is a way to them.
#[derive(Default)]
pub(super) struct Later(OnceLock<Arc<dyn Peers>>);

impl Later {
    /// From now on there is a way.
    pub(super) fn open(&self, peers: Arc<dyn Peers>) {
        let opened = self.0.set(peers);
        debug_assert!(opened.is_ok(), "a way is opened once");
    }
}

impl Peers for Later {
    fn call(
        &self,
        to: NodeId,
        lane: Lane,
        request: Bytes,
        within: Duration,
    ) -> BoxFuture<'static, Result<Bytes, CallError>> {
        match self.0.get() {
            Some(peers) => peers.call(to, lane, request, within),
            None => ready(Err(CallError::NotSent {
                node: to,
                reason: "this node is still starting".to_owned(),
            }))
            .boxed(),
        }
    }
}
