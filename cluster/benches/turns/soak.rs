//! A bounded number of writes, and what they leave behind: on the disk after a rest, and in memory all along.
//!
//! `cargo bench -p cluster -- --soak 50000000` writes that many values over the same keys, again and again, so that the
//! live data stays the same and everything else is waste.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use cluster::Bounds;

use crate::{
    actors::{self, Node, Store, VALUE},
    load::{place, precise},
    machine,
};

const CALLERS: usize = 256;
const ACTORS: usize = 1000;
/// Slots that an actor writes in turn.
const SLOTS: usize = 100;
/// Bytes of a stored key, and of what surrounds a value.
const OVERHEAD: usize = 50;
/// What the files of a node's log may take.
const LOG_BOUND: u64 = 512 << 20;
/// Times the live data that the disk may hold beside the log.
const FACTOR: u64 = 8;
const REST: Duration = Duration::from_secs(60);
/// Lines of the report.
const STEPS: u64 = 20;

/// Writes, and prints how the disk and the memory fare.
pub(crate) fn run(writes: u64) {
    let directory = actors::directory();
    let node = Node::open(directory.path(), 16, Bounds::default());
    let references = Arc::new(node.references(ACTORS));
    let done = Arc::new(AtomicU64::new(0));
    println!("{:>12} {:>10} {:>10} {:>10}", "writes", "writes/s", "RSS MB", "disk MB");
    let mut residents = Vec::new();
    for step in 1..=STEPS {
        let end = writes * step / STEPS;
        let (before, begin) = (done.load(Ordering::Relaxed), Instant::now());
        node.actors.block_on(async {
            let callers: Vec<_> = (0..CALLERS)
                .map(|caller| {
                    let (references, done) = (Arc::clone(&references), Arc::clone(&done));
                    tokio::spawn(async move {
                        loop {
                            let n = done.fetch_add(1, Ordering::Relaxed);
                            if n >= end {
                                done.fetch_sub(1, Ordering::Relaxed);
                                break;
                            }
                            let actor = &references[place(caller, n, ACTORS)];
                            actor.ask(Store).await.expect("the actor answers");
                        }
                    })
                })
                .collect();
            for caller in callers {
                caller.await.expect("a caller does not panic");
            }
        });
        let resident = machine::resident();
        residents.push(resident);
        println!(
            "{end:>12} {:>10.0} {:>10.1} {:>10.1}",
            precise(end - before) / begin.elapsed().as_secs_f64(),
            precise(resident) / 1e6,
            precise(occupied(directory.path())) / 1e6
        );
    }
    std::thread::sleep(REST);
    let live = (ACTORS * SLOTS * (VALUE + OVERHEAD)) as u64;
    let (disk, bound) = (occupied(directory.path()), FACTOR * live + LOG_BOUND);
    println!(
        "after a rest of {} s: {:.1} MB on the disk for {:.1} MB of live data; the bound is {:.1} MB ({FACTOR} times the live \
         data and the log of a node): {}",
        REST.as_secs(),
        precise(disk) / 1e6,
        precise(live) / 1e6,
        precise(bound) / 1e6,
        if disk <= bound { "kept" } else { "NOT KEPT" }
    );
    // The first quarter fills caches.
    let (early, late) = (residents[residents.len() / 4], residents[residents.len() - 1]);
    println!(
        "resident memory went from {:.1} MB after a quarter of the writes to {:.1} MB at the end",
        precise(early) / 1e6,
        precise(late) / 1e6
    );
    node.close();
}

/// Bytes of the blocks that the files of a directory occupy.
fn occupied(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        // A file that was purged while we looked.
        return 0;
    };
    let below: u64 = fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| occupied(&entry.path()))
        .sum();
    metadata.blocks() * 512 + below
}
