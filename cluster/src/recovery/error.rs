//! Why a node was not recovered.

use std::{io, path::PathBuf};

use crate::{
    OpenError,
    consensus::{self, RescueError},
    members::IdentityError,
};

/// Why a node was not recovered. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoveryError {
    /// The directory cannot be used as it is: the node runs, or its log or snapshots are damaged.
    #[error(transparent)]
    Open(OpenError),
    /// What an earlier recovery kept is still there.
    #[error(
        "{} is there, from an earlier recovery: move it away first; if {} is missing, that recovery was cut off, and giving \
         the former back its name undoes it",
        kept.display(),
        directory.display()
    )]
    Earlier {
        /// What was kept.
        kept: PathBuf,
        /// What was recovered.
        directory: PathBuf,
    },
    /// It is no node of a cluster of several.
    #[error("{} is no node of a cluster of several, which alone can lose its majority", .0.display())]
    Alone(PathBuf),
    /// The node votes alone everywhere.
    #[error("{} holds the only voter of every group: it needs no recovery, start it", .0.display())]
    NotNeeded(PathBuf),
    /// It has no copy of what concerns the cluster itself.
    #[error(
        "{} has no copy of the group of the cluster itself, so there is nothing to go on with: a gateway keeps none; recover \
         another node, or restore a backup",
        .0.display()
    )]
    NoCluster(PathBuf),
    /// It has no copy of some shards.
    #[error(
        "this node has no copy that counts of {} shards ({}): recover another node if one has, or accept that they begin with \
         what is here, which is old or nothing",
        .0.len(),
        listed(.0)
    )]
    Missing(Vec<u16>),
    /// A file or directory cannot be used.
    #[error("failed to use {}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn listed(shards: &[u16]) -> String {
    let shards: Vec<_> = shards.iter().map(u16::to_string).collect();
    shards.join(", ")
}

impl From<RescueError> for RecoveryError {
    fn from(error: RescueError) -> Self {
        Self::Open(match error {
            RescueError::Open(error) => error.into(),
            RescueError::Log(error) => consensus::OpenError::Marks(error).into(),
            error @ (RescueError::Group { .. } | RescueError::Write(_)) => OpenError::Stores(error.to_string()),
        })
    }
}

impl From<IdentityError> for RecoveryError {
    fn from(error: IdentityError) -> Self {
        Self::Open(OpenError::Stores(error.to_string()))
    }
}
