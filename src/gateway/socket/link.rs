//! A socket that has no WebSocket: the gateway itself talks to an actor, for a client that speaks another protocol.

use cluster::{
    Outgoing, SocketReceiver, SocketSender,
    prelude::{ActorId, Opening},
};

use super::count::Counted;
use crate::gateway::{caller::Caller, error::Problem, state::Gateway};

/// A connection to an actor. It counts as one of the tenant's sockets, and closes when it is dropped.
#[derive(Debug)]
pub(crate) struct Link {
    sender: SocketSender,
    receiver: SocketReceiver,
    _counted: Counted,
}

impl Link {
    /// Connects a caller to an actor.
    ///
    /// # Errors
    ///
    /// Fails if the tenant has too many sockets, or the actor refuses.
    pub(crate) async fn open(
        gateway: &Gateway,
        caller: &Caller,
        actor: ActorId,
        opening: Opening,
    ) -> Result<Self, Problem> {
        let counted = gateway
            .socket_counts
            .another(&caller.tenant, gateway.sockets.per_tenant)?;
        let credentials = gateway.context.renewed(caller);
        let (sender, receiver) = gateway.cluster.connect(actor, opening, credentials).await?;
        Ok(Self {
            sender,
            receiver,
            _counted: counted,
        })
    }

    /// Says something to the actor, when there is room for it.
    pub(crate) async fn say(&self, text: String) {
        self.sender.send(cluster::Frame::Text(text)).await;
    }

    /// What the actor says next; none when it has closed the connection. It can be dropped and called again.
    pub(crate) async fn next(&mut self) -> Option<cluster::Frame> {
        match self.receiver.next().await? {
            Outgoing::Frame(frame) => Some(frame),
            Outgoing::Close(_) => None,
        }
    }
}
