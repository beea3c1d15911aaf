//! Agreement: one raft group per shard and one for the cluster itself, by openraft, with their logs in fjall.
//!
//! [`Engine`] opens all of a node; each of its groups is a [`Shard`](crate::shard::Shard) to the host of activations.

mod capture;
mod codec;
mod config;
mod confirmer;
mod contact;
mod copies;
mod directory;
mod engine;
mod found;
mod group;
mod guard;
mod head;
mod log;
mod machine;
#[allow(dead_code, reason = "what joins nodes to a cluster calls it next")]
mod membership;
mod network;
mod node;
mod ownership;
mod proposer;
mod pulse;
mod reception;
mod rescue;
mod retention;
mod rpc;
mod service;
mod snapshotter;
mod steward;
mod tail;
mod tenure;
mod types;
mod verify;

#[cfg(test)]
mod tests;

pub(crate) use capture::{CaptureError, Captured, Pages, Scope, Source, capture, of_tenant};
pub(crate) use codec::{put_op, read_ops};
pub(crate) use config::LEASE;
pub(crate) use copies::{Asked, Copies, Given};
pub(crate) use directory::{DataDirectory, VERSION, format};
pub(crate) use engine::{Engine, EngineConfig, OpenError, Stores};
pub(crate) use found::found;
pub(crate) use group::{Group, GroupStatus};
pub(crate) use log::MemoryDisk;
pub(crate) use membership::ChangeError;
pub(crate) use rescue::{Copy, Rescue, RescueError, RescuedGroup};
pub(crate) use verify::verify;
