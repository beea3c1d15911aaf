//! What a turn sends through sockets, on its way to the gateways.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use super::{Closing, Delivery, SocketId, courier, departures::Underway, table::Command};
use crate::{address::Address, peers::NodeId, router::Node, shard::Epoch};

/// Something for one socket or several.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(crate) sockets: Vec<SocketId>,
    pub(crate) command: Command,
}

/// What one turn sends. It leaves when the turn is durable, or never.
pub(crate) struct Departing {
    pub(crate) node: Arc<Node>,
    pub(crate) address: Arc<Address>,
    pub(crate) epoch: Epoch,
    pub(crate) parcels: Vec<Parcel>,
    pub(crate) underway: Arc<Underway>,
}

impl Departing {
    /// Hands it to the gateways: to this node at once, and to others in the order of these calls.
    pub(crate) fn leave(self) {
        let Self {
            node,
            address,
            epoch,
            parcels,
            underway,
        } = self;
        let mut lost = Vec::new();
        let mut away: BTreeMap<NodeId, Vec<Delivery>> = BTreeMap::new();
        for Parcel { sockets, command } in parcels {
            for (gateway, delivery) in sorted(sockets, epoch, command) {
                if gateway == node.remote.node {
                    lost.extend(node.ports.deliver(gateway, delivery));
                } else {
                    away.entry(gateway).or_default().push(delivery);
                }
            }
        }
        for (gateway, deliveries) in away {
            node.lanes.push(&node, gateway, &address, &underway, deliveries);
        }
        lose(&node, &address, lost);
    }
}

/// One delivery for each process that keeps some of these sockets.
fn sorted(sockets: Vec<SocketId>, epoch: Epoch, command: Command) -> Vec<(NodeId, Delivery)> {
    let mut processes: BTreeMap<(NodeId, u64), Vec<u64>> = BTreeMap::new();
    for SocketId { node, instance, number } in sockets {
        match processes.entry((node, instance)) {
            Entry::Vacant(entry) => drop(entry.insert(vec![number])),
            Entry::Occupied(mut entry) => entry.get_mut().push(number),
        }
    }
    let deliveries = processes.into_iter().map(|((gateway, instance), numbers)| {
        let delivery = Delivery {
            instance,
            epoch,
            numbers,
            command: command.clone(),
        };
        (gateway, delivery)
    });
    deliveries.collect()
}

/// Tells an actor of sockets that their gateway does not have any more.
pub(super) fn lose(node: &Arc<Node>, address: &Arc<Address>, lost: Vec<SocketId>) {
    let lost = node.lanes.begin_telling(lost);
    if lost.is_empty() {
        return;
    }
    let (node, address) = (Arc::clone(node), Arc::clone(address));
    let runtime = node.host(address.hash).runtime.clone();
    runtime.spawn(async move {
        for socket in lost {
            courier::tell_closed(&node, &address, socket, Closing::lost()).await;
            node.lanes.told(socket);
        }
    });
}
