//! Runs one schedule.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use cluster::{prelude::*, testing::Leftovers};
use tokio::{task::JoinHandle, time::Instant};

use crate::{
    cell::{Cell, Do},
    clients::{calls, repeat, running},
    ground::Ground,
    plan::{Event, Plan, What, name},
    world::{Shared, Tally, Tracing, World},
};

/// Longest time between two looks.
const STEP: Duration = Duration::from_millis(25);

/// Longest time after which everything has come to rest.
const REST: Duration = Duration::from_secs(20_000);

/// After how long others have taken over from a node that crashed.
const FAILOVER: Duration = Duration::from_secs(2);

/// Longest time until everybody is back, and has heard what came of what they began.
const RETURN: Duration = Duration::from_secs(300);

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
    let ran = catch_unwind(AssertUnwindSafe(|| runtime.block_on(schedule(plan, tracing))));
    ran.unwrap_or_else(|_| Outcome {
        tally: Tally::default(),
        violation: Some(("the schedule ended in a panic".into(), Vec::new())),
    })
}

async fn schedule(plan: &Plan, tracing: Tracing) -> Outcome {
    let tenant = TenantId::new("acme").expect("the name is lawful");
    let world = World::new(plan, &tenant, tracing);
    let ground = Ground::start(plan, &world).await;
    let mut stage = Stage {
        plan,
        world,
        ground,
        tasks: Vec::new(),
        looks: 0,
    };
    stage.play().await;
    if stage.violation().is_none() {
        stage.settle().await;
    }
    let world = &stage.world;
    let mut world = world.lock();
    // The world and its cluster hold each other.
    world.probes.clear();
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
    ground: Ground,
    /// Clients, and whatever else goes on beside the schedule.
    tasks: Vec<JoinHandle<()>>,
    looks: usize,
}

