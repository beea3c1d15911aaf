//! Why a node did not open.

use std::path::PathBuf;

use crate::{ActorError, MigrationError, consensus, remote::META};

/// Why a node did not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process uses the data directory.
    #[error("data directory {} is in use by another process", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// A newer program wrote the data directory.
    #[error("data directory {} has format version {version}, this program knows {known}", path.display())]
    Newer {
        /// The directory.
        path: PathBuf,
        /// Its version.
        version: u32,
        /// The version this program writes.
        known: u32,
    },
    /// The cluster was created with another number of shards.
    #[error("the cluster was created with {stored} shards, which cannot be changed to {configured}")]
    ShardsChanged {
        /// What it was created with.
        stored: u16,
        /// What the configuration says.
        configured: u16,
    },
    /// The number of shards is not a power of two from 1 to 256.
    #[error("{0} shards: a cluster has a power of two from 1 to 256")]
    Shards(u16),
    /// What makes writes durable is damaged: only a backup, or another member of the cluster, has it.
    #[error("{} is damaged, restore a backup or rejoin under a new id: {reason}", path.display())]
    Damaged {
        /// The damaged file or directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The stores cannot be used as they are; the text says why, and what to do.
    #[error("{0}")]
    Stores(String),
    /// Two classes of the same name were registered.
    #[error("class {0} is registered twice")]
    DuplicateClass(&'static str),
    /// A class lists two messages of one name, or one message twice.
    #[error("class {class} lists the message {message} twice: each message of a class needs a name of its own")]
    DuplicateMessage {
        /// Name of the class.
        class: &'static str,
        /// Name of the message.
        message: &'static str,
    },
    /// There are groups that no node owns: too few of the nodes that keep copies of them are running, or can reach each
    /// other.
    #[error("{} in time: too few of the nodes that keep copies of it run, or can reach each other", unowned(.0))]
    NoOwner(Vec<u16>),
    /// The node cannot take its place among others; the text says why, and what to do.
    #[error("{0}")]
    Network(String),
    /// The cluster could not be given an id.
    #[error("failed to give the cluster an id: {0}")]
    ClusterId(#[source] ActorError),
    /// Classes, migrations and what is stored do not fit together.
    #[error(transparent)]
    Migration(#[from] MigrationError),
    /// The applied migrations could not be read, or the next one not applied.
    #[error("failed to read or apply the class migrations: {0}")]
    History(#[source] ActorError),
}

/// Names the groups that have no owner.
fn unowned(groups: &[u16]) -> String {
    let names: Vec<_> = groups
        .iter()
        .map(|group| match *group {
            META => "the group of the cluster itself".to_owned(),
            shard => format!("shard {shard}"),
        })
        .collect();
    format!("no node came to own {}", names.join(", "))
}

impl From<consensus::OpenError> for OpenError {
    fn from(error: consensus::OpenError) -> Self {
        use consensus::OpenError as Engine;
        match error {
            Engine::Locked { path } => Self::Locked { path },
            Engine::Newer { path, version, known } => Self::Newer { path, version, known },
            Engine::ShardsChanged { stored, configured } => Self::ShardsChanged { stored, configured },
            Engine::Shards(shards) => Self::Shards(shards),
            Engine::Damaged { path, reason } => Self::Damaged { path, reason },
            error @ (Engine::Format { .. }
            | Engine::Directory { .. }
            | Engine::Log(_)
            | Engine::State(_)
            | Engine::Marks(_)
            | Engine::Gap { .. }
            | Engine::Group { .. }) => Self::Stores(error.to_string()),
        }
    }
}
