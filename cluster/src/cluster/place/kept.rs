//! What a node keeps, by its role: copies of groups, or nothing.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;

use super::{chain, on};
use crate::{
    cluster::{
        ClusterConfig, Groups, NetworkConfig, OpenError, elsewhere::Elsewhere, moving::Moving, switchboard::Later,
    },
    consensus::{Engine, Group},
    host::Host,
    members::{Action, Control, Settled},
    peers::NodeId,
    raft_plane::{RaftPlane, RaftPlaneConfig, RaftPlaneLimits},
    shard::Shard,
};

/// How long leaders may take to be handed over when a node stops.
const HAND_OVER: Duration = Duration::from_secs(5);

/// Pause until it is seen whether all were.
const HAND_OVER_AGAIN: Duration = Duration::from_millis(20);

/// What a node keeps, by its role.
pub(super) enum Kept {
    /// Copies of groups, and the way to those on other nodes.
    Copies {
        moving: Arc<Moving>,
        engine: Arc<Engine>,
        raft: Arc<RaftPlane>,
    },
    /// Nothing: it is a gateway.
    Nothing(Arc<Elsewhere>),
}

impl Kept {
    /// Connects the groups of an engine with those of other nodes.
    pub(super) async fn copies(
        config: &ClusterConfig,
        network: &NetworkConfig,
        settled: &Settled,
        engine: Arc<Engine>,
        later: &Later,
    ) -> Result<Self, OpenError> {
        let raft = RaftPlaneConfig {
            cluster: settled.cluster,
            node: settled.node,
            name: network.name.clone(),
            listen: network.raft.listen,
            security: network.security.clone(),
            limits: RaftPlaneLimits::default(),
        };
        let raft = on(&config.raft, RaftPlane::bind(raft)).await?;
        let raft = raft.map_err(|error| OpenError::Network(chain(&error)))?;
        raft.serve(engine.service());
        later.open(raft.peers());
        Ok(Self::Copies {
            moving: Moving::new(&engine),
            engine,
            raft: Arc::new(raft),
        })
    }

    pub(super) fn groups(&self) -> Groups {
        match self {
            Self::Copies { engine, .. } => Groups::Engine(Arc::clone(engine)),
            Self::Nothing(elsewhere) => Groups::Elsewhere(Arc::clone(elsewhere)),
        }
    }

    pub(super) fn control(&self) -> Arc<dyn Control> {
        match self {
            Self::Copies { moving, .. } => Arc::<Moving>::clone(moving),
            Self::Nothing(elsewhere) => Arc::<Elsewhere>::clone(elsewhere),
        }
    }

    /// The meta group, if there can be a copy of it.
    pub(super) fn meta(&self) -> Option<Arc<dyn Shard>> {
        match self {
            Self::Copies { engine, .. } => Some(engine.meta()),
            Self::Nothing(_) => None,
        }
    }

    pub(super) fn raft(&self) -> Option<&Arc<RaftPlane>> {
        match self {
            Self::Copies { raft, .. } => Some(raft),
            Self::Nothing(_) => None,
        }
    }

    /// The hosts of the actors, which are there after the ways between the nodes.
    pub(super) fn host(&self, hosts: &[Arc<Host>]) {
        match self {
            Self::Copies { moving, .. } => moving.host(hosts),
            Self::Nothing(_) => {}
        }
    }

    /// Lets other nodes lead what this one leads: first what has begun is finished, then the other node takes over, and
    /// whoever calls meanwhile is answered by it.
    pub(super) async fn hand_over(&self) {
        let Self::Copies { engine, moving, .. } = self else {
            return;
        };
        let handing = async {
            loop {
                hand_over_now(engine, moving).await;
                // What was decided before it was known that this node leaves may still give it a leader.
                tokio::time::sleep(HAND_OVER_AGAIN).await;
                if to_hand_over(engine).next().is_none() {
                    return;
                }
            }
        };
        if tokio::time::timeout(HAND_OVER, handing).await.is_err() {
            tracing::warn!("not all leaders could be handed over in time");
        }
    }
}

/// The groups that this node leads and another one could, and which.
fn to_hand_over(engine: &Engine) -> impl Iterator<Item = (&Group, NodeId)> {
    let groups = (0..).map_while(|number| engine.group(number));
    groups.filter_map(|group| Some((&**group, successor(group)?)))
}

async fn hand_over_now(engine: &Engine, moving: &Moving) {
    let handing = to_hand_over(engine).map(|(group, next)| async move {
        let shard = group
            .number()
            .checked_sub(1)
            .and_then(|shard| u16::try_from(shard).ok());
        if let Err(error) = moving.take(shard, Action::TransferLeader(next)).await {
            tracing::warn!(error, group = group.number(), "leadership could not be handed over");
        }
    });
    join_all(handing).await;
}

/// The voter that is closest to leading a group that this node leads.
fn successor(group: &Group) -> Option<NodeId> {
    let voters = group.standing().voters;
    let others = group.lag()?.into_iter();
    let others = others.filter(|(node, _)| voters.contains(node) && !group.is_silent(*node));
    let (next, _) = others.min_by_key(|(_, lag)| *lag)?;
    Some(next)
}
