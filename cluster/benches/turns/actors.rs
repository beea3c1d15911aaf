//! The actors that are measured, and the node they live on.

use std::{path::Path, sync::Arc};

use cluster::{Bounds, Cluster, ClusterConfig, Gatekeeper, Stores, prelude::*};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use crate::load::runtime;

/// Bytes of a stored value.
pub(crate) const VALUE: usize = 200;

/// An actor that answers from memory, or writes first.
pub(crate) struct Counter {
    count: u64,
}

/// Answered from memory.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "counter.next", reply = u64)]
pub(crate) struct Next;

/// Answered when a value is durable.
#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "counter.store", reply = u64)]
pub(crate) struct Store;

const COUNT: Key<u64> = Key::new("count");
const SLOTS: Keys<(u64, String)> = Keys::new("slots/");

impl VirtualActor for Counter {
    const CLASS: &'static str = "counter";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Next>().on::<Store>()
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self {
            count: ctx.storage().get(&COUNT).await?.unwrap_or_default(),
        })
    }
}

impl Handler<Next> for Counter {
    async fn handle(&mut self, _: Next, _: &mut Ctx<Self>) -> Result<u64> {
        self.count += 1;
        Ok(self.count)
    }
}

impl Handler<Store> for Counter {
    async fn handle(&mut self, _: Store, ctx: &mut Ctx<Self>) -> Result<u64> {
        self.count += 1;
        let slot = SLOTS.key(&(self.count % 100).to_string());
        ctx.storage().put(&slot, &(self.count, "x".repeat(VALUE)))?;
        Ok(self.count)
    }
}

/// A node with runtimes of its own.
pub(crate) struct Node {
    pub(crate) actors: Runtime,
    raft: Runtime,
    pub(crate) cluster: Cluster,
}

impl Node {
    /// Opens a node in a directory, as the server does: two threads for the actors, one for the groups.
    pub(crate) fn open(path: &Path, shards: u16, bounds: Bounds) -> Self {
        Self::guarded(path, shards, bounds, None)
    }

    /// Opens a node that asks who may call.
    pub(crate) fn guarded(path: &Path, shards: u16, bounds: Bounds, gatekeeper: Option<Arc<dyn Gatekeeper>>) -> Self {
        let (actors, raft) = (runtime(2), runtime(1));
        let config = ClusterConfig {
            shards,
            bounds,
            gatekeeper,
            ..ClusterConfig::new(actors.handle().clone(), raft.handle().clone())
        };
        let opening = Cluster::builder(config).actor::<Counter>(()).open(Stores::disk(path));
        let cluster = actors.block_on(opening).expect("a node opens");
        Self { actors, raft, cluster }
    }

    /// References to the first `count` actors.
    pub(crate) fn references(&self, count: usize) -> Vec<ActorRef<Counter>> {
        let tenant = TenantId::new("bench").expect("a lawful name");
        (0..count)
            .map(|n| self.cluster.get(ActorId::from_name::<Counter>(&tenant, &n.to_string())))
            .collect()
    }

    pub(crate) fn close(self) {
        self.actors.block_on(self.cluster.shutdown());
        self.raft.shutdown_background();
    }
}

/// A directory on the disk of the build.
pub(crate) fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory on the disk of the build")
}
