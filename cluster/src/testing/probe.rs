//! A look behind the actors: what is durable of them, and under which epoch they run.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::{Leftovers, audit};
use crate::{
    ActorId, Cluster, Ctx, Key, Keys, VirtualActor, address::Address, directory::Record, keyspace, router::Node, wire,
};

/// The epoch under which an activation was made.
pub fn epoch_of<A: VirtualActor>(ctx: &mut Ctx<A>) -> u64 {
    ctx.turn().mailbox.epoch.0
}

/// A look behind the actors of the node that an activation lives on.
pub fn probe_of<A: VirtualActor>(ctx: &mut Ctx<A>) -> Probe {
    Probe(Arc::downgrade(&ctx.turn().node))
}

/// A look behind the actors of one node. It does not keep the node alive.
#[derive(Debug, Clone)]
pub struct Probe(Weak<Node>);

impl Probe {
    pub(super) fn new(cluster: &Cluster) -> Self {
        Self(Arc::downgrade(cluster.node()))
    }

    /// The node, counted from 0.
    pub fn node(&self) -> Option<usize> {
        Some(super::nodes::place(self.0.upgrade()?.remote.node))
    }

    /// The epoch under which activations of the actor may run at this moment.
    pub fn epoch<A: VirtualActor>(&self, id: &ActorId) -> Option<u64> {
        let node = self.0.upgrade()?;
        let address = address::<A>(&node, id)?;
        node.host(address.hash).epoch().map(|epoch| epoch.0)
    }

    /// The value of a key as far as it is durable; `None` also if the node is gone.
    pub fn stored<A: VirtualActor, T: DeserializeOwned>(&self, id: &ActorId, key: &Key<T>) -> Option<T> {
        let node = self.0.upgrade()?;
        let address = address::<A>(&node, id)?;
        let shard = &node.host(address.hash).shard;
        let record = shard.get(&keyspace::record(address.hash)).ok()??;
        let record: Record = wire::decode(&record).ok()?;
        let row = keyspace::state(address.hash, record.generation, key.name());
        wire::decode(&shard.get(&row).ok()??).ok()
    }

    /// The members of a family as far as they are durable.
    pub fn listed<A: VirtualActor, T: DeserializeOwned>(&self, id: &ActorId, keys: &Keys<T>) -> BTreeMap<String, T> {
        self.family::<A, T>(id, keys).unwrap_or_default()
    }

    fn family<A: VirtualActor, T: DeserializeOwned>(
        &self,
        id: &ActorId,
        keys: &Keys<T>,
    ) -> Option<BTreeMap<String, T>> {
        let node = self.0.upgrade()?;
        let address = address::<A>(&node, id)?;
        let shard = &node.host(address.hash).shard;
        let record = shard.get(&keyspace::record(address.hash)).ok()??;
        let record: Record = wire::decode(&record).ok()?;
        let prefix = keyspace::state(address.hash, record.generation, keys.prefix());
        let cut = prefix.len();
        let rows = shard.scan(keyspace::under(prefix), false, usize::MAX).ok()?;
        let read = |(key, value): (Bytes, Bytes)| {
            Some((String::from_utf8(key[cut..].to_vec()).ok()?, wire::decode(&value).ok()?))
        };
        rows.into_iter().map(read).collect()
    }

    /// Checks that the durable rows of every shard belong together.
    ///
    /// # Errors
    /// What does not.
    pub fn audit(&self) -> Result<Leftovers, String> {
        let Some(node) = self.0.upgrade() else {
            return Ok(Leftovers::default());
        };
        audit::audit(&node)
    }

    /// Checks the durable rows of one shard.
    ///
    /// # Errors
    /// What does not belong together.
    pub fn audit_shard(&self, shard: u16) -> Result<Leftovers, String> {
        let Some(node) = self.0.upgrade() else {
            return Ok(Leftovers::default());
        };
        audit::audit_shard(&node, shard)
    }

    /// The epoch under which the node owns a shard at this moment.
    pub fn shard_epoch(&self, shard: u16) -> Option<u64> {
        let node = self.0.upgrade()?;
        node.hosts.get(usize::from(shard))?.epoch().map(|epoch| epoch.0)
    }
}

fn address<A: VirtualActor>(node: &Node, id: &ActorId) -> Option<Arc<Address>> {
    let class = node.resolve::<A>(id).ok()?;
    Some(Address::new(class, id.clone()))
}
