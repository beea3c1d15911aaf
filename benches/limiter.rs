//! What a rate limit costs: a question to the limiter, and a decision of the node by itself.
//!
//! `cargo bench -p benches --bench limiter`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]
#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]
#![allow(missing_docs, reason = "a benchmark has no reader of its items")]

use std::time::{Duration, Instant};

use actors::limiter::{Check, Limit, LimitKey, Limiter, LimiterEnv, RateLimiter};
use cluster::{ClusterConfig, Stores, prelude::*};
use tokio::runtime::{Builder, Runtime};

const QUESTIONS: usize = 50_000;
const TASKS: usize = 16;
const TIME: Duration = Duration::from_secs(3);
const ROUNDS: usize = 5;

fn runtime(threads: usize) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .unwrap()
}

/// Times of questions to the limiter, one after another, in order.
async fn questions(limiter: &ActorRef<Limiter>) -> Vec<Duration> {
    let limit = Limit::per_minute(1_000_000_000);
    let mut times = Vec::with_capacity(QUESTIONS);
    for _ in 0..QUESTIONS {
        let begin = Instant::now();
        assert!(limiter.ask(Check { limit }).await.unwrap().allowed);
        times.push(begin.elapsed());
    }
    times.sort_unstable();
    times
}

/// Decisions each second about one key, by several tasks.
async fn decisions(limits: &RateLimiter, key: &LimitKey, limit: Limit) -> (f64, f64) {
    let begin = Instant::now();
    let tasks = (0..TASKS).map(|_| {
        let (limits, key) = (limits.clone(), key.clone());
        tokio::spawn(async move {
            let (mut all, mut allowed) = (0_u64, 0_u64);
            while begin.elapsed() < TIME {
                for _ in 0..64 {
                    allowed += u64::from(limits.check(&key, limit).await.unwrap().allowed);
                    all += 1;
                }
                tokio::task::yield_now().await;
            }
            (all, allowed)
        })
    });
    let (mut all, mut allowed) = (0, 0);
    for task in tasks.collect::<Vec<_>>() {
        let counted = task.await.unwrap();
        all += counted.0;
        allowed += counted.1;
    }
    let seconds = begin.elapsed().as_secs_f64();
    (all as f64 / seconds, allowed as f64)
}

fn main() {
    let (actors, raft, client) = (runtime(1), runtime(1), runtime(1));
    let directory = tempfile::tempdir().unwrap();
    let config = ClusterConfig::new(actors.handle().clone(), raft.handle().clone());
    let open = Cluster::builder(config)
        .actor::<Limiter>(LimiterEnv::default())
        .open(Stores::disk(directory.path()));
    let cluster = actors.block_on(open).unwrap();
    let tenant = TenantId::new("bench").unwrap();
    let limiter = cluster.get::<Limiter>(ActorId::from_name::<Limiter>(&tenant, "asked"));
    client
        .block_on(client.spawn(async move {
            questions(&limiter).await;
            let mut medians: Vec<(Duration, Duration)> = Vec::new();
            for _ in 0..ROUNDS {
                let times = questions(&limiter).await;
                medians.push((times[QUESTIONS / 2], times[QUESTIONS * 99 / 100]));
            }
            medians.sort_unstable();
            let (p50, p99) = medians[ROUNDS / 2];
            println!(
                "a question to a limiter on this node: p50 {:.1} us, p99 {:.1} us (aim: p50 60 us)",
                p50.as_secs_f64() * 1e6,
                p99.as_secs_f64() * 1e6
            );
        }))
        .unwrap();
    let limits = RateLimiter::new(cluster.clone());
    for (what, name, limit) in [
        ("allowed, a hot key", "hot", Limit::per_minute(1_000_000_000)),
        ("a limit of 1,000,000 a minute", "million", Limit::per_minute(1_000_000)),
        ("refused, a flood", "flood", Limit::per_minute(100)),
    ] {
        let key = LimitKey::new(&tenant, name);
        let limits = limits.clone();
        let (rate, allowed) = client
            .block_on(client.spawn(async move { decisions(&limits, &key, limit).await }))
            .unwrap();
        println!(
            "{what}: {rate:.0} decisions/s, {allowed:.0} allowed in {} s (aim 100,000/s)",
            TIME.as_secs()
        );
    }
    actors.block_on(cluster.shutdown());
}
