//! The child: a node on a real disk, its clients, and the pipe on which it says what they were told.

use std::collections::VecDeque;
use std::fmt::Display;
use std::future::Future;
use std::io::Write;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cluster::prelude::*;
use cluster::{Bounds, Cluster, ClusterConfig, OnFatal, Stores};
use faults::{Plan, install};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::actors::{Clock, Found, Inbox, Inspect, Phoenix, Received, Step};
use crate::ledger::{LEDGERS, Ledger, REFUSED};
use crate::machine::{MARK, REFUSED_TO_START, TRAFFIC};

/// Actors of each of the other classes.
pub(crate) const OTHERS: u64 = 2;

/// Steps of one actor on their way at once.
const WINDOW: usize = 8;

/// Steps of earlier lives that are repeated.
const REPEATED: u64 = 5;

/// Longest time until everything that is due after a start has happened.
const SETTLES: Duration = Duration::from_secs(30);

/// Follows the plan in the environment, if there is one.
pub(crate) fn run() {
    let Some(traffic) = std::env::var_os(TRAFFIC) else {
        return;
    };
    let steps = traffic
        .to_str()
        .and_then(|steps| steps.parse().ok())
        .expect("a number of steps");
    let plan = Plan::from_environment()
        .expect("a plan that can be read")
        .expect("a plan");
    install(&plan).expect("the faulty disk");
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime")
    };
    let (actors, raft) = (runtime(), runtime());
    let config = ClusterConfig {
        shards: 4,
        bounds: Bounds {
            idle: Duration::from_millis(30),
            ask: SETTLES,
            ..Bounds::default()
        },
        on_fatal: OnFatal::new(|reason| {
            say(format_args!("stopped {reason}"));
            std::process::exit(70);
        }),
        ..ClusterConfig::new(actors.handle().clone(), raft.handle().clone())
    };
    actors.block_on(node(config, plan, steps));
}

/// Writes one line, whole: the parent believes only lines that end.
fn say(line: impl Display) {
    let mut out = std::io::stdout().lock();
    let said = out
        .write_all(format!("{MARK}{line}\n").as_bytes())
        .and_then(|()| out.flush());
    if said.is_err() {
        // The parent is gone.
        std::process::exit(71);
    }
}

async fn node(config: ClusterConfig, plan: Plan, steps: u64) {
    let stores = Stores::disk_with_cache(&plan.directory, 8 << 20);
    let opened = Cluster::builder(config)
        .actor::<Ledger>(())
        .actor::<Inbox>(())
        .actor::<Clock>(())
        .actor::<Phoenix>(())
        .open(stores)
        .await;
    let cluster = match opened {
        Ok(cluster) => cluster,
        Err(error) => {
            say(format_args!("refused {error}"));
            std::process::exit(REFUSED_TO_START);
        }
    };
    let clients = found(&cluster).await;
    say("ready");
    let snapshots = {
        let cluster = cluster.clone();
        tokio::spawn(async move {
            let mut random = StdRng::seed_from_u64(plan.seed);
            loop {
                cluster.take_snapshots().await;
                tokio::time::sleep(Duration::from_millis(random.random_range(20..250))).await;
            }
        })
    };
    let traffic = clients.into_iter().map(|(class, number, from)| {
        let (cluster, id) = (cluster.clone(), number.to_string());
        let steps = from + 1..=from + steps;
        tokio::spawn(async move {
            match class {
                "ledger" => {
                    let actor = Arc::new(cluster.get::<Ledger>(ActorId::from_name::<Ledger>(&tenant(), &id)));
                    client(class, number, steps, |step| ask(&actor, step)).await;
                }
                "clock" => {
                    let actor = Arc::new(cluster.get::<Clock>(ActorId::from_name::<Clock>(&tenant(), &id)));
                    repeat(class, number, from, |step| ask_again(&actor, step)).await;
                    client(class, number, steps, |step| ask_again(&actor, step)).await;
                }
                _ => {
                    let actor = Arc::new(cluster.get::<Phoenix>(ActorId::from_name::<Phoenix>(&tenant(), &id)));
                    repeat(class, number, from, |step| ask_again(&actor, step)).await;
                    client(class, number, steps, |step| ask_again(&actor, step)).await;
                }
            }
        })
    });
    futures_util::future::join_all(traffic).await;
    snapshots.abort();
    found(&cluster).await;
    cluster.shutdown().await;
    say("done");
}

fn tenant() -> TenantId {
    TenantId::new("acme").expect("a valid name")
}

type Asked = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// An ask to take a step.
fn ask<A: VirtualActor + Handler<Step>>(actor: &Arc<ActorRef<A>>, step: u64) -> Asked {
    let actor = Arc::clone(actor);
    Box::pin(async move { actor.ask(Step(step)).await })
}

