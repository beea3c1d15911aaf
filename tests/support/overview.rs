//! What a cluster tells of itself, and what it answers while it changes.
//!
//! Used by path: `#[path = "support/overview.rs"] mod overview;`, beside `server`.
#![allow(dead_code, reason = "each test binary uses another part of it")]
#![expect(clippy::unwrap_used, reason = "it is part of a test")]
#![allow(unreachable_pub, reason = "a test binary has no other module to reach it from")]

use std::time::{Duration, Instant};

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::server::{Server, Setup};

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

/// Reads a document until it is as wanted: while a leader is missing, requests are refused.
pub async fn eventually(server: &Server, path: &str, within: Duration, is_so: impl Fn(&Value) -> bool) -> Value {
    answered(server, || server.request(Method::GET, path), within, is_so).await
}

/// Posts under an idempotency key until it is accepted: what is refused while a leader is missing has had no effect.
pub async fn accepted(server: &Server, path: &str, body: &Value, key: &str) -> Value {
    let request = || {
        let request = server.request(Method::POST, path);
        request.json(body).header("idempotency-key", key)
    };
    answered(server, request, FAILOVER, |_| true).await
}

async fn answered(
    server: &Server,
    request: impl Fn() -> RequestBuilder,
    within: Duration,
    is_so: impl Fn(&Value) -> bool,
) -> Value {
    let deadline = Instant::now() + within;
    loop {
        let told = match request().timeout(Duration::from_secs(10)).send().await {
            Ok(answer) if answer.status().is_success() => {
                let told: Value = answer.json().await.unwrap();
                if is_so(&told) {
                    return told;
                }
                told.to_string()
            }
            Ok(answer) => answer.text().await.unwrap_or_default(),
            Err(error) => error.to_string(),
        };
        assert!(Instant::now() < deadline, "not in time: {told}: {}", server.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
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
