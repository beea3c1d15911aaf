//! How long a node takes from nothing to ready.

use std::{fs, path::Path, sync::Arc, time::Instant};

use cluster::{ActorRef, Bounds};

use crate::{
    actors::{self, Counter, Node, Store},
    figures::Figures,
    load::precise,
    options::Options,
};

pub(crate) const START: &str = "start with 100,000 stored actors, ms";
pub(crate) const REPLAY: &str = "log entries replayed per second, state lost";

const ACTORS: usize = 100_000;
const SHARDS: u16 = 16;

pub(crate) fn run(options: &Options, figures: &mut Figures) {
    stored(options, figures);
    replayed(options, figures);
}

fn stored(options: &Options, figures: &mut Figures) {
    let directory = actors::directory();
    let node = open(directory.path());
    let actors = Arc::new(node.references(if options.quick { ACTORS / 10 } else { ACTORS }));
    let count = actors.len();
    store(&node, &actors, 256, count);
    node.close();
    for _ in 0..options.rounds() {
        let begin = Instant::now();
        let node = open(directory.path());
        figures.add(START, begin.elapsed().as_secs_f64() * 1e3);
        node.close();
    }
}

/// Many small entries: as many callers as shards, so that few turns share one.
fn replayed(options: &Options, figures: &mut Figures) {
    let directory = actors::directory();
    let node = open(directory.path());
    let actors = Arc::new(node.references(64));
    store(&node, &actors, 64, if options.quick { 15_000 } else { 150_000 });
    let entries = node.cluster.status().groups.iter().filter_map(|group| group.last).sum();
    node.close();
    for _ in 0..options.rounds() {
        for entry in fs::read_dir(directory.path()).expect("the directory is there") {
            let entry = entry.expect("the directory can be read");
            if entry.file_name().to_string_lossy().starts_with("state") {
                let path = entry.path();
                let removed = if path.is_dir() {
                    fs::remove_dir_all(path)
                } else {
                    fs::remove_file(path)
                };
                removed.expect("the state can be removed");
            }
        }
        let begin = Instant::now();
        let node = open(directory.path());
        figures.add(REPLAY, precise(entries) / begin.elapsed().as_secs_f64());
        node.close();
    }
}

fn open(path: &Path) -> Node {
    let bounds = Bounds {
        activations: 2 * ACTORS,
        ..Bounds::default()
    };
    Node::open(path, SHARDS, bounds)
}

/// Makes so many turns durable, spread over the actors.
fn store(node: &Node, actors: &Arc<Vec<ActorRef<Counter>>>, callers: usize, turns: usize) {
    node.actors.block_on(async {
        let callers: Vec<_> = (0..callers)
            .map(|caller| {
                let actors = Arc::clone(actors);
                tokio::spawn(async move {
                    for turn in (caller..turns).step_by(callers) {
                        actors[turn % actors.len()].ask(Store).await.expect("the actor answers");
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await.expect("a caller does not panic");
        }
    });
}