impl Stage<'_> {
    fn violation(&self) -> Option<String> {
        self.world.lock().violation()
    }

    fn check(&mut self, thorough: bool) {
        self.world.lock().check(thorough);
        self.looks += 1;
        if (thorough || self.looks.is_multiple_of(8))
            && let Err(fault) = self.ground.compare()
        {
            self.world.lock().violated(fault);
        }
    }

    async fn play(&mut self) {
        let begin = Instant::now();
        for (number, Event { at, what }) in &self.plan.events {
            while begin.elapsed() < *at {
                tokio::time::sleep(STEP.min(*at - begin.elapsed())).await;
                self.check(false);
            }
            self.world.lock().note(|| format!("event {number}: {what}"));
            self.happen(*number, what).await;
            self.check(false);
            if self.violation().is_some() {
                return;
            }
        }
    }

    async fn happen(&mut self, number: usize, what: &What) {
        match what {
            What::Calls {
                via,
                to,
                deadline,
                scripts,
            } => {
                if let Some(cluster) = running(self.ground.nodes(), *via) {
                    self.begin(calls(self.world.clone(), cluster, *to, *deadline, scripts.clone()));
                }
            }
            What::Repeated { via, to, deadline } => {
                let nodes = self.ground.nodes().clone();
                self.begin(repeat(self.world.clone(), nodes, *via, *to, *deadline));
            }
            What::Crash { node, pause } => self.crash(*node, *pause).await,
            What::PassivateAll => match self.ground.several().cloned() {
                Some(test) => self.begin(async move { test.passivate_all().await }),
                None => self.ground.passivate_all().await,
            },
            What::Depose(shard) => self.ground.depose(*shard),
            What::Faults(faults) => self.ground.set_faults(faults.clone()),
            What::Refuse(cell, times) => self.world.lock().refuse(*cell, *times),
            What::TakeSnapshots(node) => match (self.ground.one(), self.ground.several().cloned()) {
                (Some(test), _) => test.take_snapshots().await,
                (None, Some(test)) => {
                    let node = *node;
                    self.begin(async move { test.take_snapshots(node).await });
                }
                (None, None) => {}
            },
            What::LoseState => {
                if let Some(test) = self.ground.one() {
                    test.lose_state();
                }
            }
            What::FailSyncs(node) => {
                self.ground.fail_syncs(*node);
                tokio::time::sleep(Duration::from_millis(number as u64 * 3)).await;
                self.crash(*node, Duration::ZERO).await;
            }
            What::Heal => self.ground.heal(),
            What::Cut { .. } | What::Isolate(_) | What::Supersede { .. } | What::Weather(_) | What::Move { .. } => {
                self.part(what);
            }
        }
    }

    /// What happens only between several nodes.
    fn part(&mut self, what: &What) {
        let Some(test) = self.ground.several().cloned() else {
            return;
        };
        match what {
            What::Cut { from, to } => test.cut(*from, *to),
            What::Isolate(node) => {
                test.isolate(*node);
                if !self.plan.engine {
                    let owned = (0..self.plan.shards).filter(|shard| test.owner(*shard) == *node);
                    for (shard, next) in owned.zip((0..self.plan.nodes).filter(|next| next != node).cycle()) {
                        test.begin_to_supersede(shard, next);
                    }
                }
            }
            What::Supersede { shard, to } => test.begin_to_supersede(*shard, *to),
            What::Weather(weather) => test.set_weather(weather.clone()),
            What::Move { shard, to } => {
                let (shard, to) = (*shard, *to);
                self.begin(async move { test.try_move_shard(shard, to).await });
            }
            What::Calls { .. }
            | What::Repeated { .. }
            | What::Crash { .. }
            | What::PassivateAll
            | What::Depose(_)
            | What::Faults(_)
            | What::Refuse(..)
            | What::TakeSnapshots(_)
            | What::LoseState
            | What::FailSyncs(_)
            | What::Heal => {}
        }
    }

    fn begin(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.push(tokio::spawn(task));
    }

    async fn crash(&mut self, node: usize, pause: Duration) {
        // A node that can commit nothing at all never opens.
        self.ground.set_faults(self.plan.faults.clone());
        if let Some(restarted) = self.ground.crash(node, pause).await {
            self.begin(restarted);
        }
        self.world.lock().check(true);
    }

    /// Waits until nothing happens any more, and looks at what is left.
    async fn settle(&mut self) {
        self.ground.set_faults(self.plan.faults.clone());
        self.ground.heal();
        self.ground.calm();
        for cell in 0..self.plan.cells {
            self.world.lock().refuse(cell, 0);
        }
        let begin = Instant::now();
        for task in std::mem::take(&mut self.tasks) {
            while !task.is_finished() && begin.elapsed() < RETURN {
                tokio::time::sleep(STEP * 8).await;
                self.check(false);
            }
            if !task.is_finished() {
                return self
                    .world
                    .lock()
                    .violated("somebody never hears what came of it".into());
            }
            if let Err(error) = task.await {
                self.world.lock().violated(format!("a client failed: {error}"));
            }
        }
        // A node that crashed last may still have to be replaced.
        tokio::time::sleep(FAILOVER).await;
        let Some(leftovers) = self.rest().await else { return };
        for round in 0..2 {
            for cell in 0..self.plan.cells {
                self.look(round + cell, cell).await;
            }
            self.ground.passivate_all().await;
        }
        // What the looks themselves have set off comes to rest as well.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let tenant = self.world.lock().id(0).tenant().clone();
        let listed = match running(self.ground.nodes(), 0) {
            Some(cluster) => cluster.list::<Cell>(&tenant, DirectoryQuery::default()).await,
            None => return self.world.lock().violated("no node is left".into()),
        };
        self.check(true);
        let fatal = self.ground.fatal();
        let mut world = self.world.lock();
        world.conclude(leftovers.dead);
        let written = world.written();
        if listed.as_ref().is_ok_and(|names| names.len() != written) || listed.is_err() {
            world.violated(format!("the directory lists {listed:?}, {written} cells have written"));
        }
        if !fatal.is_empty() && !self.plan.fails_disks() {
            world.violated(format!("nodes could not go on: {fatal:?}"));
        }
    }

    /// Waits until everything is worked off, and every replica has it.
    async fn rest(&mut self) -> Option<Leftovers> {
        let begin = Instant::now();
        let mut pause = Duration::from_secs(1);
        loop {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(300));
            self.check(true);
            let found = self.ground.leftovers(self.plan);
            let found = found.and_then(|left| Ok((left, self.ground.compare()?)));
            let (left, is_alike) = match found {
                Ok(found) => found,
                Err(fault) => {
                    self.world.lock().violated(fault);
                    return None;
                }
            };
            if let Some(left) = left
                && left.sends + left.alarms + left.garbage == 0
                && is_alike
            {
                return Some(left);
            }
            if begin.elapsed() > REST {
                let what = format!("{left:?} never come to rest, replicas have everything: {is_alike}");
                self.world.lock().violated(what);
                return None;
            }
        }
    }

    /// A call that does nothing compares what a cell holds with what it ought to hold.
    async fn look(&self, via: usize, cell: usize) {
        let Some(cluster) = running(self.ground.nodes(), via) else {
            return;
        };
        let to = cluster.get::<Cell>(self.world.lock().id(cell));
        let call = self.world.lock().call(None, cell);
        let message = Do {
            call,
            stream: None,
            from: None,
            chain: Vec::new(),
            script: Vec::new(),
        };
        let outcome = to.ask(message).await;
        let mut world = self.world.lock();
        match outcome {
            Ok(stamp) => world.call_answered(call, stamp, "a reply"),
            Err(error) => world.violated(format!("{} does not answer in the end: {error}", name(cell))),
        }
    }
}
