//! Shards that go from one node to another in good order.

use std::sync::{Arc, OnceLock};

use futures_util::{FutureExt, future::BoxFuture};

use crate::{
    consensus::Engine,
    host::Host,
    members::{Action, Control, EngineGroups, GroupReport},
    peers::NodeId,
};

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
