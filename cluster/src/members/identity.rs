//! Who a data directory belongs to: a small file beside its format.
//!
//! A directory without the file is that of a cluster of one, and its node is the first: so were they all before clusters
//! had several nodes.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use uuid::Uuid;

use crate::{
    cluster_id::ClusterId,
    node_name::NodeName,
    peers::NodeId,
    store::{remove, replace},
};

/// The only form of the file there is so far.
const VERSION: u32 = 1;

/// The file that says whose a directory is.
const FILE: &str = "node";

/// Why the identity of a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    #[error("failed to use {}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} is damaged: {reason}", path.display())]
    Damaged { path: PathBuf, reason: &'static str },
    #[error("{} has version {version}, this program knows {VERSION}", path.display())]
    Newer { path: PathBuf, version: u32 },
}

/// Whose a data directory is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identity {
    /// It is to found a cluster of this id, and becomes its first node when it is served.
    Founding {
        name: NodeName,
        token: Uuid,
        cluster: ClusterId,
    },
    /// It asked, or is about to ask, to join a cluster. Asking again under the same token gives the same number.
    Joining { name: NodeName, token: Uuid },
    /// It is a node of a cluster.
    Settled(Settled),
}

/// A node that has its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) cluster: ClusterId,
    pub(crate) node: NodeId,
    pub(crate) name: NodeName,
    pub(crate) token: Uuid,
    pub(crate) origin: Origin,
}

/// How a node came to its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It created the cluster, or was alone in it.
    Founded,
    /// Another node took it in.
    Joined,
}

impl Identity {
    /// Reads whose a directory is; `None` if it does not say.
    pub(crate) fn read(directory: &Path) -> Result<Option<Self>, IdentityError> {
        let path = directory.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => parse(&path, &text).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(IdentityError::File { path, source }),
        }
    }

    /// Says whose a directory is, durably: a crash leaves this or what was said before.
    pub(crate) fn write(&self, directory: &Path) -> Result<(), IdentityError> {
        let path = directory.join(FILE);
        replace(&path, self.render().as_bytes()).map_err(|source| IdentityError::File { path, source })
    }

    /// Takes back what a directory says, durably.
    pub(crate) fn forget(directory: &Path) -> Result<(), IdentityError> {
        let path = directory.join(FILE);
        remove(&path).map_err(|source| IdentityError::File { path, source })
    }

    /// The name of the node.
    pub(crate) fn name(&self) -> &NodeName {
        match self {
            Self::Founding { name, .. } | Self::Joining { name, .. } => name,
            Self::Settled(settled) => &settled.name,
        }
    }

    fn render(&self) -> String {
        match self {
            Self::Founding { name, token, cluster } => {
                format!("version {VERSION}\nstate founding\nname {name}\ntoken {token}\ncluster {cluster}\n")
            }
            Self::Joining { name, token } => {
                format!("version {VERSION}\nstate joining\nname {name}\ntoken {token}\n")
            }
            Self::Settled(settled) => {
                let Settled {
                    cluster,
                    node,
                    name,
                    token,
                    origin,
                } = settled;
                let state = match origin {
                    Origin::Founded => "founded",
                    Origin::Joined => "joined",
                };
                format!(
                    "version {VERSION}\nstate {state}\nname {name}\ntoken {token}\ncluster {cluster}\nnode {node}\n"
                )
            }
        }
    }
}

fn parse(path: &Path, text: &str) -> Result<Identity, IdentityError> {
    let damaged = |reason| IdentityError::Damaged {
        path: path.to_owned(),
        reason,
    };
    let field = |name| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.ok_or_else(|| damaged("it is incomplete"))
    };
    let version = field("version")?
        .parse()
        .map_err(|_| damaged("its version is not a number"))?;
    if version != VERSION {
        return Err(IdentityError::Newer {
            path: path.to_owned(),
            version,
        });
    }
    let name = field("name")?
        .parse()
        .map_err(|_| damaged("the name of the node is not lawful"))?;
    let token = field("token")?.parse().map_err(|_| damaged("its token is no UUID"))?;
    let cluster = || {
        let id = field("cluster")?.parse().map(ClusterId::new);
        id.map_err(|_| damaged("the id of the cluster is no UUID"))
    };
    let origin = match field("state")? {
        "founding" => {
            return Ok(Identity::Founding {
                name,
                token,
                cluster: cluster()?,
            });
        }
        "joining" => return Ok(Identity::Joining { name, token }),
        "founded" => Origin::Founded,
        "joined" => Origin::Joined,
        _ => return Err(damaged("its state is not known")),
    };
    Ok(Identity::Settled(Settled {
        cluster: cluster()?,
        node: field("node")?
            .parse()
            .map(NodeId::new)
            .map_err(|_| damaged("the number of the node is not one"))?,
        name,
        token,
        origin,
    }))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn identities() -> [Identity; 4] {
        let (name, token) = (NodeName::new("a").unwrap(), Uuid::from_u128(7));
        let cluster = ClusterId::new(Uuid::from_u128(9));
        let settled = |origin| {
            Identity::Settled(Settled {
                cluster,
                node: NodeId::new(3),
                name: name.clone(),
                token,
                origin,
            })
        };
        [
            Identity::Joining {
                name: name.clone(),
                token,
            },
            settled(Origin::Founded),
            settled(Origin::Joined),
            Identity::Founding { name, token, cluster },
        ]
    }

    #[test]
    fn a_directory_says_whose_it_is() {
        let directory = TempDir::new().unwrap();
        assert_eq!(Identity::read(directory.path()).unwrap(), None);
        for identity in identities() {
            identity.write(directory.path()).unwrap();
            assert_eq!(Identity::read(directory.path()).unwrap(), Some(identity));
        }
        for _ in 0..2 {
            Identity::forget(directory.path()).unwrap();
            assert_eq!(Identity::read(directory.path()).unwrap(), None);
        }
    }

    /// Data directories out there have files of version 1.
    #[test]
    fn version_one_keeps_its_form() {
        let directory = TempDir::new().unwrap();
        let text = "version 1\nstate joined\nname a\ntoken 00000000-0000-0000-0000-000000000007\n\
                    cluster 00000000-0000-0000-0000-000000000009\nnode 3\n";
        fs::write(directory.path().join(FILE), text).unwrap();
        assert_eq!(Identity::read(directory.path()).unwrap(), Some(identities()[2].clone()));
        assert_eq!(identities()[2].render(), text);
    }

    #[test]
    fn what_is_damaged_or_newer_is_refused() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join(FILE);
        let whole = identities()[1].render();
        for line in 0..whole.lines().count() {
            let cut = whole
                .lines()
                .enumerate()
                .filter(|(number, _)| *number != line)
                .map(|(_, text)| format!("{text}\n"))
                .collect::<String>();
            fs::write(&path, cut).unwrap();
            assert!(matches!(
                Identity::read(directory.path()),
                Err(IdentityError::Damaged { .. })
            ));
        }
        fs::write(&path, whole.replace("version 1", "version 2")).unwrap();
        assert!(matches!(
            Identity::read(directory.path()),
            Err(IdentityError::Newer { version: 2, .. })
        ));
    }
}
