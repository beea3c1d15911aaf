//! The memory of live actors, in a process that does nothing else.

use std::process::Command;

use cluster::Bounds;

use crate::{
    actors::{self, Next, Node},
    figures::Figures,
    load::precise,
    machine,
    options::Options,
};

pub(crate) const RESIDENT: &str = "resident memory of a node with 10,000 live actors, MB";
pub(crate) const EMPTY: &str = "resident memory of a node without actors, MB";

const ACTORS: usize = 10_000;

/// Runs the process and takes its figures.
pub(crate) fn run(_: &Options, figures: &mut Figures) {
    let program = std::env::current_exe().expect("a program knows where it is");
    let output = Command::new(program)
        .arg("--child-live")
        .output()
        .expect("the child runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let mut bytes = text
        .split_whitespace()
        .map(|word| word.parse::<u64>().expect("a child prints two counts"));
    for case in [EMPTY, RESIDENT] {
        figures.add(case, precise(bytes.next().expect("a child prints two counts")) / 1e6);
    }
}

/// What the process does: it prints its memory without and with the actors.
pub(crate) fn child() {
    let directory = actors::directory();
    let bounds = Bounds {
        activations: 2 * ACTORS,
        ..Bounds::default()
    };
    let node = Node::open(directory.path(), 16, bounds);
    let empty = machine::resident();
    let references = node.references(ACTORS);
    node.actors.block_on(async {
        for actor in &references {
            actor.ask(Next).await.expect("the actor answers");
        }
    });
    assert_eq!(node.cluster.status().activations, ACTORS, "all are live");
    println!("{empty} {}", machine::resident());
    node.close();
}
