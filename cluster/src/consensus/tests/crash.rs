//! Random writes, snapshots and crashes on a disk in memory: every seed is a schedule.

use std::collections::VecDeque;
use std::ops::Bound;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

async fn start(disk: &MemoryDisk) -> Engine {
    let engine = open(Stores::Memory(disk.clone()), 1).await.unwrap();
    engine.ready().await;
    engine
}

/// Many schedules: random writes, snapshots and crashes; what was acknowledged is there, in order.
#[tokio::test(start_paused = true)]
async fn crashes_lose_nothing_that_was_acknowledged() {
    for seed in 0..200 {
        let mut rng = StdRng::seed_from_u64(seed);
        let disk = MemoryDisk::new(seed);
        let mut acknowledged = 0_u64;
        let mut proposed = 0_u64;
        for _ in 0..rng.random_range(1..5) {
            let engine = start(&disk).await;
            let shard = engine.shards().remove(0);
            let count = |name: &str| {
                let value = shard.get(&key(name)).unwrap();
                value.map_or(0, |value| {
                    String::from_utf8(value.to_vec()).unwrap().parse::<u64>().unwrap()
                })
            };
            let recovered = count("n");
            assert!(
                (acknowledged..=proposed).contains(&recovered),
                "seed {seed}: {acknowledged}..{recovered}..{proposed}"
            );
            assert_eq!(recovered, count("m"), "seed {seed}: half a write-set");
            let rows = shard
                .scan((Bound::Included(key("row")), Bound::Unbounded), true, usize::MAX)
                .unwrap();
            assert_eq!(rows.len() as u64, recovered, "seed {seed}: rows are missing");
            (acknowledged, proposed) = (recovered, recovered);
            let mut waiting = VecDeque::new();
            for _ in 0..rng.random_range(0..60) {
                proposed += 1;
                let n = proposed.to_string();
                let ops = vec![
                    put("n", n.clone()),
                    put(&format!("row{proposed:06}"), n.clone()),
                    put("m", n),
                ];
                waiting.push_back((proposed, propose(&*shard, epoch(&*shard), ops)));
                match rng.random_range(0..20) {
                    0 => engine.take_snapshots().await,
                    1 => tokio::time::sleep(Duration::from_millis(rng.random_range(0..1500))).await,
                    2..8 => {
                        let (n, outcome) = waiting.pop_front().unwrap();
                        assert!(
                            matches!(outcome.await.unwrap(), Outcome::Committed { .. }),
                            "seed {seed}"
                        );
                        acknowledged = n;
                    }
                    _ => tokio::task::yield_now().await,
                }
            }
            for (n, mut outcome) in waiting {
                if let Ok(Outcome::Committed { .. }) = outcome.try_recv() {
                    acknowledged = n;
                }
            }
            if rng.random_bool(0.8) {
                engine.crash().await;
            } else {
                engine.shutdown().await;
                acknowledged = proposed;
            }
        }
    }
}
