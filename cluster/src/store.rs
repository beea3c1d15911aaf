//! The materialised state of the shards: a bounded overlay in memory in front of one sled tree per shard.
//!
//! Nothing here is what makes a write durable; that is the log. A shard's state is written behind by one flusher, may
//! lag by about a second, and is rebuilt from snapshot and log whenever it cannot be trusted. The store knows nothing
//! of raft: how far a shard is applied is a row like any other, so it is always flushed together with its data.

mod chunk;
mod disk;
mod file;
mod flusher;
mod image;
mod memory;
mod overlay;
mod part;
mod shard;
mod sums;
mod tree;

#[cfg(test)]
mod tests;

pub(crate) use disk::{StateDisk, StateTrust};
pub(crate) use file::{create_directory, remove, replace, sync_all, sync_directory, sync_parent};
pub(crate) use flusher::{Flusher, Limits as StateLimits};
pub(crate) use image::{Image, ImageError, ImageReader, ImageWriter, Images};
pub(crate) use memory::MemoryTree;
pub(crate) use overlay::Change;
pub(crate) use part::{ImageDraft, ImageSource};
pub(crate) use shard::ShardState;
pub(crate) use tree::Tree;

/// Called once when a store can no longer be trusted; the owner of the process decides how to stop it.
pub(crate) type OnFatal = std::sync::Arc<dyn Fn(String) + Send + Sync>;

/// Keys and values of a shard.
pub(crate) type Row = (bytes::Bytes, bytes::Bytes);
