//! The groups of a node: what makes its writes durable.

use std::sync::Arc;

use super::{GroupStatus, elsewhere::Elsewhere};
#[cfg(feature = "testing")]
use crate::testing::SimulatedGroups;
use crate::{
    consensus::{self, Copies, Engine},
    members::{LocalGroup, local_group},
    peers::Service,
    shard::Shard,
};

/// The groups of a node.
pub(crate) enum Groups {
    /// Raft groups.
    Engine(Arc<Engine>),
    /// None: they are all on other nodes.
    Elsewhere(Arc<Elsewhere>),
    /// Simulated ones, for tests of the hosts alone.
    #[cfg(feature = "testing")]
    Simulated(SimulatedGroups),
}

impl Groups {
    pub(super) fn meta(&self) -> Arc<dyn Shard> {
        match self {
            Self::Engine(engine) => engine.meta(),
            Self::Elsewhere(groups) => groups.meta(),
            #[cfg(feature = "testing")]
            Self::Simulated(groups) => groups.meta(),
        }
    }

    pub(super) fn shards(&self) -> Vec<Arc<dyn Shard>> {
        match self {
            Self::Engine(engine) => engine.shards(),
            Self::Elsewhere(groups) => groups.shards(),
            #[cfg(feature = "testing")]
            Self::Simulated(groups) => groups.shards(),
        }
    }

    /// What answers the groups of other nodes.
    pub(super) fn service(&self) -> Option<Arc<dyn Service>> {
        match self {
            Self::Engine(engine) => Some(engine.service()),
            Self::Elsewhere(_) => None,
            #[cfg(feature = "testing")]
            Self::Simulated(_) => None,
        }
    }

    pub(super) async fn shutdown(&self) {
        match self {
            Self::Engine(engine) => engine.shutdown().await,
            Self::Elsewhere(groups) => groups.close(),
            #[cfg(feature = "testing")]
            Self::Simulated(groups) => groups.stop(),
        }
    }

    pub(super) async fn take_snapshots(&self) {
        match self {
            Self::Engine(engine) => engine.take_snapshots().await,
            Self::Elsewhere(_) => {}
            #[cfg(feature = "testing")]
            Self::Simulated(_) => {}
        }
    }

    /// What those who copy groups ask. Simulated ones have no log to copy, and a gateway has nothing.
    pub(super) fn copies(&self) -> Option<Arc<Copies>> {
        match self {
            Self::Engine(engine) => Some(engine.copies()),
            Self::Elsewhere(_) => None,
            #[cfg(feature = "testing")]
            Self::Simulated(_) => None,
        }
    }

    /// The groups of an engine as this node sees them; without voters where nobody has added it.
    pub(super) fn look(&self) -> Vec<LocalGroup> {
        match self {
            Self::Engine(engine) => {
                let groups = (0..).map_while(|number| engine.group(number));
                groups.map(|group| local_group(group)).collect()
            }
            Self::Elsewhere(_) => Vec::new(),
            #[cfg(feature = "testing")]
            Self::Simulated(_) => Vec::new(),
        }
    }

    pub(super) fn status(&self) -> Vec<GroupStatus> {
        match self {
            Self::Engine(engine) => engine.status().into_iter().map(of_engine).collect(),
            Self::Elsewhere(_) => Vec::new(),
            #[cfg(feature = "testing")]
            Self::Simulated(_) => Vec::new(),
        }
    }
}

fn of_engine(status: consensus::GroupStatus) -> GroupStatus {
    let consensus::GroupStatus {
        shard,
        epoch,
        applied,
        last,
        log_bytes,
        snapshot,
        snapshot_bytes,
    } = status;
    GroupStatus {
        shard,
        epoch: epoch.map(|epoch| epoch.0),
        applied,
        last,
        log_bytes,
        snapshot,
        snapshot_bytes,
    }
}

#[cfg(feature = "testing")]
impl Groups {
    /// The engine, if there is one.
    pub(crate) fn engine(&self) -> Option<&Engine> {
        match self {
            Self::Engine(engine) => Some(engine),
            Self::Elsewhere(_) | Self::Simulated(_) => None,
        }
    }

    pub(super) async fn crash(&self) {
        match self {
            Self::Engine(engine) => engine.crash().await,
            Self::Elsewhere(groups) => groups.close(),
            Self::Simulated(groups) => groups.crash(),
        }
    }

    pub(super) fn commits(&self) -> u64 {
        match self {
            Self::Engine(engine) => engine.status().iter().filter_map(|group| group.applied).sum(),
            Self::Elsewhere(_) => 0,
            Self::Simulated(groups) => groups.commits(),
        }
    }
}
