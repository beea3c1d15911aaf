//! What operators ask of a node: who is there, how it does, and that it goes.

use std::sync::Arc;

use super::Cluster;
use crate::{
    ActorError, ActorId, ActorStatus, LiveActor, ReadToken, Result, SlowTurn, StoredValue, TenantId,
    address::Address,
    metrics::shards,
    remote::{Inspect, Live, Passivate, Values},
    router::Node,
    storage,
};

impl Cluster {
    /// Names of the registered classes, in order.
    pub fn class_names(&self) -> Vec<&'static str> {
        self.0.node.classes.names()
    }

    /// The id of an actor whose class is known by name only.
    ///
    /// # Errors
    /// `class.unregistered` if no class of this name is registered, `actor.name` if the name is out of bounds.
    pub fn actor_id(&self, class: &str, tenant: &TenantId, name: &str) -> Result<ActorId> {
        let classes = &self.0.node.classes;
        let registered = classes.uid(class).and_then(|uid| classes.by_uid(uid));
        let registered = registered.ok_or_else(|| unregistered(class))?;
        let id = ActorId::from_parts(registered.name(), tenant.clone(), name.to_owned());
        id.check()?;
        Ok(id)
    }

    /// What is known of an actor: what it has stored, its alarm, what of it is in memory. It activates nothing; actors
    /// that never were are described too. Counting the state reads it, up to 10,000 rows.
    ///
    /// # Errors
    /// As [`actor_id`](Self::actor_id), and `storage.read` if the state cannot be read, `retryable` while its shard has no
    /// owner.
    pub async fn inspect(&self, id: &ActorId) -> Result<ActorStatus> {
        let node = &self.0.node;
        let address = address(node, id)?;
        node.operate(node.shard(address.hash), Inspect(address.stored())).await
    }

    /// What of an actor is in memory; empty if it is passive. It reads nothing from the disk.
    ///
    /// # Errors
    /// As [`actor_id`](Self::actor_id), and `retryable` while its shard has no owner.
    pub async fn live(&self, id: &ActorId) -> Result<Option<LiveActor>> {
        let node = &self.0.node;
        let address = address(node, id)?;
        node.operate(node.shard(address.hash), Live(address.stored())).await
    }

    /// A page of what an actor has stored, in the order of the keys, behind the key `after`. A `limit` of 0 stands for
    /// the bound of a page.
    ///
    /// # Errors
    /// `too-large` if the limit exceeds the bound of a page; otherwise as [`inspect`](Self::inspect).
    pub async fn stored_values(&self, id: &ActorId, after: Option<&str>, limit: usize) -> Result<Vec<StoredValue>> {
        let node = &self.0.node;
        let limit = storage::page(limit, node.bounds.list_page)?;
        let address = address(node, id)?;
        let mut values: Vec<StoredValue> = Vec::new();
        loop {
            let part = Values {
                address: address.stored(),
                after: values
                    .last()
                    .map(|value| value.key.as_str())
                    .or(after)
                    .map(str::to_owned),
                limit: limit - values.len(),
            };
            let (part, is_end) = node.operate(node.shard(address.hash), part).await?;
            values.extend(part.into_iter().map(|(key, value)| StoredValue {
                key,
                value: value.into(),
            }));
            if is_end {
                return Ok(values);
            }
        }
    }

    /// Puts an actor away after the messages it has, and waits until what they did is durable. Says whether it was in
    /// memory. The next message activates it again.
    ///
    /// # Errors
    /// `unknown` if it lost its shard meanwhile, so that what it did last may or may not be durable; `retryable` if that
    /// had no effect; otherwise as [`actor_id`](Self::actor_id).
    pub async fn passivate(&self, id: &ActorId) -> Result<bool> {
        let node = &self.0.node;
        let address = address(node, id)?;
        node.operate(node.shard(address.hash), Passivate(address.stored()))
            .await
    }

    /// A token that covers everything an actor was said to have done before this call: with it a listing on any node, also
    /// from a copy, shows no less.
    ///
    /// # Errors
    /// As [`live`](Self::live).
    pub async fn read_token(&self, id: &ActorId) -> Result<ReadToken> {
        let node = &self.0.node;
        let address = address(node, id)?;
        node.read_token(node.shard(address.hash)).await
    }

    /// The last turns of this node that took at least [`Bounds::slow_turn`](crate::Bounds::slow_turn), the latest first.
    pub fn slow_turns(&self) -> Vec<SlowTurn> {
        self.0.node.watch.slow_turns()
    }

    /// Sets the gauges that are looked at rather than counted: outboxes, logs, snapshots, shards. To be called before metrics are
    /// read.
    pub fn sample_metrics(&self) {
        let (node, groups) = (&self.0.node, self.0.groups.status());
        node.metrics.sampled(
            node.hosts.iter().map(|host| host.outbox.get()).sum(),
            groups.iter().map(|group| group.log_bytes).sum(),
            groups.iter().map(|group| group.snapshot_bytes).sum(),
        );
        for group in self.0.groups.look() {
            shards::sampled(&group);
        }
    }
}

fn address(node: &Node, id: &ActorId) -> Result<Arc<Address>> {
    id.check()?;
    let class = node.classes.uid(id.class()).ok_or_else(|| unregistered(id.class()))?;
    Ok(Address::new(class, id.clone()))
}

fn unregistered(class: &str) -> ActorError {
    ActorError::unsupported("class.unregistered", format!("class {class} is not registered"))
}
