//! What clients notice when actors move: a node gives its leaders away, stops in good order, or comes to the others.

use std::time::{Duration, Instant};

use super::{
    SHAPE,
    traffic::{Traffic, Waits, balanced},
};
use crate::{
    client::Connection,
    field::{Field, eventually},
    figures::Figures,
    load::precise,
    options::Options,
};

/// The 99th percentile, and the longest.
pub(crate) type Both = [&'static str; 2];

pub(crate) const CALM: Both = [
    "wait for a durable turn, nothing moves, p99, ms",
    "wait for a durable turn, nothing moves, longest, ms",
];
pub(crate) const DRAIN: Both = [
    "wait for a durable turn, a node drains and is up again, p99, ms",
    "wait for a durable turn, a node drains and is up again, longest, ms",
];
pub(crate) const STOP: Both = [
    "wait for a durable turn, a node stops in good order, p99, ms",
    "wait for a durable turn, a node stops in good order, longest, ms",
];
pub(crate) const FAILED: &str = "calls that failed while nodes drained and stopped";
pub(crate) const JOIN: Both = [
    "wait for a durable turn, a fourth node takes its share, p99, ms",
    "wait for a durable turn, a fourth node takes its share, longest, ms",
];
pub(crate) const JOIN_FAILED: &str = "calls that failed while a fourth node took its share";
pub(crate) const JOIN_TIME: &str = "time until a fourth node has its share, s";

/// How long clients call before and after what is measured.
const AROUND: Duration = Duration::from_secs(1);

/// Drains, stops and adds nodes under traffic.
pub(super) async fn run(options: &Options, figures: &mut Figures) {
    let mut field = Field::shaped(4, SHAPE).await;
    field.grow_to(3).await;
    balanced(&field, 3).await;
    for round in 0..options.rounds() {
        drain(figures, &field, round % 3).await;
        stop(figures, &mut field, round % 3).await;
    }
    join(figures, &mut field).await;
}

/// A node gives its leaders away, and gets some again.
async fn drain(figures: &mut Figures, field: &Field, victim: usize) {
    let traffic = Traffic::start(&field.clients()[..3]);
    let begin = Instant::now();
    tokio::time::sleep(2 * AROUND).await;
    let moves = Instant::now();
    let teller = (victim + 1) % 3;
    tell(field, teller, &format!("drain {}", victim + 1)).await;
    eventually("the node leads nothing", async || {
        (leads(field, victim).await? == 0).then_some(())
    })
    .await;
    tell(field, teller, &format!("up {}", victim + 1)).await;
    balanced(field, 3).await;
    tokio::time::sleep(AROUND).await;
    let end = Instant::now();
    let heard = traffic.stop().await;
    add(figures, CALM, heard.between(begin + AROUND, moves));
    let waits = heard.between(moves, end);
    add(figures, DRAIN, waits);
    figures.add(FAILED, precise(waits.failed as u64));
}

/// A node stops in good order while clients call the others.
async fn stop(figures: &mut Figures, field: &mut Field, victim: usize) {
    let clients = field.clients();
    let traffic = Traffic::start(&[clients[(victim + 1) % 3], clients[(victim + 2) % 3]]);
    tokio::time::sleep(AROUND).await;
    let begin = Instant::now();
    field.hosts[victim].stop().await;
    tokio::time::sleep(AROUND).await;
    let end = Instant::now();
    let waits = traffic.stop().await.between(begin, end);
    add(figures, STOP, waits);
    figures.add(FAILED, precise(waits.failed as u64));
    field.start(victim).await;
    balanced(field, 3).await;
}

/// A fourth node takes its share.
async fn join(figures: &mut Figures, field: &mut Field) {
    let traffic = Traffic::start(&field.clients()[..3]);
    tokio::time::sleep(AROUND).await;
    let begin = Instant::now();
    field.start(3).await;
    balanced(field, 4).await;
    figures.add(JOIN_TIME, begin.elapsed().as_secs_f64());
    tokio::time::sleep(AROUND).await;
    let end = Instant::now();
    let waits = traffic.stop().await.between(begin, end);
    add(figures, JOIN, waits);
    figures.add(JOIN_FAILED, precise(waits.failed as u64));
}

fn add(figures: &mut Figures, [p99, most]: Both, waits: Waits) {
    assert!(waits.calls > 0, "clients called");
    figures.add(p99, waits.p99);
    figures.add(most, waits.most);
}

async fn tell(field: &Field, teller: usize, line: &str) {
    eventually("the node takes the order", async || {
        let mut connection = Connection::open(field.hosts[teller].clients()).await.ok()?;
        let answer = connection.call(line).await.ok()?;
        (answer == "draining" || answer == "up").then_some(())
    })
    .await;
}

/// How many shards a node leads.
async fn leads(field: &Field, node: usize) -> Option<u64> {
    let overview = field.overview().await?;
    let mut nodes = overview["nodes"].as_array()?.iter();
    nodes.find(|it| it["id"] == node + 1)?["leads"].as_u64()
}
