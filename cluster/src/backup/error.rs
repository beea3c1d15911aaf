//! Why a backup was not made or not restored.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::Contents;
use crate::{ActorError, ActorId};

/// Why a backup was not made or not restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The folder to write to has something in it.
    #[error("{} is not empty, and nothing is ever overwritten", path.display())]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The folder to read from is no backup.
    #[error("{} is no backup: {reason}", path.display())]
    NotABackup {
        /// The folder.
        path: PathBuf,
        /// What is missing.
        reason: &'static str,
    },
    /// A file of the backup is not as it was written; nothing was restored.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A newer program wrote the backup.
    #[error("{} has format version {version}, this program knows {known}", path.display())]
    Newer {
        /// The manifest.
        path: PathBuf,
        /// Its version.
        version: u32,
        /// The version this program writes.
        known: u32,
    },
    /// The backup holds something else than what is to be restored.
    #[error("the backup in {} holds {contents}", path.display())]
    Other {
        /// The backup.
        path: PathBuf,
        /// What it holds.
        contents: Contents,
    },
    /// A file or folder cannot be used.
    #[error("failed to use {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is nothing to back up.
    #[error("there is nothing to back up: {0} has stored nothing")]
    Nothing(Contents),
    /// The backup does not hold what is to be restored.
    #[error("the backup does not hold {0}")]
    Missing(Contents),
    /// A class is not registered in this program.
    #[error("class {0} is not registered")]
    UnknownClass(String),
    /// An actor is there already.
    #[error("actor {0} exists; to give it up for the one of the backup, say so")]
    Present(ActorId),
    /// The node could not do its part.
    #[error("the node refused: {0}")]
    Node(#[from] ActorError),
}

impl BackupError {
    pub(crate) fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    /// Names a file whose contents are wrong.
    pub(crate) fn read(path: &Path, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData => Self::damaged(path, error.to_string()),
            _ => Self::io(path)(error),
        }
    }

    pub(crate) fn damaged(path: &Path, reason: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}