/// An ask to take a step that may be repeated: the same step has the same key.
fn ask_again<A: VirtualActor + Handler<Step>>(actor: &Arc<ActorRef<A>>, step: u64) -> Asked {
    let actor = Arc::clone(actor);
    Box::pin(async move {
        let key = IdempotencyKey::new(&step.to_string())?;
        actor.ask_idempotent(&key, Step(step)).await
    })
}

/// Repeats the last steps of earlier lives: each is answered as it was then, and not taken again.
async fn repeat(class: &str, number: u64, last: u64, ask: impl Fn(u64) -> Asked) {
    for step in last.saturating_sub(REPEATED)..last {
        if let Err(error) = ask(step + 1).await {
            let what = if error.kind() == ErrorKind::Invalid {
                "wrong"
            } else {
                "lost"
            };
            say(format_args!(
                "{what} {class} {number}: repeated step {}: {error}",
                step + 1
            ));
            return;
        }
    }
}

/// Takes steps of one actor, several at once, and says of each when it is sent and when it is acknowledged.
async fn client(class: &str, number: u64, steps: impl Iterator<Item = u64>, ask: impl Fn(u64) -> Asked) {
    let mut steps = steps.peekable();
    let mut waiting = VecDeque::new();
    while steps.peek().is_some() || !waiting.is_empty() {
        while waiting.len() < WINDOW
            && let Some(step) = steps.next()
        {
            say(format_args!("sent {class} {number} {step}"));
            let mut asked = ask(step);
            // Calls through one reference arrive in the order in which they were first polled.
            let now = futures_util::future::poll_immediate(&mut asked).await;
            waiting.push_back((step, asked, now));
        }
        let Some((step, asked, now)) = waiting.pop_front() else {
            break;
        };
        let outcome = match now {
            Some(outcome) => outcome,
            None => asked.await,
        };
        match outcome {
            Ok(()) => say(format_args!("told {class} {number} {step}")),
            Err(error) if error.code() == REFUSED => say(format_args!("told {class} {number} {step}")),
            Err(error) if error.code() == "crash.order" => {
                say(format_args!("wrong {class} {number}: {error}"));
                return;
            }
            Err(error) => {
                say(format_args!("lost {class} {number} {step} {error}"));
                return;
            }
        }
    }
}

/// Says how far every actor got, once everything that is due has happened; returns where clients go on.
async fn found(cluster: &Cluster) -> Vec<(&'static str, u64, u64)> {
    let tenant = tenant();
    let mut clients = Vec::new();
    for number in 0..LEDGERS {
        let name = number.to_string();
        let ledger = cluster.get::<Ledger>(ActorId::from_name::<Ledger>(&tenant, &name));
        let found = inspect("ledger", number, ledger.ask(Inspect).await);
        clients.push(("ledger", number, found.step));
        let inbox = ((number + 1) % LEDGERS).to_string();
        let inbox = cluster.get::<Inbox>(ActorId::from_name::<Inbox>(&tenant, &inbox));
        let arrived = until(async || {
            let received = inspect("inbox", number, inbox.ask(Received(number)).await);
            received.step >= found.second
        });
        let arrived = arrived.await;
        let received = inspect("inbox", number, inbox.ask(Received(number)).await);
        if !arrived || received.step != found.second {
            let (sent, received) = (found.second, received.step);
            say(format_args!(
                "wrong inbox of ledger {number}: {sent} sent, {received} received"
            ));
        }
    }
    for number in 0..OTHERS {
        let name = number.to_string();
        let clock = cluster.get::<Clock>(ActorId::from_name::<Clock>(&tenant, &name));
        let found = inspect("clock", number, clock.ask(Inspect).await);
        clients.push(("clock", number, found.step));
        let rang = until(async || {
            let found = inspect("clock", number, clock.ask(Inspect).await);
            found.second == found.step
        });
        if !rang.await {
            say(format_args!(
                "wrong clock {number}: the alarm of step {} never rang",
                found.step
            ));
        }
        let phoenix = cluster.get::<Phoenix>(ActorId::from_name::<Phoenix>(&tenant, &name));
        let found = inspect("phoenix", number, phoenix.ask(Inspect).await);
        clients.push(("phoenix", number, found.step));
    }
    for (class, number, step) in &clients {
        say(format_args!("found {class} {number} {step}"));
    }
    clients
}

fn inspect(class: &str, number: u64, found: Result<Found>) -> Found {
    match found {
        Ok(found) => {
            for wrong in &found.wrong {
                say(format_args!("wrong {class} {number}: {wrong}"));
            }
            found
        }
        Err(error) => {
            say(format_args!("lost {class} {number} 0 {error}"));
            // Only a node that is stopping refuses to answer; the reason is on its way.
            std::thread::park_timeout(SETTLES);
            std::process::exit(71);
        }
    }
}

/// Whether something becomes true within the time that is allowed.
async fn until(mut holds: impl AsyncFnMut() -> bool) -> bool {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(SETTLES, wait).await.is_ok()
}
