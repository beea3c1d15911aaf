//! How a schedule of several nodes is drawn from its seed.

use std::time::Duration;

use cluster::testing::{Faults, Weather};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    Plan, What,
    drawing::{Mix, bounds, calls, pick, scatter},
};

/// One in so many schedules runs on the engines of all nodes instead of the simulation.
const ENGINES_EVERY: u64 = 40;

impl Plan {
    /// A schedule of so many nodes.
    pub(crate) fn among(seed: u64, nodes: usize) -> Self {
        let random = &mut StdRng::seed_from_u64(seed ^ ((nodes as u64) << 48));
        let engine = seed % ENGINES_EVERY == ENGINES_EVERY - 1;
        let cells = random.random_range(1..=4);
        let shards = 1 << random.random_range(0..if engine { 2 } else { 3 });
        let mut mix = Mix::draw(random);
        // Among groups that beat, the minutes until an alarm is given up are dear.
        mix.alarms &= !engine || random.random_bool(0.2);
        let bounds = bounds(random);
        let span = random.random_range(300..3000);
        let mut events = Vec::new();
        for _ in 0..random.random_range(10..36) {
            let mut call = calls(random, cells, &mix);
            if let What::Calls { via, .. } = &mut call {
                *via = random.random_range(0..nodes);
            }
            events.push(call);
        }
        for _ in 0..random.random_range(0..5) {
            events.push(What::Repeated {
                via: random.random_range(0..nodes),
                to: random.random_range(0..cells),
                deadline: Duration::from_millis(random.random_range(20..2000)),
            });
        }
        let calm = Faults {
            commit_delay: Duration::from_millis(random.random_range(0..40)),
            lapsed: !engine && random.random_bool(0.2),
            ..Faults::default()
        };
        let slowest = Duration::from_micros(random.random_range(100..20_000));
        let mut plan = Self {
            seed,
            nodes,
            engine,
            replicas: random.random_bool(0.6),
            shards,
            cells,
            bounds,
            faults: calm,
            syncs: Duration::from_micros(50)..=slowest,
            weather: Weather::default(),
            wakes: random.random_bool(0.2),
            waking: Duration::from_millis(if random.random_bool(0.2) { 7 } else { 0 }),
            events: Vec::new(),
        };
        plan.split(random, &mut events);
        plan.disturb(random, &mut events);
        plan.events = scatter(random, span, events);
        plan
    }

    /// What comes between nodes.
    fn split(&mut self, random: &mut StdRng, events: &mut Vec<What>) {
        let nodes = self.nodes;
        if random.random_bool(0.4) {
            self.weather = weather(random);
        }
        if random.random_bool(0.3) {
            events.push(What::Weather(weather(random)));
            events.push(What::Weather(Weather::default()));
        }
        let before = events.len();
        if random.random_bool(0.5) {
            for _ in 0..random.random_range(1..=2) {
                events.push(What::Isolate(random.random_range(0..nodes)));
            }
        }
        if random.random_bool(0.4) {
            for _ in 0..random.random_range(1..=3) {
                let from = random.random_range(0..nodes);
                let to = (from + random.random_range(1..nodes)) % nodes;
                events.push(What::Cut { from, to });
            }
        }
        if !self.engine && random.random_bool(0.4) {
            for _ in 0..random.random_range(1..=2) {
                events.push(What::Supersede {
                    shard: random.random_range(0..self.shards),
                    to: random.random_range(0..nodes),
                });
            }
        }
        if events.len() > before {
            for _ in 0..random.random_range(0..=2) {
                events.push(What::Heal);
            }
        }
        if random.random_bool(0.6) {
            for _ in 0..random.random_range(1..=4) {
                events.push(What::Move {
                    shard: random.random_range(0..self.shards),
                    to: random.random_range(0..nodes),
                });
            }
        }
    }

    /// What happens to single nodes.
    fn disturb(&self, random: &mut StdRng, events: &mut Vec<What>) {
        let node = |random: &mut StdRng| random.random_range(0..self.nodes);
        if random.random_bool(0.5) {
            for _ in 0..random.random_range(1..=3) {
                events.push(What::Crash {
                    node: node(random),
                    pause: Duration::from_millis(*pick(random, &[0, 100, 1000, 4000])),
                });
            }
        }
        if random.random_bool(0.2) {
            events.push(What::PassivateAll);
        }
        if random.random_bool(0.2) {
            events.push(What::Depose(random.random_range(0..self.shards)));
        }
        if !self.engine && random.random_bool(0.3) {
            let rate = *pick(random, &[0.03, 0.2, 1.0]);
            events.push(What::Faults(Faults {
                unknown: if random.random_bool(0.7) { rate } else { 0.0 },
                refused: if random.random_bool(0.5) { rate } else { 0.0 },
                unconfirmed: if random.random_bool(0.3) { rate } else { 0.0 },
                ..self.faults.clone()
            }));
            events.push(What::Faults(self.faults.clone()));
        }
        if random.random_bool(0.15) {
            events.push(What::Refuse(
                random.random_range(0..self.cells),
                random.random_range(1..=3),
            ));
        }
        if self.engine && random.random_bool(0.4) {
            events.push(What::TakeSnapshots(node(random)));
        }
        if self.engine && random.random_bool(0.1) {
            events.push(What::FailSyncs(node(random)));
        }
    }
}

fn weather(random: &mut StdRng) -> Weather {
    let slowest = *pick(random, &[1, 10, 60]);
    Weather {
        delay: Duration::from_micros(50)..=Duration::from_millis(slowest),
        loss: *pick(random, &[0.0, 0.02, 0.2]),
        repeat: *pick(random, &[0.0, 0.1, 0.5]),
    }
}
