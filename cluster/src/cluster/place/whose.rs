//! Whose a data directory is, and how a node without a number comes to one.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{introduction, unusable};
use crate::{
    NodeAddress, Role, Security,
    backup::CLUSTER_ID,
    cluster::{ClusterConfig, NetworkConfig, OpenError, switchboard::about_members},
    cluster_id::ClusterId,
    consensus::{self, DataDirectory},
    keyspace,
    members::{Identity, Joined, Origin, Seeds, Settled, Silence, Table, join},
    peers::NodeId,
    request_plane::{RequestBounds, call_address},
    shard::{Op, Outcome, Proposal, Shard, WriteSet},
};

/// Whose a data directory is.
pub(super) enum Whose {
    /// That of the first node of a cluster, which it does not say yet. The id of the cluster may be drawn already.
    Founder { token: Uuid, cluster: Option<ClusterId> },
    /// That of a node with a number.
    Node {
        settled: Settled,
        known: Table,
        shards: Option<u16>,
    },
}

/// What a node knows of itself and of the others when it starts.
pub(super) struct Known {
    pub(super) settled: Settled,
    pub(super) table: Table,
    pub(super) is_founder: bool,
}

impl Whose {
    /// The place of a node, which that of a founder gets from the meta group that it owns alone.
    pub(super) async fn place(
        self,
        config: &ClusterConfig,
        network: &NetworkConfig,
        meta: &dyn Shard,
    ) -> Result<Known, OpenError> {
        let (token, cluster) = match self {
            Self::Node { settled, known, .. } => {
                return Ok(Known {
                    settled,
                    table: known,
                    is_founder: false,
                });
            }
            Self::Founder { token, cluster } => (token, cluster),
        };
        let fresh = cluster.unwrap_or_else(|| ClusterId::new(Uuid::new_v4()));
        let cluster = tokio::time::timeout(config.start_within, own_cluster_id(meta, fresh))
            .await
            .map_err(|_| OpenError::NoOwner(vec![crate::remote::META]))??;
        Ok(Known {
            settled: Settled {
                cluster,
                node: NodeId::FIRST,
                name: network.name.clone(),
                token,
                origin: Origin::Founded,
            },
            table: Table::default(),
            is_founder: true,
        })
    }
}

/// Finds out which node a directory is, and asks for a number if it has none.
pub(super) async fn identify(path: &Path, network: &NetworkConfig) -> Result<Whose, OpenError> {
    let unread = |error: crate::members::IdentityError| OpenError::Stores(error.to_string());
    let shards = consensus::format(path)?;
    let token = match Identity::read(path).map_err(unread)? {
        Some(Identity::Settled(mut settled)) => {
            let known = Table::load(path).map_err(|error| unusable(path, &error))?;
            if settled.name != network.name {
                settled.name = network.name.clone();
                Identity::Settled(settled.clone()).write(path).map_err(unread)?;
            }
            return Ok(Whose::Node { settled, known, shards });
        }
        Some(Identity::Founding { token, cluster, .. }) => {
            let cluster = Some(cluster);
            return Ok(Whose::Founder { token, cluster });
        }
        Some(Identity::Joining { token, .. }) => Some(token),
        None if shards.is_some() && !network.seeds.is_empty() => {
            return Err(OpenError::Network(format!(
                "{} holds the data of a cluster of its own: start it without seeds, and let the others join it; or begin \
                 with an empty directory",
                path.display()
            )));
        }
        None => None,
    };
    if network.seeds.is_empty() {
        if network.role == Role::Gateway {
            return Err(OpenError::Network(
                "a gateway keeps nothing, so it cannot found a cluster: it needs seeds".to_owned(),
            ));
        }
        if token.is_some() {
            return Err(OpenError::Network(format!(
                "{} has begun to join a cluster, so it needs seeds; remove the directory to found a cluster instead",
                path.display()
            )));
        }
        return Ok(Whose::Founder {
            token: Uuid::new_v4(),
            cluster: None,
        });
    }
    let token = token.unwrap_or_else(Uuid::new_v4);
    let name = network.name.clone();
    Identity::Joining {
        name: name.clone(),
        token,
    }
    .write(path)
    .map_err(unread)?;
    let ways = Ways(network.security.clone());
    tracing::info!(seeds = network.seeds.len(), "asking to join");
    let joined = join(&ways, &network.seeds, introduction(network, token), None)
        .await
        .map_err(|refusal| OpenError::Network(format!("the cluster does not take this node in: {refusal}")))?;
    let shards = Some(joined.shards);
    let (settled, known) = keep(path, joined, |cluster, node| Settled {
        cluster,
        node,
        name,
        token,
        origin: Origin::Joined,
    })?;
    tracing::info!(node = %settled.node, cluster = %settled.cluster, "joined");
    Ok(Whose::Node { settled, known, shards })
}

