//! Shards that go from one node to another in good order.

use std::sync::{Arc, OnceLock};

use futures_util::{FutureExt, future::BoxFuture};

use crate::{
    consensus::Engine,
    host::Host,
    members::{Action, Control, EngineGroups, GroupReport},
    peers::NodeId,
};

/// Why a shard is not handed over by a node that was elected a moment ago.
const NOT_YET: &str = "the node leads the shard and does not own it yet";

/// The groups of a node with the hosts of their actors: before another node leads a shard, what has begun is finished.
pub(super) struct Moving {
    groups: EngineGroups,
    hosts: OnceLock<Vec<Arc<Host>>>,
}

impl Moving {
    pub(super) fn new(engine: &Engine) -> Arc<Self> {
        Arc::new(Self {
            groups: EngineGroups::new(engine),
            hosts: OnceLock::new(),
        })
    }

    /// The hosts, once there are any.
    pub(super) fn host(&self, hosts: &[Arc<Host>]) {
        let hosted = self.hosts.set(hosts.to_vec());
        debug_assert!(hosted.is_ok(), "a node is opened once");
    }
}

impl Control for Moving {
    fn report(&self) -> Vec<GroupReport> {
        self.groups.report()
    }

    fn meta_leader(&self) -> Option<NodeId> {
        self.groups.meta_leader()
    }

    fn take(&self, shard: Option<u16>, action: Action) -> BoxFuture<'static, Result<(), String>> {
        let hosts = self.hosts.get();
        let host = shard.and_then(|shard| hosts?.get(usize::from(shard))).cloned();
        let leaves = matches!(action, Action::TransferLeader(_));
        let taken = self.groups.take(shard, action);
        let Some(host) = host.filter(|_| leaves) else {
            return taken;
        };
        async move {
            // Calls that come between an election and the epoch would be taken in after all, and then be refused.
            if host.epoch().is_none() {
                return Err(NOT_YET.to_owned());
            }
            host.leave().await;
            let taken = taken.await;
            if taken.is_err() {
                host.stay();
            }
            taken
        }
        .boxed()
    }
}

#[cfg(feature = "testing")]
impl crate::Cluster {
    /// Gives a shard to another node in good order, as it is done where there are more or fewer nodes.
    pub(crate) async fn hand_over(&self, shard: u16, to: NodeId) -> Result<(), String> {
        let engine = self.groups().engine().ok_or("the groups are not those of an engine")?;
        let moving = Moving::new(engine);
        moving.host(&self.node().hosts);
        moving.take(Some(shard), Action::TransferLeader(to)).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use tokio::runtime::Handle;

    use super::*;
    use crate::{
        Bounds,
        consensus::{EngineConfig, MemoryDisk, Stores},
        testing::{Network, TestClock},
    };

    #[tokio::test(start_paused = true)]
    async fn a_shard_is_handed_over_by_its_owner_only() {
        let engine = Engine::open(EngineConfig {
            shards: 1,
            stores: Stores::Memory(MemoryDisk::new(1)),
            node: NodeId::FIRST,
            peers: Network::new(1).peers(NodeId::FIRST),
            found: true,
            raft: Handle::current(),
            actors: Handle::current(),
            clock: Arc::new(TestClock::default()),
            on_fatal: Arc::new(|reason| panic!("{reason}")),
        });
        let engine = engine.await.unwrap();
        engine.ready().await;
        // It has not heard yet that the group is owned.
        let host = Host::new(
            Weak::new(),
            engine.shards()[0].clone(),
            Handle::current(),
            Arc::new(Bounds::default()),
            1,
            Arc::default(),
        );
        let moving = Moving::new(&engine);
        moving.host(std::slice::from_ref(&host));
        let taken = moving.take(Some(0), Action::TransferLeader(NodeId::new(2))).await;
        assert_eq!(taken, Err(NOT_YET.to_owned()));
        engine.shutdown().await;
    }
}
