//! Runs one schedule.

use std::{sync::Arc, time::Duration};

use cluster::{
    prelude::*,
    testing::{Leftovers, TestCluster},
};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    cell::{Cell, Do, failure},
    plan::{Event, Plan, What, name},
    world::{Shared, Stamp, Tally, Tracing, World},
};

/// Longest time between two looks.
const STEP: Duration = Duration::from_millis(25);

/// Longest time after which everything has come to rest.
const REST: Duration = Duration::from_secs(20_000);

/// What became of a schedule.
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    /// What was broken, and how it came about.
    pub(crate) violation: Option<(String, Vec<String>)>,
}

/// Runs a schedule on a runtime of its own.
pub(crate) fn run(plan: &Plan, tracing: Tracing) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime needs nothing but memory");
    runtime.block_on(schedule(plan, tracing))
}

async fn schedule(plan: &Plan, tracing: Tracing) -> Outcome {
    let tenant = TenantId::new("acme").expect("the name is lawful");
    let world = World::new(plan, &tenant, tracing);
    let mut builder = TestCluster::builder(plan.seed)
        .shards(plan.shards)
        .bounds(plan.bounds.clone())
        .actor::<Cell>(world.clone());
    builder = if plan.engine {
        builder.syncs(plan.syncs.clone())
    } else {
        builder.simulated(plan.faults.clone())
    };
    let test = builder.start().await;
    world.lock().probe = Some(test.probe());
    let cluster = Arc::new(Mutex::new(test.cluster()));
    let mut stage = Stage {
        plan,
        world,
        test,
        cluster,
        clients: Vec::new(),
    };
    stage.play().await;
    if stage.violation().is_none() {
        stage.settle().await;
    }
    let world = &stage.world;
    let mut world = world.lock();
    // The world and its cluster hold each other.
    world.probe = None;
    let violation = world.violation();
    Outcome {
        tally: world.tally,
        violation: violation.map(|what| (what, world.trace().cloned().collect())),
    }
}

/// A schedule that is running.
struct Stage<'a> {
    plan: &'a Plan,
    world: Shared,
    test: TestCluster,
    /// The node as it is since the last restart, for the clients.
    cluster: Arc<Mutex<Cluster>>,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

impl Stage<'_> {
    fn violation(&self) -> Option<String> {
        self.world.lock().violation()
    }

    async fn play(&mut self) {
        let begin = Instant::now();
        for (number, Event { at, what }) in &self.plan.events {
            while begin.elapsed() < *at {
                self.test.advance(STEP.min(*at - begin.elapsed())).await;
                self.world.lock().check(false);
            }
            self.world.lock().note(|| format!("event {number}: {what}"));
            self.happen(*number, what).await;
            self.world.lock().check(false);
            if self.violation().is_some() {
                return;
            }
        }
    }

    async fn happen(&mut self, number: usize, what: &What) {
        match what {
            What::Calls { to, deadline, scripts } => {
                let scripts = scripts.clone();
                let calls = calls(self.world.clone(), self.cluster.clone(), *to, *deadline, scripts);
                self.clients.push(tokio::spawn(calls));
            }
            What::Crash(pause) => self.crash(*pause).await,
            What::PassivateAll => self.test.passivate_all().await,
            What::Depose(shard) => self.test.depose(*shard),
            What::Faults(faults) => self.test.set_faults(faults.clone()),
            What::Refuse(cell, times) => self.world.lock().refuse(*cell, *times),
            What::TakeSnapshots => self.test.take_snapshots().await,
            What::LoseState => self.test.lose_state(),
            What::FailSyncs => {
                self.test.fail_syncs();
                self.test.advance(Duration::from_millis(number as u64 * 3)).await;
                self.crash(Duration::ZERO).await;
            }
        }
    }

    async fn crash(&mut self, pause: Duration) {
        self.world.lock().probe = None;
        // A node that can commit nothing at all never opens.
        self.test.set_faults(self.plan.faults.clone());
        self.test.crash_and_restart_after(pause).await;
        *self.cluster.lock() = self.test.cluster();
        let mut world = self.world.lock();
        world.probe = Some(self.test.probe());
        world.check(true);
    }

    /// Waits until nothing happens any more, and looks at what is left.
    async fn settle(&mut self) {
        self.test.set_faults(self.plan.faults.clone());
        for cell in 0..self.plan.cells {
            self.world.lock().refuse(cell, 0);
        }
        for client in std::mem::take(&mut self.clients) {
            while !client.is_finished() {
                self.test.advance(STEP * 8).await;
                self.world.lock().check(false);
            }
            if let Err(error) = client.await {
                self.world.lock().violated(format!("a client failed: {error}"));
            }
        }
        let begin = Instant::now();
        let mut pause = Duration::from_secs(1);
        let leftovers = loop {
            self.test.advance(pause).await;
            pause = (pause * 2).min(Duration::from_secs(300));
            self.world.lock().check(true);
            let leftovers = match self.test.probe().audit() {
                Ok(leftovers) => leftovers,
                Err(fault) => return self.world.lock().violated(fault),
            };
            let Leftovers {
                sends, alarms, garbage, ..
            } = leftovers;
            if sends + alarms + garbage == 0 {
                break leftovers;
            }
            if begin.elapsed() > REST {
                return self.world.lock().violated(format!("{leftovers:?} never come to rest"));
            }
        };
        for _ in 0..2 {
            for cell in 0..self.plan.cells {
                self.look(cell).await;
            }
            self.test.passivate_all().await;
        }
        // What the looks themselves have set off comes to rest as well.
        self.test.advance(Duration::from_secs(1)).await;
        let listed = self
            .test
            .cluster()
            .list::<Cell>(&tenant_of(&self.world), DirectoryQuery::default())
            .await;
        let mut world = self.world.lock();
        world.check(true);
        world.conclude(leftovers.dead);
        let written = world.written();
        if listed.as_ref().is_ok_and(|names| names.len() != written) || listed.is_err() {
            world.violated(format!("the directory lists {listed:?}, {written} cells have written"));
        }
    }

    /// A call that does nothing compares what a cell holds with what it ought to hold.
    async fn look(&self, cell: usize) {
        let to = self.test.cluster().get::<Cell>(self.world.lock().id(cell));
        let message = {
            let mut world = self.world.lock();
            Do {
                call: world.call(None),
                stream: None,
                from: None,
                chain: Vec::new(),
                script: Vec::new(),
            }
        };
        let outcome = to.ask(message).await;
        let mut world = self.world.lock();
        match outcome {
            Ok(stamp) => world.heard(stamp, "a reply"),
            Err(error) => world.violated(format!("{} does not answer in the end: {error}", name(cell))),
        }
    }
}

