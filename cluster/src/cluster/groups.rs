//! The groups of a node: what makes its writes durable.

use std::sync::Arc;

#[cfg(feature = "testing")]
use crate::testing::SimulatedGroups;
use crate::{consensus::Engine, shard::Shard};

/// The groups of a node.
pub(crate) enum Groups {
    /// Raft groups.
    Engine(Engine),
    /// Simulated ones, for tests of the hosts alone.
    #[cfg(feature = "testing")]
    Simulated(SimulatedGroups),
}

impl Groups {
    pub(super) fn meta(&self) -> Arc<dyn Shard> {
        match self {
            Self::Engine(engine) => engine.meta(),
            #[cfg(feature = "testing")]
            Self::Simulated(groups) => groups.meta(),
        }
    }

    pub(super) fn shards(&self) -> Vec<Arc<dyn Shard>> {
        match self {
            Self::Engine(engine) => engine.shards(),
            #[cfg(feature = "testing")]
            Self::Simulated(groups) => groups.shards(),
        }
    }

    pub(super) async fn shutdown(&self) {
        match self {
            Self::Engine(engine) => engine.shutdown().await,
            #[cfg(feature = "testing")]
            Self::Simulated(groups) => groups.stop(),
        }
    }
}

#[cfg(feature = "testing")]
impl Groups {
    pub(super) async fn crash(&self) {
        match self {
            Self::Engine(engine) => engine.crash().await,
            Self::Simulated(groups) => groups.crash(),
        }
    }

    pub(super) fn commits(&self) -> u64 {
        match self {
            Self::Engine(engine) => engine.status().iter().filter_map(|group| group.applied).sum(),
            Self::Simulated(groups) => groups.commits(),
        }
    }
}
