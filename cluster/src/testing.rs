//! A cluster for tests.

use std::time::Duration;

use crate::{Cluster, VirtualActor};

/// Builder of a [`TestCluster`].
#[derive(Debug)]
pub struct TestClusterBuilder(u64);

#[expect(clippy::unused_async, unused_variables, reason = "skeleton")]
impl TestClusterBuilder {
    /// Registers a class.
    #[must_use]
    pub fn actor<A: VirtualActor>(self, env: A::Env) -> Self {
        unimplemented!()
    }
    /// Starts the cluster.
    pub async fn start(self) -> TestCluster {
        unimplemented!()
    }
}

/// A cluster for tests.
pub struct TestCluster(());

#[expect(clippy::unused_async, unused_variables, reason = "skeleton")]
impl TestCluster {
    /// Begins a cluster whose random choices follow from `seed`.
    pub fn builder(seed: u64) -> TestClusterBuilder {
        TestClusterBuilder(seed)
    }
    /// The node.
    pub fn cluster(&self) -> Cluster {
        unimplemented!()
    }
    /// Lets time pass.
    pub async fn advance(&self, duration: Duration) {
        unimplemented!()
    }
    /// Crashes and restarts: keeps what was fsynced.
    pub async fn crash_and_restart(&mut self) {
        unimplemented!()
    }
    /// Passivates every actor.
    pub async fn passivate_all(&self) {
        unimplemented!()
    }
}
