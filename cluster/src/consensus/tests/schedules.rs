//! Random schedules: nodes are cut off, crash and come back, leaders and members change, and in the end every replica
//! has the same, with everything in it that was acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{Rng, SeedableRng};
use tokio::time::timeout;

use super::nodes::*;
use super::*;
use crate::testing::Weather;

const NODES: u64 = 5;
const STEPS: usize = 40;

struct Schedule {
    nodes: Nodes,
    random: StdRng,
    seed: u64,
    writes: u64,
    /// Who owned the shard under each epoch.
    committers: BTreeMap<Epoch, NodeId>,
    /// Under which epoch each entry was committed.
    entries: BTreeMap<u64, Epoch>,
}

impl Schedule {
    async fn new(seed: u64) -> Self {
        let mut nodes = if seed.is_multiple_of(2) {
            Nodes::forgetful(seed, 1).await
        } else {
            Nodes::found(seed, 1).await
        };
        for number in 2..=NODES {
            nodes.start(node(number), false).await.unwrap();
        }
        for group in nodes.groups() {
            nodes.change(group, self::nodes(1..=3)).await;
        }
        Self {
            nodes,
            random: StdRng::seed_from_u64(seed),
            seed,
            writes: 0,
            committers: BTreeMap::new(),
            entries: BTreeMap::new(),
        }
    }

    fn pick(&mut self, among: &BTreeSet<NodeId>) -> Option<NodeId> {
        among.iter().copied().choose(&mut self.random)
    }

    async fn step(&mut self) {
        let running = self.nodes.running();
        let all = self::nodes(1..=NODES);
        match self.random.random_range(0..100) {
            0..40 => self.write().await,
            40..50 => {
                if let (Some(from), Some(to)) = (self.pick(&all), self.pick(&all)) {
                    self.nodes.network.cut(from, to);
                }
            }
            50..55 => {
                if let Some(id) = self.pick(&all) {
                    self.nodes.isolate(id);
                }
            }
            55..65 => self.nodes.network.heal(),
            65..72 => {
                if let Some(id) = self.pick(&running) {
                    self.nodes.crash(id).await;
                }
            }
            72..80 => {
                if let Some(id) = self.pick(&all) {
                    self.nodes.restart(id).await;
                }
            }
            80..86 => {
                let (leader, to) = (self.nodes.owners(SHARD).pop(), self.pick(&running));
                if let (Some(leader), Some(to)) = (leader, to) {
                    let group = Arc::clone(self.nodes.group(leader, SHARD));
                    let _ = group.transfer_leader(to).await;
                }
            }
            86..92 => {
                let count = self.random.random_range(1..=4);
                let mut voters = all.into_iter().choose_multiple(&mut self.random, count);
                voters.extend(self.nodes.owners(SHARD).pop());
                let voters = voters.into_iter().collect();
                let _ = timeout(Duration::from_secs(5), self.nodes.step(SHARD, &voters)).await;
            }
            92..95 => {
                if let Some(id) = self.pick(&running) {
                    self.nodes.engine(id).take_snapshots().await;
                }
            }
            _ => {
                let weather = Weather {
                    loss: self.random.random_range(0.0..0.1),
                    repeat: self.random.random_range(0.0..0.3),
                    ..Weather::default()
                };
                self.nodes.network.set_weather(weather);
            }
        }
        self.check();
        let pause = self.random.random_range(0..600);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        self.check();
    }

    /// Some writes on everybody who believes to own the shard.
    async fn write(&mut self) {
        for owner in self.nodes.owners(SHARD) {
            for _ in 0..self.random.random_range(1..4) {
                self.writes += 1;
                let epoch = *self.nodes.group(owner, SHARD).ownership().borrow();
                let (name, value) = (format!("{:04}", self.writes), format!("{owner}"));
                let outcome = self.nodes.write_on(owner, SHARD, &name, &value).await;
                if let (Some(Outcome::Committed { index, .. }), Some(epoch)) = (outcome, epoch) {
                    let former = self.entries.insert(index, epoch);
                    assert!(
                        former.is_none(),
                        "seed {}: entry {index} was committed twice",
                        self.seed
                    );
                }
            }
        }
    }

    fn check(&mut self) {
        for owner in self.nodes.owners(SHARD) {
            if let Some(epoch) = *self.nodes.group(owner, SHARD).ownership().borrow() {
                let first = *self.committers.entry(epoch).or_insert(owner);
                assert_eq!(first, owner, "seed {}: {epoch:?} has two owners", self.seed);
            }
        }
        assert_eq!(self.nodes.fatal(), [], "seed {}", self.seed);
    }

    /// Lets everything recover.
    async fn end(mut self) {
        self.nodes.network.heal();
        self.nodes.network.set_weather(Weather::default());
        for id in self::nodes(1..=NODES).difference(&self.nodes.running()) {
            self.nodes.start(*id, false).await.unwrap();
        }
        for group in self.nodes.groups() {
            self.nodes.write(group, "end", "1").await;
            self.nodes.agree(group).await;
        }
        // In the order of the log no epoch comes after a later one.
        assert!(
            self.entries.values().is_sorted(),
            "seed {}: {:?}",
            self.seed,
            self.entries
        );
        self.nodes.shutdown().await;
    }
}

async fn run(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        println!("seed {seed}");
        let mut schedule = Schedule::new(seed).await;
        for _ in 0..STEPS {
            schedule.step().await;
        }
        schedule.end().await;
    }
}

/// Guarantees 3 and 17.
#[tokio::test(start_paused = true)]
async fn random_schedules_lose_nothing_that_was_acknowledged() {
    run(0..24).await;
}

/// The long form.
#[tokio::test(start_paused = true)]
#[ignore = "takes minutes"]
async fn many_random_schedules_lose_nothing_that_was_acknowledged() {
    run(1_000..2_000).await;
}
