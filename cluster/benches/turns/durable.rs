//! Durable turns, beside fjall alone and a bare append.

use std::{pin::Pin, sync::Arc, time::Instant};

use cluster::{ActorRef, Bounds};

use crate::{
    actors::{self, Counter, Node, Store},
    figures::Figures,
    load::{latency, place, precise, rate},
    options::Options,
    peers::Syncer,
    syncs::Syncs,
};

pub(crate) const APPEND_ONE: &str = "append + fdatasync, 1 caller";
pub(crate) const TURN_ONE: &str = "durable turn, 1 caller";
pub(crate) const FJALL_64: &str = "fjall alone, 64 writers";
pub(crate) const TURN_HOT: &str = "durable turn, 1 actor, 64 callers";
pub(crate) const FJALL_256: &str = "fjall alone, 256 writers";
pub(crate) const TURN_8: &str = "durable turn, 1,000 actors, 256 callers, 8 shards";
pub(crate) const TURN_32: &str = "durable turn, 1,000 actors, 256 callers, 32 shards";
pub(crate) const SYNCS_HOT: &str = "fsyncs per write, 1 actor, 64 callers";
pub(crate) const SYNCS_8: &str = "fsyncs per write, 256 callers, 8 shards";
pub(crate) const SYNCS_32: &str = "fsyncs per write, 256 callers, 32 shards";

const CASES: [&str; 10] = [
    APPEND_ONE, TURN_ONE, FJALL_64, TURN_HOT, FJALL_256, TURN_8, TURN_32, SYNCS_HOT, SYNCS_8, SYNCS_32,
];
const ACTORS: usize = 1000;

/// A write on its way.
type Write = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The nodes and peers of the part.
struct Subjects {
    append: Syncer,
    fjall: Syncer,
    eight: Arc<Vec<ActorRef<Counter>>>,
    thirty_two: Arc<Vec<ActorRef<Counter>>>,
    syncs: Syncs,
}

pub(crate) fn run(options: &Options, figures: &mut Figures) {
    let directory = actors::directory();
    // Before the nodes, which ask for their meters as they open.
    let syncs = Syncs::install();
    let open = |name: &str, shards| Node::open(&directory.path().join(name), shards, Bounds::default());
    let (eight, thirty_two) = (open("8", 8), open("32", 32));
    let subjects = Subjects {
        append: Syncer::file(&directory.path().join("appended")),
        fjall: Syncer::fjall(&directory.path().join("fjall")),
        eight: Arc::new(eight.references(ACTORS)),
        thirty_two: Arc::new(thirty_two.references(ACTORS)),
        syncs,
    };
    for _ in 0..=options.rounds() {
        eight.actors.block_on(round_of_eight(options, figures, &subjects));
        thirty_two
            .actors
            .block_on(round_of_thirty_two(options, figures, &subjects));
    }
    figures.warmed_up(&CASES);
    drop(subjects);
    eight.close();
    thirty_two.close();
}

fn write(syncer: &Syncer) -> impl Fn(usize, u64) -> Write + Clone + Send + use<> {
    let syncer = syncer.clone();
    move |_, _| {
        let syncer = syncer.clone();
        Box::pin(async move { syncer.write().await })
    }
}

fn store(actors: &Arc<Vec<ActorRef<Counter>>>, count: usize) -> impl Fn(usize, u64) -> Write + Clone + Send + use<> {
    let actors = Arc::clone(actors);
    move |caller, n| {
        let actor = actors[place(caller, n, count)].clone();
        Box::pin(async move {
            actor.ask(Store).await.expect("the actor answers");
        })
    }
}

async fn round_of_eight(options: &Options, figures: &mut Figures, subjects: &Subjects) {
    let span = options.span();
    figures.add(APPEND_ONE, latency(span, write(&subjects.append)).await);
    figures.add(TURN_ONE, latency(span, store(&subjects.eight, 1)).await);
    figures.add_rate(FJALL_64, rate(64, span, write(&subjects.fjall)).await);
    counted(
        options,
        figures,
        subjects,
        (TURN_HOT, SYNCS_HOT),
        64,
        store(&subjects.eight, 1),
    )
    .await;
    figures.add_rate(FJALL_256, rate(256, span, write(&subjects.fjall)).await);
    counted(
        options,
        figures,
        subjects,
        (TURN_8, SYNCS_8),
        256,
        store(&subjects.eight, ACTORS),
    )
    .await;
}

async fn round_of_thirty_two(options: &Options, figures: &mut Figures, subjects: &Subjects) {
    let thirty_two = store(&subjects.thirty_two, ACTORS);
    counted(options, figures, subjects, (TURN_32, SYNCS_32), 256, thirty_two).await;
}

/// Adds the rate of a case, and how many syncs each of its calls took.
async fn counted(
    options: &Options,
    figures: &mut Figures,
    subjects: &Subjects,
    (case, syncs): (&'static str, &'static str),
    callers: usize,
    call: impl Fn(usize, u64) -> Write + Clone + Send + 'static,
) {
    let (before, begin) = (subjects.syncs.count(), Instant::now());
    let writes = rate(callers, options.span(), call).await;
    let count = precise(subjects.syncs.count() - before);
    figures.add_rate(case, writes);
    figures.add(syncs, count / (writes.calls * begin.elapsed().as_secs_f64()));
}
