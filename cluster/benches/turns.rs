//! What a turn costs, beside what it is made of: a call of a bare ractor actor, and a bare append with `fdatasync`.
//!
//! All cases run in each round, one after another, so that a noisy machine is noisy for all of them; the median of the
//! rounds is printed.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::{
    fs::File,
    io::Write,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use cluster::{Cluster, ClusterConfig, Stores, prelude::*};
use ractor::{Actor, RpcReplyPort};
use serde::{Deserialize, Serialize};
use tokio::{
    runtime::{Builder, Runtime},
    sync::{mpsc, oneshot},
};

const ROUNDS: usize = 5;
const SPAN: Duration = Duration::from_millis(700);
const VALUE: usize = 200;

/// A bare ractor actor that answers.
struct Bare;

enum Ping {
    Call(RpcReplyPort<u64>),
}

impl ractor::Message for Ping {}

impl Actor for Bare {
    type Msg = Ping;
    type State = u64;
    type Arguments = ();

    async fn pre_start(&self, _: ractor::ActorRef<Ping>, (): ()) -> Result<u64, ractor::ActorProcessingErr> {
        Ok(0)
    }

    async fn handle(
        &self,
        _: ractor::ActorRef<Ping>,
        Ping::Call(reply): Ping,
        state: &mut u64,
    ) -> Result<(), ractor::ActorProcessingErr> {
        *state += 1;
        reply.send(*state)?;
        Ok(())
    }
}

/// An actor of ours that answers from memory, or writes first.
struct Counter {
    count: u64,
}

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "counter.next", reply = u64)]
struct Next;

#[derive(Debug, Serialize, Deserialize, Message)]
#[message(name = "counter.store", reply = u64)]
struct Store;

const SLOTS: Keys<(u64, String)> = Keys::new("slots/");

impl VirtualActor for Counter {
    const CLASS: &'static str = "counter";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Next>().on::<Store>()
    }

    async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
        Ok(Self { count: 0 })
    }
}

impl Handler<Next> for Counter {
    async fn handle(&mut self, _: Next, _: &mut Ctx<Self>) -> Result<u64> {
        self.count += 1;
        Ok(self.count)
    }
}

impl Handler<Store> for Counter {
    async fn handle(&mut self, _: Store, ctx: &mut Ctx<Self>) -> Result<u64> {
        self.count += 1;
        let slot = SLOTS.key(&(self.count % 100).to_string());
        ctx.storage().put(&slot, &(self.count, "x".repeat(VALUE)))?;
        Ok(self.count)
    }
}

