//! Nodes of one cluster on this machine.
//!
//! Used by path: `#[path = "support/node.rs"] mod node;`, beside `server`.
#![expect(clippy::unwrap_used, reason = "it is part of a test")]
#![allow(unreachable_pub, reason = "a test binary has no other module to reach it from")]

use std::path::Path;

use crate::server::{Setup, free_port};

/// Shards of these clusters.
pub const SHARDS: usize = 8;

/// A node, and where it is asked to take others in.
pub fn node(directory: &Path, name: &str, seeds: &str) -> (Setup, String) {
    let (raft, requests) = (free_port(), free_port());
    let requests = format!("127.0.0.1:{requests}");
    let setup = Setup::new(&directory.join(name))
        .set("db.shards", &SHARDS.to_string())
        // Nobody answers there, so a run stays where it is.
        .set("ai.provider", "openai-compatible")
        .set("ai.base-url", &format!("http://127.0.0.1:{}/v1", free_port()))
        .set("ai.models.generator", "nobody")
        .set("files.store", "shared-directory")
        .set("files.path", directory.join("objects").to_str().unwrap())
        .set("vector-index.store", "shared-directory")
        .set("vector-index.path", directory.join("vectors").to_str().unwrap())
        .set("cluster.name", name)
        .set("cluster.raft-bind", &format!("127.0.0.1:{raft}"))
        .set("cluster.requests-bind", &requests)
        .set("cluster.seeds", seeds);
    (setup, requests)
}