fn tenant_of(world: &Shared) -> TenantId {
    world.lock().id(0).tenant().clone()
}

/// Calls a cell through one reference, without waiting in between.
async fn calls(
    world: Shared,
    cluster: Arc<Mutex<Cluster>>,
    to: usize,
    deadline: Duration,
    scripts: Vec<Vec<crate::plan::Step>>,
) {
    let reference = cluster.lock().get::<Cell>(world.lock().id(to));
    let stream = world.lock().stream();
    let asks = scripts.into_iter().enumerate().map(|(number, script)| {
        let call = world.lock().call(None);
        let panics = format!("{script:?}").contains("Panic");
        let message = Do {
            call,
            stream: Some((stream, number)),
            from: None,
            chain: Vec::new(),
            script,
        };
        let (world, reference) = (world.clone(), reference.clone());
        async move {
            let begin = Instant::now();
            let outcome = reference.ask_within(deadline, message).await;
            judge(&mut world.lock(), call, panics, begin.elapsed(), deadline, &outcome);
            outcome.is_ok()
        }
    });
    let fine = futures(asks).await;
    world.lock().check_order(stream, fine);
}

/// Drives all at once; answers how many succeeded before the first failure.
async fn futures(asks: impl Iterator<Item = impl Future<Output = bool>>) -> usize {
    futures_util::future::join_all(asks)
        .await
        .into_iter()
        .take_while(|fine| *fine)
        .count()
}

/// Guarantee 13: whether a caller may be told this.
fn judge(world: &mut World, call: u64, panics: bool, elapsed: Duration, deadline: Duration, outcome: &Result<Stamp>) {
    world.note(|| format!("call {call}: {outcome:?}"));
    let (faulty, refuses, tight) = (world.faulty, world.refuses, world.tight);
    if elapsed > deadline + Duration::from_millis(1) {
        world.violated(format!("call {call} took {elapsed:?} of {deadline:?}"));
    }
    let error = match outcome {
        Ok(stamp) => {
            world.tally.acknowledged += 1;
            world.heard(*stamp, "a reply");
            return world.call_answered(call);
        }
        Err(error) => error,
    };
    let may = match (error.kind(), error.code()) {
        (ErrorKind::Conflict, "cell.failed") => {
            world.tally.acknowledged += 1;
            if let Some(stamp) = failure(error) {
                world.heard(stamp, "an error");
            }
            world.call_answered(call);
            true
        }
        (ErrorKind::Conflict, "actor.cycle") => true,
        (ErrorKind::Internal, "panic") => panics,
        (ErrorKind::Unknown, code) => {
            world.tally.unknown += 1;
            world.call_left(call);
            faulty || code == "deadline"
        }
        (ErrorKind::Retryable, _) => {
            world.tally.denied += 1;
            world.call_denied(call);
            faulty
        }
        (ErrorKind::Overloaded, "cell.refused") => refuses,
        (ErrorKind::Overloaded, _) => {
            world.tally.refused += 1;
            tight
        }
        _ => false,
    };
    if !may {
        world.violated(format!("call {call} failed: {error:?}"));
    }
}