/// Calls per second of so many callers, each of which calls again when it has its reply.
async fn rate<F>(callers: usize, call: impl Fn(usize, u64) -> F + Clone + Send + 'static) -> f64
where
    F: Future<Output = ()> + Send,
{
    let calls = Arc::new(AtomicU64::new(0));
    let begin = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let (call, calls) = (call.clone(), Arc::clone(&calls));
            tokio::spawn(async move {
                let mut n = 0;
                while begin.elapsed() < SPAN {
                    call(caller, n).await;
                    n += 1;
                }
                calls.fetch_add(n, Ordering::Relaxed);
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a caller does not panic");
    }
    precise(calls.load(Ordering::Relaxed)) / begin.elapsed().as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "counts of one second")]
fn precise(count: u64) -> f64 {
    count as f64
}

/// Appends and syncs; all that wait when a sync begins share it.
fn appender(path: &Path) -> mpsc::UnboundedSender<oneshot::Sender<()>> {
    let (queue, mut waiting) = mpsc::unbounded_channel::<oneshot::Sender<()>>();
    let mut file = File::create(path).expect("the file can be made");
    std::thread::spawn(move || {
        while let Some(first) = waiting.blocking_recv() {
            let mut group = vec![first];
            while let Ok(next) = waiting.try_recv() {
                group.push(next);
            }
            file.write_all(&vec![7; group.len() * (VALUE + 76)])
                .expect("the disk takes it");
            file.sync_data().expect("the disk syncs");
            for done in group {
                // A caller never leaves before its reply.
                let _ = done.send(());
            }
        }
    });
    queue
}

async fn append(queue: &mpsc::UnboundedSender<oneshot::Sender<()>>) {
    let (done, synced) = oneshot::channel();
    queue.send(done).expect("the appender lives");
    synced.await.expect("the appender answers");
}

const NAMES: [&str; 9] = [
    "raw ractor call, 1 caller",
    "in-memory ask, 1 caller",
    "raw ractor call, 64 callers, 1 actor",
    "in-memory ask, 64 callers, 1 actor",
    "append + fdatasync, 1 caller",
    "durable turn, 1 caller",
    "append + fdatasync, 64 callers grouped",
    "durable turn, 64 callers, 1 actor",
    "durable turn, 256 callers, 1000 actors",
];

async fn round(
    bare: &ractor::ActorRef<Ping>,
    actors: &Arc<Vec<ActorRef<Counter>>>,
    queue: &mpsc::UnboundedSender<oneshot::Sender<()>>,
) -> [f64; 9] {
    let raw = {
        let bare = bare.clone();
        move |_: usize, _: u64| {
            let bare = bare.clone();
            async move {
                let called = bare.call(Ping::Call, None).await;
                called.expect("the actor lives");
            }
        }
    };
    let next = {
        let actor = actors[0].clone();
        move |_: usize, _: u64| {
            let actor = actor.clone();
            async move {
                actor.ask(Next).await.expect("the actor answers");
            }
        }
    };
    let store = {
        let actor = actors[0].clone();
        move |_: usize, _: u64| {
            let actor = actor.clone();
            async move {
                actor.ask(Store).await.expect("the actor answers");
            }
        }
    };
    let spread = {
        let actors = Arc::clone(actors);
        move |caller: usize, n: u64| {
            let index = (caller as u64)
                .wrapping_mul(0x9E37_79B9)
                .wrapping_add(n.wrapping_mul(7919))
                % 1000;
            let actor = actors[usize::try_from(index).expect("below a thousand")].clone();
            async move {
                actor.ask(Store).await.expect("the actor answers");
            }
        }
    };
    let sync = {
        let queue = queue.clone();
        move |_: usize, _: u64| {
            let queue = queue.clone();
            async move { append(&queue).await }
        }
    };
    [
        rate(1, raw.clone()).await,
        rate(1, next.clone()).await,
        rate(64, raw).await,
        rate(64, next).await,
        rate(1, sync.clone()).await,
        rate(1, store.clone()).await,
        rate(64, sync).await,
        rate(64, store).await,
        rate(256, spread).await,
    ]
}

fn runtime(threads: usize) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .expect("a runtime can be made")
}

fn main() {
    let (actors, raft) = (runtime(2), runtime(1));
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory on the disk of the build");
    let config = ClusterConfig::new(actors.handle().clone(), raft.handle().clone());
    let rounds = actors.block_on(async {
        let cluster = Cluster::builder(config)
            .actor::<Counter>(())
            .open(Stores::disk(directory.path().join("node")))
            .await
            .expect("a new node opens");
        let tenant = TenantId::new("bench").expect("a lawful name");
        let reference = |n: u32| cluster.get(ActorId::from_name::<Counter>(&tenant, &n.to_string()));
        let references: Arc<Vec<ActorRef<Counter>>> = Arc::new((0..1000).map(reference).collect());
        let (bare, _) = Actor::spawn(None, Bare, ()).await.expect("the actor starts");
        let queue = appender(&directory.path().join("appended"));
        let mut rounds = Vec::new();
        // The first round warms up and is not counted.
        for n in 0..=ROUNDS {
            let figures = round(&bare, &references, &queue).await;
            if n > 0 {
                rounds.push(figures);
            }
        }
        bare.stop(None);
        cluster.shutdown().await;
        rounds
    });
    report(&rounds);
    raft.shutdown_background();
}

fn report(rounds: &[[f64; 9]]) {
    let median = |case: usize| {
        let mut figures: Vec<f64> = rounds.iter().map(|round| round[case]).collect();
        figures.sort_by(f64::total_cmp);
        (figures[figures.len() / 2], figures[0], figures[figures.len() - 1])
    };
    println!(
        "median of {ROUNDS} rounds (least - most), {} ms per case and round",
        SPAN.as_millis()
    );
    for (case, name) in NAMES.iter().enumerate() {
        let (middle, least, most) = median(case);
        println!(
            "{name:<42} {middle:>10.0}/s  ({least:.0} - {most:.0})  {:>8.2} us",
            1e6 / middle
        );
    }
    for (case, base) in [(1, 0), (3, 2), (5, 4), (7, 6), (8, 6)] {
        let ratio = median(case).0 / median(base).0;
        println!("{:<42} {:>9.0} % of {}", NAMES[case], 100.0 * ratio, NAMES[base]);
    }
}
