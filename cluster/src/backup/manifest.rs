//! What a backup says of itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Contents;
use crate::Timestamp;

/// Version of the manifest and of the layout of the folder.
pub(super) const FORMAT: u32 = 1;

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the layout of the backup.
    pub format: u32,
    /// Format version of the data directory it was taken from.
    pub data_format: u32,
    /// What it holds.
    pub contents: Contents,
    /// The cluster it was taken from.
    pub cluster: String,
    /// When it was taken, in Unix milliseconds.
    pub created: Timestamp,
    /// Number of shards of the cluster.
    pub shards: u16,
    /// Lasting identities of the classes, in hexadecimal, by name.
    pub classes: BTreeMap<String, String>,
    /// The images.
    pub files: Vec<BackupFile>,
}

/// An image of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupFile {
    /// Name within the folder.
    pub name: String,
    /// The shard; empty for the group of the cluster itself.
    pub shard: Option<u16>,
    /// The last log entry it contains.
    pub applied: Option<Position>,
    /// How many rows it has.
    pub rows: u64,
    /// How many bytes it has.
    pub bytes: u64,
    /// Their SHA-256, in hexadecimal.
    pub sha256: String,
}

/// A place in the log of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Term of the leader.
    pub term: u64,
    /// Index of the entry.
    pub index: u64,
}

impl Manifest {
    /// Bytes of all images.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Rows of all images.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }
}

/// Only the version, which every later format keeps.
#[derive(Debug, Deserialize)]
pub(super) struct Version {
    pub(super) format: u32,
    pub(super) data_format: u32,
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
