//! Clients that call all the time, and how long each of their calls took.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::task::JoinHandle;

use crate::{
    client::Connection,
    field::{Field, eventually},
    slots::ACTORS,
};

/// Clients, each with one call on its way.
const CLIENTS: usize = 16;

/// Pause of a client between two calls: the machine is busy, but calls do not wait for each other.
const PAUSE: Duration = Duration::from_millis(10);

/// One call of a client.
#[derive(Debug, Clone, Copy)]
struct Call {
    called: Instant,
    took: Duration,
    has_failed: bool,
}

/// Clients at work.
pub(super) struct Traffic {
    is_over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Call>>>,
}

/// What clients heard.
pub(super) struct Heard(Vec<Call>);

/// How long calls took, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waits {
    pub(super) calls: usize,
    pub(super) p99: f64,
    pub(super) most: f64,
    pub(super) failed: usize,
}

impl Traffic {
    /// Lets clients loose on these nodes.
    pub(super) fn start(nodes: &[SocketAddr]) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let clients = (0..CLIENTS).map(|_| tokio::spawn(client(nodes.to_vec(), Arc::clone(&is_over))));
        Self {
            clients: clients.collect(),
            is_over,
        }
    }

    /// Ends the calls.
    pub(super) async fn stop(self) -> Heard {
        self.is_over.store(true, Ordering::Relaxed);
        let mut calls = Vec::new();
        for client in self.clients {
            calls.extend(client.await.expect("a client does not panic"));
        }
        Heard(calls)
    }
}

async fn client(nodes: Vec<SocketAddr>, is_over: Arc<AtomicBool>) -> Vec<Call> {
    let mut connections = Vec::new();
    for node in nodes {
        connections.push(Connection::open(node).await.expect("the node listens"));
    }
    let mut calls = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let node = rand::random_range(0..connections.len());
        let line = format!("store {}", rand::random_range(0..ACTORS));
        let called = Instant::now();
        let answer = connections[node].call(&line).await;
        let has_failed = !answer.as_ref().is_ok_and(|answer| answer.starts_with("stored"));
        calls.push(Call {
            called,
            took: called.elapsed(),
            has_failed,
        });
        if has_failed {
            println!("a call failed: {answer:?}");
        }
        tokio::time::sleep(PAUSE).await;
    }
    calls
}

impl Heard {
    /// The calls that were on their way in a span of time.
    pub(super) fn between(&self, begin: Instant, end: Instant) -> Waits {
        let calls = self.0.iter();
        let calls: Vec<_> = calls
            .filter(|call| call.called < end && call.called + call.took > begin)
            .collect();
        let mut waits: Vec<_> = calls.iter().map(|call| call.took.as_secs_f64() * 1e3).collect();
        waits.sort_by(f64::total_cmp);
        Waits {
            calls: waits.len(),
            p99: waits.get(waits.len() * 99 / 100).copied().unwrap_or_default(),
            most: waits.last().copied().unwrap_or_default(),
            failed: calls.iter().filter(|call| call.has_failed).count(),
        }
    }
}

/// Waits until so many nodes have their share of copies and leaders, and nothing is on its way.
pub(super) async fn balanced(field: &Field, nodes: usize) {
    eventually("copies and leaders are spread evenly", async || {
        is_balanced(&field.overview().await?, nodes).then_some(())
    })
    .await;
}

fn is_balanced(overview: &Value, nodes: usize) -> bool {
    let (Some(all), Some(groups), Some(moves)) = (
        overview["nodes"].as_array(),
        overview["groups"].as_array(),
        overview["moves"].as_array(),
    ) else {
        return false;
    };
    let shards = groups.len() - 1;
    let is_even = |count: &Value, all: usize| {
        let count = count.as_u64().and_then(|count| usize::try_from(count).ok());
        count.is_some_and(|count| (all / nodes..=all.div_ceil(nodes)).contains(&count))
    };
    let (copies, leaders) = (nodes.min(3) * shards, shards);
    let up: Vec<_> = all.iter().filter(|node| node["state"] == "Up").collect();
    up.len() == nodes
        && moves.is_empty()
        && up
            .iter()
            .all(|node| is_even(&node["shards"], copies) && is_even(&node["leads"], leaders))
}
