//! What a data directory says of its node, without opening it.

use std::path::Path;

use super::unusable;
use crate::{
    ClusterId, Member, NodeId, NodeName, OpenError,
    members::{Identity, Table},
};

/// What a data directory says of its node. A server may use the directory meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Residence {
    /// It is to found a cluster.
    Founding(ClusterId),
    /// It has begun to join a cluster, and has no number yet.
    Joining(NodeName),
    /// It is in a cluster.
    Settled {
        /// The cluster.
        cluster: ClusterId,
        /// Its number.
        node: NodeId,
        /// Its name.
        name: NodeName,
        /// The nodes there are, itself included, as far as it had heard.
        members: Vec<Member>,
    },
}

impl Residence {
    /// Reads it; nothing if the directory is new, or that of a node which never was among others.
    ///
    /// # Errors
    /// That what the directory says cannot be read.
    pub fn read(directory: &Path) -> Result<Option<Self>, OpenError> {
        let identity = Identity::read(directory).map_err(|error| OpenError::Stores(error.to_string()))?;
        Ok(match identity {
            None => None,
            Some(Identity::Founding { cluster, .. }) => Some(Self::Founding(cluster)),
            Some(Identity::Joining { name, .. }) => Some(Self::Joining(name)),
            Some(Identity::Settled(settled)) => {
                let known = Table::load(directory).map_err(|error| unusable(directory, &error))?;
                Some(Self::Settled {
                    cluster: settled.cluster,
                    node: settled.node,
                    name: settled.name,
                    members: known.present().cloned().collect(),
                })
            }
        })
    }
}
