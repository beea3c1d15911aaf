//! Agreement: one raft group per shard and one for the cluster itself, by openraft, with their logs in fjall.
//!
//! [`Engine`] opens all of a node; each of its groups is a [`Shard`](crate::shard::Shard) to the host of activations.

mod codec;
mod config;
mod directory;
mod engine;
mod group;
mod log;
mod machine;
mod network;
mod node;
mod ownership;
mod proposer;
mod snapshotter;
mod steward;
mod types;

#[cfg(test)]
mod tests;

pub(crate) use engine::{Engine, EngineConfig, OpenError, Stores};
pub(crate) use group::GroupStatus;
pub(crate) use log::MemoryDisk;
