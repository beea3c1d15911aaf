//! What a cluster tells of itself.
//!
//! Used by path: `#[path = "support/overview.rs"] mod overview;`, beside `server`.
#![expect(clippy::unwrap_used, reason = "it is part of a test")]
#![expect(unreachable_pub, reason = "a test binary has no other module to reach it from")]

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::server::Setup;

/// Longest time until three nodes have spread what there is.
pub const SPREAD: Duration = Duration::from_secs(120);

/// Longest time until the others go on after one was killed.
pub const FAILOVER: Duration = Duration::from_secs(30);

/// Waits until the cluster is as wanted, as a node tells it.
pub async fn until(setup: &Setup, what: &str, within: Duration, is_so: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + within;
    let mut last = None;
    loop {
        let told = setup.run(&["cluster", "status", "--json"]);
        if told.status.success() {
            let told = serde_json::from_slice(&told.stdout).unwrap();
            if is_so(&told) {
                return told;
            }
            last = Some(told);
        }
        assert!(Instant::now() < deadline, "not in time: {what}: {last:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The rows of a list.
pub fn items<'a>(told: &'a Value, name: &str) -> &'a [Value] {
    told[name].as_array().unwrap()
}

/// Says whether three nodes live and each holds a copy of every shard and of what the cluster itself knows.
pub fn is_spread(told: &Value, shards: usize) -> bool {
    let (nodes, groups) = (items(told, "nodes"), items(told, "groups"));
    let alive = nodes
        .iter()
        .filter(|node| node["alive"] == true && node["state"] == "up");
    let voters = |group: &Value| group["voters"].as_array().unwrap().len();
    alive.count() == 3 && groups.len() == shards + 1 && groups.iter().all(|group| voters(group) == 3)
}
