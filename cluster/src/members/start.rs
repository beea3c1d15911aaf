//! What a node does with the data directory it is started on: a function of what is there and what is configured.

use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::identity::{Identity, IdentityError, Origin, Settled};
use crate::{cluster_id::ClusterId, consensus, node_name::NodeName, peers::NodeId};

/// What a node is told about its place in a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Its name; one that has none yet is called by its number.
    pub(crate) name: Option<NodeName>,
    /// The cluster, if that is configured.
    pub(crate) cluster: Option<ClusterId>,
    /// Whether there are seeds to ask. A node without them founds a cluster of its own.
    pub(crate) has_seeds: bool,
}

/// What a node does when it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    /// It founds a cluster, of which it is the first node, or goes on as the only one of a cluster that had no several
    /// nodes yet.
    Found { name: NodeName, token: Uuid },
    /// It asks seeds for a number, and opens empty groups.
    Join { name: NodeName, token: Uuid },
    /// It is who it was.
    Resume(Settled),
}

/// Why a node does not start on a directory.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Format(#[from] consensus::OpenError),
    #[error("data directory {} is that of node {is}, and the configuration names {configured}", path.display())]
    OtherNode {
        path: PathBuf,
        is: NodeName,
        configured: NodeName,
    },
    #[error("data directory {} is that of a node of cluster {is}, and the configuration names {configured}", path.display())]
    OtherCluster {
        path: PathBuf,
        is: ClusterId,
        configured: ClusterId,
    },
    #[error(
        "data directory {} is that of a node that was about to join a cluster: seeds are needed to go on, or an empty directory to found one",
        path.display()
    )]
    NoSeeds { path: PathBuf },
    #[error("a node that joins a cluster needs a name")]
    NoName,
}

impl Start {
    /// Decides it, and notes it in the directory before anybody is asked. `token` is new.
    pub(crate) fn on(directory: &Path, wanted: &Wanted, token: Uuid) -> Result<Self, StartError> {
        let is_used = consensus::format(directory)?.is_some();
        let identity = Identity::read(directory)?;
        let start = Self::decide(directory, identity, is_used, wanted, token)?;
        if let Self::Join { name, token } = &start {
            crate::store::create_directory(directory).map_err(|source| IdentityError::File {
                path: directory.to_owned(),
                source,
            })?;
            let identity = Identity::Joining {
                name: name.clone(),
                token: *token,
            };
            identity.write(directory)?;
        }
        Ok(start)
    }

    fn decide(
        path: &Path,
        identity: Option<Identity>,
        is_used: bool,
        wanted: &Wanted,
        token: Uuid,
    ) -> Result<Self, StartError> {
        let path = path.to_owned();
        if let Some((is, configured)) = identity.as_ref().map(Identity::name).zip(wanted.name.as_ref())
            && is != configured
        {
            let (is, configured) = (is.clone(), configured.clone());
            return Err(StartError::OtherNode { path, is, configured });
        }
        match identity {
            Some(Identity::Settled(settled)) => match wanted.cluster.filter(|cluster| *cluster != settled.cluster) {
                Some(configured) => Err(StartError::OtherCluster {
                    path,
                    is: settled.cluster,
                    configured,
                }),
                None => Ok(Self::Resume(settled)),
            },
            Some(Identity::Joining { name, token }) if wanted.has_seeds => Ok(Self::Join { name, token }),
            Some(Identity::Joining { .. }) => Err(StartError::NoSeeds { path }),
            None if is_used || !wanted.has_seeds => {
                let name = wanted.name.clone().unwrap_or_else(|| name_of(NodeId::FIRST));
                Ok(Self::Found { name, token })
            }
            None => match wanted.name.clone() {
                Some(name) => Ok(Self::Join { name, token }),
                None => Err(StartError::NoName),
            },
        }
    }

