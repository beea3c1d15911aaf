//! The first call of an actor that is not in memory.

use std::time::{Duration, Instant};

use cluster::Bounds;

use crate::{
    actors::{self, Next, Node, Store},
    figures::{self, Figures},
    options::Options,
};

pub(crate) const COLD: &str = "call of a stored actor that is not live, p50";
pub(crate) const WARM: &str = "call of the same actor when it is live, p50";

const ACTORS: usize = 2000;

pub(crate) fn run(options: &Options, figures: &mut Figures) {
    let directory = actors::directory();
    let bounds = Bounds {
        idle: Duration::from_millis(80),
        ..Bounds::default()
    };
    let node = Node::open(directory.path(), 16, bounds);
    let references = node.references(ACTORS);
    let cluster = node.cluster.clone();
    node.actors.block_on(async {
        for actor in &references {
            actor.ask(Store).await.expect("the actor answers");
        }
    });
    for _ in 0..=options.rounds() {
        let (references, cluster) = (references.clone(), cluster.clone());
        let round = node.actors.spawn(async move {
            while cluster.status().activations > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let (mut cold, mut warm) = (Vec::new(), Vec::new());
            for actor in &references {
                for times in [&mut cold, &mut warm] {
                    let called = Instant::now();
                    actor.ask(Next).await.expect("the actor answers");
                    times.push(called.elapsed().as_secs_f64() * 1e6);
                }
            }
            (cold, warm)
        });
        let (mut cold, mut warm) = node.actors.block_on(round).expect("the caller does not panic");
        for (case, times) in [(COLD, &mut cold), (WARM, &mut warm)] {
            times.sort_by(f64::total_cmp);
            figures.add(case, figures::median(times).expect("there are actors"));
        }
    }
    figures.warmed_up(&[COLD, WARM]);
    node.close();
}
