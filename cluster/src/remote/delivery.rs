//! What actors send through the sockets of other nodes.

use std::time::Duration;

use super::{
    Remote,
    request::{Answer, Request},
};
use crate::{
    Timestamp,
    peers::{CallError, NodeId},
    socket::{Delivery, Ports, SocketId},
    storage, wire,
};

impl Remote {
    /// Hands something to clients of another node, which takes these requests once and in the order of their numbers. Returns
    /// the sockets that it does not have.
    pub(crate) async fn deliver(
        &self,
        to: NodeId,
        number: u64,
        deliveries: &[Delivery],
        within: Duration,
    ) -> Result<Vec<SocketId>, CallError> {
        let instance = self.instance;
        let request = Request::Deliver { instance, number }.encode(&storage::encoded(&deliveries));
        match self.exchange(to, request, within).await? {
            (Answer::Delivered(unknown), _) => Ok(unknown),
            // It cannot have any.
            (Answer::Unreadable, _) => Ok(deliveries.iter().flat_map(|delivery| sockets(to, delivery)).collect()),
            _ => Err(CallError::NoAnswer {
                node: to,
                reason: "the answer is to something else".to_owned(),
            }),
        }
    }

    /// When a gateway last answered a frame of a socket by itself.
    pub(crate) async fn auto_responded(
        &self,
        socket: SocketId,
        within: Duration,
    ) -> Result<Option<Timestamp>, CallError> {
        let SocketId { node, instance, number } = socket;
        let request = Request::AutoResponded { instance, number }.encode(&[]);
        match self.exchange(node, request, within).await? {
            (Answer::AutoResponded(answered), _) => Ok(answered),
            _ => Err(CallError::NoAnswer {
                node,
                reason: "the answer is to something else".to_owned(),
            }),
        }
    }

    /// Which run of its process a node is; `None` if it does not say.
    pub(crate) async fn instance_of(&self, node: NodeId, within: Duration) -> Option<u64> {
        match self.exchange(node, Request::Instance.encode(&[]), within).await {
            Ok((Answer::Instance(instance), _)) => Some(instance),
            Ok(_) => None,
            Err(error) => {
                tracing::debug!(%error, "a gateway does not answer");
                None
            }
        }
    }
}

fn sockets(node: NodeId, delivery: &Delivery) -> impl Iterator<Item = SocketId> {
    let instance = delivery.instance;
    let numbers = delivery.numbers.iter();
    numbers.map(move |&number| SocketId { node, instance, number })
}

/// Hands what another node sends to the clients of this one.
pub(super) fn deliver(ports: &Ports, (node, sender, number): (NodeId, u64, u64), content: &[u8]) -> Answer {
    match wire::decode::<Vec<Delivery>>(content) {
        Ok(deliveries) => {
            let all = |ports: &Ports| {
                let unknown = deliveries
                    .into_iter()
                    .flat_map(|delivery| ports.deliver(node, delivery));
                unknown.collect()
            };
            Answer::Delivered(ports.in_order(sender, number, all))
        }
        Err(error) => {
            tracing::warn!(%error, "another node sent what cannot be read");
            Answer::Unreadable
        }
    }
}