    /// Notes in the directory that the node has its number.
    pub(crate) fn settle(&self, directory: &Path, cluster: ClusterId, node: NodeId) -> Result<Settled, IdentityError> {
        let settled = match self {
            Self::Found { name, token } => Settled {
                cluster,
                node,
                name: name.clone(),
                token: *token,
                origin: Origin::Founded,
            },
            Self::Join { name, token } => Settled {
                cluster,
                node,
                name: name.clone(),
                token: *token,
                origin: Origin::Joined,
            },
            Self::Resume(settled) => return Ok(settled.clone()),
        };
        Identity::Settled(settled.clone()).write(directory)?;
        Ok(settled)
    }
}

/// The name of a node that nobody gave one.
fn name_of(node: NodeId) -> NodeName {
    NodeName::new(format!("node-{node}")).expect("letters, a hyphen and digits are a name")
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const TOKEN: Uuid = Uuid::from_u128(7);
    const CLUSTER: ClusterId = ClusterId::new(Uuid::from_u128(9));

    fn name(name: &str) -> NodeName {
        NodeName::new(name).unwrap()
    }

    fn wanted(name: Option<&str>, has_seeds: bool) -> Wanted {
        Wanted {
            name: name.map(self::name),
            cluster: None,
            has_seeds,
        }
    }

    fn used(directory: &TempDir) {
        std::fs::write(directory.path().join("format"), "version 1\nshards 4\n").unwrap();
    }

    #[test]
    fn an_empty_directory_founds_or_joins() {
        let directory = TempDir::new().unwrap();
        let found = Start::on(directory.path(), &wanted(None, false), TOKEN).unwrap();
        assert_eq!(
            found,
            Start::Found {
                name: name("node-1"),
                token: TOKEN
            }
        );
        assert!(matches!(
            Start::on(directory.path(), &wanted(None, true), TOKEN),
            Err(StartError::NoName)
        ));
        let join = Start::on(directory.path(), &wanted(Some("b"), true), TOKEN).unwrap();
        assert_eq!(
            join,
            Start::Join {
                name: name("b"),
                token: TOKEN
            }
        );
    }

    #[test]
    fn whoever_was_about_to_join_asks_again_under_the_same_token() {
        let directory = TempDir::new().unwrap();
        let first = Start::on(directory.path(), &wanted(Some("b"), true), TOKEN).unwrap();
        let again = Start::on(directory.path(), &wanted(Some("b"), true), Uuid::from_u128(8)).unwrap();
        assert_eq!(first, again);
        assert!(matches!(
            Start::on(directory.path(), &wanted(Some("b"), false), TOKEN),
            Err(StartError::NoSeeds { .. })
        ));
        let settled = again.settle(directory.path(), CLUSTER, NodeId::new(3)).unwrap();
        assert_eq!((settled.node, settled.origin), (NodeId::new(3), Origin::Joined));
        let later = Start::on(directory.path(), &wanted(None, false), TOKEN).unwrap();
        assert_eq!(later, Start::Resume(settled));
    }

    /// Directories out there were made before clusters had several nodes.
    #[test]
    fn a_directory_of_one_node_is_that_of_the_first_whatever_the_seeds() {
        let directory = TempDir::new().unwrap();
        used(&directory);
        for has_seeds in [false, true] {
            let start = Start::on(directory.path(), &wanted(Some("a"), has_seeds), TOKEN).unwrap();
            assert!(matches!(start, Start::Found { .. }), "{start:?}");
        }
        assert_eq!(
            Identity::read(directory.path()).unwrap(),
            None,
            "nothing is noted before it has opened"
        );
    }

    #[test]
    fn a_directory_of_another_node_or_cluster_is_refused() {
        let directory = TempDir::new().unwrap();
        let start = Start::on(directory.path(), &wanted(Some("a"), false), TOKEN).unwrap();
        start.settle(directory.path(), CLUSTER, NodeId::FIRST).unwrap();
        assert!(matches!(
            Start::on(directory.path(), &wanted(Some("b"), false), TOKEN),
            Err(StartError::OtherNode { .. })
        ));
        let elsewhere = Wanted {
            cluster: Some(ClusterId::new(Uuid::from_u128(10))),
            ..wanted(Some("a"), false)
        };
        assert!(matches!(
            Start::on(directory.path(), &elsewhere, TOKEN),
            Err(StartError::OtherCluster { .. })
        ));
    }
}