/// Keeps in a directory what the cluster told its node, which it took in.
pub(super) fn keep(
    path: &Path,
    joined: Joined,
    settled: impl FnOnce(ClusterId, NodeId) -> Settled,
) -> Result<(Settled, Table), OpenError> {
    let settled = settled(joined.cluster, joined.node);
    let known = Table::of(joined.members);
    known.save(path).map_err(|error| unusable(path, &error))?;
    // First, so that a node that has its number never takes another number of shards for that of its cluster.
    drop(DataDirectory::open(path, joined.shards)?);
    let written = Identity::Settled(settled.clone()).write(path);
    written.map_err(|error| OpenError::Stores(error.to_string()))?;
    Ok((settled, known))
}

/// Which node a directory is, for one that is alone: the number that it has from a time when it was not. The directory of
/// a node among others is refused.
pub(in crate::cluster) fn lone_node(path: &Path) -> Result<NodeId, OpenError> {
    match Identity::read(path) {
        Ok(None) => Ok(NodeId::FIRST),
        Ok(Some(identity)) => {
            let known = Table::load(path).map_err(|error| unusable(path, &error))?;
            let mut present = known.present();
            if let (Some(member), None) = (present.next(), present.next()) {
                return Ok(member.id);
            }
            Err(OpenError::Network(format!(
                "{} belongs to node {} of a cluster of several: it needs its place among them, which the configuration \
                 does not give",
                path.display(),
                identity.name()
            )))
        }
        Err(error) => Err(OpenError::Stores(error.to_string())),
    }
}

/// The way of a node without a number to its seeds.
pub(super) struct Ways(pub(super) Security);

impl Seeds for Ways {
    fn ask(&self, seed: &NodeAddress, request: Bytes, within: Duration) -> BoxFuture<'static, Result<Bytes, Silence>> {
        let (security, seed) = (self.0.clone(), seed.clone());
        async move {
            let request = about_members(&request);
            let answer = call_address(&security, &RequestBounds::default(), seed.as_str(), request, within).await;
            answer.map_err(|error| Silence {
                reason: error.reason().to_owned(),
                may_be_done: error.may_be_served(),
                is_lasting: error.is_lasting(),
            })
        }
        .boxed()
    }
}

/// The id of the cluster that this node owns alone; `fresh` if it has none.
async fn own_cluster_id(meta: &dyn Shard, fresh: ClusterId) -> Result<ClusterId, OpenError> {
    let unread = |reason: String| OpenError::Stores(format!("failed to read the id of the cluster: {reason}"));
    let key = keyspace::setting(CLUSTER_ID);
    loop {
        let mut ownership = meta.ownership();
        let owned = ownership.wait_for(Option::is_some).await;
        let epoch = owned.ok().and_then(|epoch| *epoch);
        let epoch = epoch.ok_or_else(|| unread("the node is stopping".to_owned()))?;
        if let Some(id) = meta.get(&key).map_err(|error| unread(error.to_string()))? {
            let id = std::str::from_utf8(&id).ok().and_then(|id| Uuid::parse_str(id).ok());
            return id.map(ClusterId::new).ok_or_else(|| unread("it is no UUID".to_owned()));
        }
        let (tell, told) = oneshot::channel();
        let op = Op::PutIfAbsent {
            key: key.clone(),
            value: fresh.to_string().into(),
        };
        meta.propose(Proposal {
            epoch,
            writes: WriteSet { ops: vec![op] },
            done: Box::new(|outcome| {
                // Nobody listens any more if the node is stopping.
                let _ = tell.send(outcome);
            }),
        });
        if !matches!(told.await, Ok(Outcome::Committed { .. })) {
            meta.relinquish(epoch);
        }
    }
}
