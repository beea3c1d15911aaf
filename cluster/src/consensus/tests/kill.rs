//! A process that is killed while it writes.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rand::Rng;
use tempfile::TempDir;

use super::*;
use crate::consensus::engine::Limits;
use crate::consensus::snapshotter::LogLimits;

/// Tells the test below that it is the process to be killed, and where to write.
const DIRECTORY: &str = "CLUSTER_KILL_DIRECTORY";
const WINDOW: usize = 64;

/// Runs as a test so that the test binary can start itself; without a directory there is nothing to do.
#[test]
fn writer() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(write_for_ever(PathBuf::from(directory)));
}

fn count(shard: &dyn Shard, name: &str) -> u64 {
    let value = shard.get(&key(name)).unwrap();
    value.map_or(0, |value| String::from_utf8(value.to_vec()).unwrap().parse().unwrap())
}

fn ops(n: u64) -> Vec<Op> {
    let text = n.to_string();
    let filler = vec![n as u8; if n.is_multiple_of(100) { 40_000 } else { 200 }];
    vec![
        put("first", text.clone()),
        put(&format!("row{}", n % 1000), filler),
        put("last", text),
    ]
}

async fn open_small(path: PathBuf) -> Engine {
    // Small enough that every round takes snapshots and purges.
    let limits = Limits {
        log: LogLimits {
            group_bytes: 2 << 20,
            node_bytes: 8 << 20,
        },
        ..Limits::default()
    };
    let stores = Stores::Disk {
        path,
        cache_bytes: 8 << 20,
    };
    let config = EngineConfig {
        shards: 1,
        stores,
        node: NodeId::FIRST,
        peers: Arc::new(NoPeers),
        found: true,
        raft: Handle::current(),
        actors: Handle::current(),
        clock: Arc::new(SystemClock),
        on_fatal: unfailing(),
    };
    let engine = Engine::open_within(config, limits).await.unwrap();
    engine.ready().await;
    engine
}

async fn write_for_ever(path: PathBuf) {
    let engine = open_small(path).await;
    let shard = engine.shards().remove(0);
    let epoch = epoch(&*shard);
    let mut waiting = VecDeque::new();
    let mut out = std::io::stdout();
    for n in count(&*shard, "last") + 1.. {
        waiting.push_back((n, propose(&*shard, epoch, ops(n))));
        if waiting.len() >= WINDOW
            && let Some((n, outcome)) = waiting.pop_front()
        {
            assert!(matches!(outcome.await.unwrap(), Outcome::Committed { .. }));
            writeln!(out, "acknowledged {n}").unwrap();
            out.flush().unwrap();
        }
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the writer, kills it after `life` acknowledgements, and returns the last that was heard.
fn run_and_kill(directory: &TempDir, life: u64, grace: Duration) -> u64 {
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "consensus::tests::kill::writer",
            "--nocapture",
            "--test-threads",
            "1",
        ])
        .env(DIRECTORY, directory.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut child = Killed(child);
    let lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
    let mut numbers = lines.filter_map(|line| line.ok()?.rsplit_once("acknowledged ")?.1.parse::<u64>().ok());
    let mut last = numbers
        .by_ref()
        .take(usize::try_from(life).unwrap())
        .last()
        .expect("the writer acknowledges");
    // At any moment of a round, not only between two.
    std::thread::park_timeout(grace);
    child.0.kill().unwrap();
    last = numbers.last().unwrap_or(last);
    child.0.wait().unwrap();
    last
}

#[test]
fn a_killed_process_loses_nothing_it_acknowledged() {
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let mut rng = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(seed);
    let directory = TempDir::new().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let mut snapshots = 0;
    for round in 0..6 {
        let life = rng.random_range(500..20_000);
        let acknowledged = run_and_kill(&directory, life, Duration::from_micros(rng.random_range(0..3000)));
        if round == 3 {
            std::fs::remove_dir_all(directory.path().join("state")).unwrap();
        }
        runtime.block_on(async {
            let engine = open_small(directory.path().to_owned()).await;
            let shard = engine.shards().remove(0);
            let recovered = count(&*shard, "last");
            assert_eq!(count(&*shard, "first"), recovered, "half a write-set");
            let possible = acknowledged..=acknowledged + 2 * WINDOW as u64;
            assert!(
                possible.contains(&recovered),
                "acknowledged {acknowledged}, recovered {recovered}"
            );
            for n in recovered.saturating_sub(999).max(1)..=recovered {
                let Op::Put { key, value } = ops(n).swap_remove(1) else {
                    unreachable!("the second is a put")
                };
                assert_eq!(shard.get(&key).unwrap(), Some(value), "row of {n} of {recovered}");
            }
            snapshots += u64::from(engine.status()[1].snapshot.is_some());
            engine.shutdown().await;
        });
    }
    assert!(snapshots > 0, "no round was long enough for a snapshot");
}
