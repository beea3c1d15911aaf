//! Backups: copies of a cluster, of one tenant or of one actor in a folder, and the way back.
//!
//! A backup is a folder with one image per shard, in the form of the engine's own snapshots, a manifest, and a
//! `SHA256SUMS` that also `sha256sum --check` reads. It is written beside its final name and appears whole or not at all.
//!
//! What restoring means: alarms that were set fire, those whose time has passed at once. Durable messages that were on
//! their way within what is restored arrive, and arrive once.

mod contents;
mod error;
mod folder;
mod manifest;
mod node;
mod restore;

pub(crate) use self::node::CLUSTER_ID;
pub use self::{
    contents::Contents,
    error::BackupError,
    folder::Backup,
    manifest::{BackupFile, Manifest, Position},
    restore::{Existing, Restored},
};
