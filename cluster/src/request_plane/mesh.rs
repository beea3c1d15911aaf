//! The node server of ractor_cluster: it makes an actor for each session and a remote actor for each gateway of a peer.
//!
//! It is given connections that are up, encrypted and introduced. What it cannot leave out is a listener of its own, which
//! anybody on this machine could connect to; that is taken away as soon as it is there.

use std::{net::Ipv4Addr, sync::Arc};

use ractor::{Actor, ActorRef, SpawnErr};
use ractor_cluster::{
    ClusterBidiStream, IncomingEncryptionMode, NodeServer, NodeServerMessage, node::NodeConnectionMode,
};

use super::{
    hello::Cookie,
    roster::{Events, Roster},
};
use crate::peers::NodeId;

/// Bytes that ractor_cluster adds to an envelope, at most.
const OVERHEAD: usize = 1024;

/// A running node server.
pub(crate) struct Mesh {
    server: ActorRef<NodeServerMessage>,
}

impl Mesh {
    /// Starts it, for envelopes of at most this size.
    pub(crate) async fn start(
        node: NodeId,
        cookie: &Cookie,
        envelope: usize,
        roster: Arc<Roster>,
    ) -> Result<Self, SpawnErr> {
        // Of two connections between the same nodes, ractor_cluster keeps that of the name that sorts last: this makes
        // it the lower id, as in `peer.rs`.
        let name = format!("{:020}", u64::MAX - node.get());
        let server = NodeServer::new(
            0,
            cookie.text(),
            name,
            format!("node-{node}"),
            Some(IncomingEncryptionMode::Raw),
            Some(NodeConnectionMode::Isolated),
        )
        .with_listen_addr(Ipv4Addr::LOCALHOST.into())
        .with_max_inbound_frame_size((envelope + OVERHEAD) as u64);
        let (server, _) = Actor::spawn(None, server, ()).await?;
        // The node server would start its listener again, if it heard of its end.
        for listener in server.get_children() {
            listener.unlink(server.get_cell());
            // It waits for nothing that could outlast this.
            let _ = listener.kill_and_wait(None).await;
        }
        let subscription = NodeServerMessage::SubscribeToEvents {
            id: "request-plane".to_owned(),
            subscription: Box::new(Events(roster)),
        };
        // It was started a moment ago, and is stopped only by `stop`.
        let _ = server.cast(subscription);
        Ok(Self { server })
    }

    /// Gives it a connection. What becomes of it, [`Events`] hears.
    pub(crate) fn carry(&self, stream: Box<dyn ClusterBidiStream>, dialled: bool) {
        // After `stop` the connection is dropped.
        let _ = self.server.cast(NodeServerMessage::ConnectionOpenedExternal {
            stream,
            is_server: !dialled,
        });
    }

    /// Stops it, and all sessions.
    pub(crate) async fn stop(&self) {
        // It may have ended before.
        let _ = self.server.stop_and_wait(None, None).await;
    }

    /// Stops it, without waiting.
    pub(crate) fn end(&self) {
        self.server.stop(None);
    }

    /// Whether anybody can connect to it directly.
    #[cfg(test)]
    pub(crate) fn is_sealed(&self) -> bool {
        self.server.get_children().is_empty()
    }
}
