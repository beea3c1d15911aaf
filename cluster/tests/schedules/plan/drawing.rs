//! How a schedule of one node is drawn from its seed, and what schedules of several nodes have in common with it.

use std::time::Duration;

use cluster::{
    Bounds,
    testing::{Faults, Weather},
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{Conduct, Event, Plan, Step, Trouble, What};

/// One in so many schedules runs on the engine instead of the simulation.
const ENGINE_EVERY: u64 = 10;

/// What occurs in a schedule at all. Schedules that lack something reach further with the rest.
pub(super) struct Mix {
    pub(super) asks: bool,
    pub(super) sends: bool,
    pub(super) alarms: bool,
    pub(super) clears: bool,
    pub(super) panics: bool,
    pub(super) pipes: bool,
    pub(super) pauses: bool,
}

impl Mix {
    pub(super) fn draw(random: &mut StdRng) -> Self {
        Self {
            asks: random.random_bool(0.7),
            sends: random.random_bool(0.7),
            alarms: random.random_bool(0.6),
            clears: random.random_bool(0.3),
            panics: random.random_bool(0.3),
            pipes: random.random_bool(0.3),
            pauses: random.random_bool(0.5),
        }
    }
}

impl Plan {
    /// A schedule of one node.
    pub(crate) fn of(seed: u64) -> Self {
        let random = &mut StdRng::seed_from_u64(seed);
        let engine = seed % ENGINE_EVERY == ENGINE_EVERY - 1;
        let cells = random.random_range(1..=4);
        let shards = 1 << random.random_range(0..3);
        let mix = Mix::draw(random);
        let bounds = bounds(random);
        let span = random.random_range(50..600);
        let mut events = Vec::new();
        for _ in 0..random.random_range(8..28) {
            events.push(calls(random, cells, &mix));
        }
        let commit_delay = Duration::from_millis(random.random_range(0..40));
        let calm = Faults {
            commit_delay,
            lapsed: !engine && random.random_bool(0.3),
            ..Faults::default()
        };
        disturb(random, engine, shards, cells, &calm, &mut events);
        let events = scatter(random, span, events);
        let slowest = Duration::from_micros(random.random_range(100..20_000));
        Self {
            seed,
            nodes: 1,
            engine,
            replicas: true,
            shards,
            cells,
            bounds,
            faults: calm,
            syncs: Duration::from_micros(50)..=slowest,
            weather: Weather::default(),
            wakes: random.random_bool(0.2),
            waking: Duration::from_millis(if random.random_bool(0.2) { 7 } else { 0 }),
            events,
        }
    }
}

pub(super) fn bounds(random: &mut StdRng) -> Bounds {
    let mut bounds = Bounds {
        ask: Duration::from_millis(random.random_range(100..3000)),
        ..Bounds::default()
    };
    if random.random_bool(0.3) {
        bounds.idle = Duration::from_millis(random.random_range(10..300));
    }
    if random.random_bool(0.15) {
        bounds.activations = random.random_range(1..=2);
    }
    if random.random_bool(0.1) {
        bounds.mailbox = random.random_range(1..=3);
    }
    bounds
}

/// Lets everything happen at some time within so many milliseconds.
pub(super) fn scatter(random: &mut StdRng, span: u64, events: Vec<What>) -> Vec<(usize, Event)> {
    let mut events: Vec<_> = events
        .into_iter()
        .map(|what| Event {
            at: Duration::from_millis(random.random_range(0..span)),
            what,
        })
        .collect();
    events.sort_by_key(|event| event.at);
    events.into_iter().enumerate().collect()
}

/// Adds what makes a schedule hard.
fn disturb(random: &mut StdRng, engine: bool, shards: u16, cells: usize, calm: &Faults, events: &mut Vec<What>) {
    if random.random_bool(0.4) {
        for _ in 0..random.random_range(1..=3) {
            let pause = if random.random_bool(0.3) {
                random.random_range(0..5000)
            } else {
                0
            };
            events.push(What::Crash {
                node: 0,
                pause: Duration::from_millis(pause),
            });
        }
        if engine && random.random_bool(0.3) {
            events.push(What::LoseState);
        }
    }
    if random.random_bool(0.3) {
        events.push(What::PassivateAll);
    }
    if random.random_bool(0.3) {
        for _ in 0..random.random_range(1..=3) {
            events.push(What::Depose(random.random_range(0..shards)));
        }
    }
    if !engine && random.random_bool(0.4) {
        let rate = *pick(random, &[0.03, 0.2, 1.0]);
        events.push(What::Faults(Faults {
            unknown: if random.random_bool(0.7) { rate } else { 0.0 },
            refused: if random.random_bool(0.5) { rate } else { 0.0 },
            unconfirmed: if random.random_bool(0.3) { rate } else { 0.0 },
            ..calm.clone()
        }));
        events.push(What::Faults(calm.clone()));
    }
    if random.random_bool(0.15) {
        events.push(What::Refuse(random.random_range(0..cells), random.random_range(1..=3)));
    }
    if engine && random.random_bool(0.3) {
        events.push(What::TakeSnapshots(0));
    }
    if engine && random.random_bool(0.1) {
        events.push(What::FailSyncs(0));
    }
}

pub(super) fn calls(random: &mut StdRng, cells: usize, mix: &Mix) -> What {
    let burst = if random.random_bool(0.2) {
        random.random_range(2..6)
    } else {
        1
    };
    What::Calls {
        via: 0,
        to: random.random_range(0..cells),
        deadline: Duration::from_millis(if random.random_bool(0.1) {
            random.random_range(1..100)
        } else {
            20_000
        }),
        scripts: (0..burst).map(|_| script(random, cells, mix, 2)).collect(),
    }
}

fn script(random: &mut StdRng, cells: usize, mix: &Mix, depth: u32) -> Vec<Step> {
    let length = random.random_range(0..4);
    let mut steps: Vec<_> = (0..length).map(|_| step(random, cells, mix, depth)).collect();
    if random.random_bool(0.08) {
        steps.push(Step::Fail);
    } else if mix.panics && random.random_bool(0.12) {
        steps.push(Step::Panic);
    }
    steps
}

fn step(random: &mut StdRng, cells: usize, mix: &Mix, depth: u32) -> Step {
    let cell = random.random_range(0..cells);
    match random.random_range(0..20) {
        0..=3 if mix.sends => Step::Send {
            to: cell,
            trouble: match random.random_range(0..8) {
                0 => Trouble::Fail,
                1 if mix.panics => Trouble::Panic(random.random_range(1..4)),
                2 | 3 => Trouble::Forward(random.random_range(0..cells)),
                _ => Trouble::None,
            },
        },
        4 if mix.sends && random.random_bool(0.2) => Step::SendUnlisted(cell),
        5..=7 if mix.asks && depth > 0 => Step::Ask {
            to: cell,
            script: script(random, cells, mix, depth - 1),
            propagate: random.random_bool(0.5),
        },
        8..=9 if mix.alarms => Step::SetAlarm {
            millis: random.random_range(-50..400),
            conducts: conducts(random, cells, mix),
        },
        10 if mix.alarms && random.random_bool(0.3) => Step::DeleteAlarm,
        11 if mix.pipes => Step::Pipe(random.random_range(0..50)),
        12 if mix.pauses => Step::Pause(random.random_range(0..40)),
        13 if random.random_bool(0.3) => Step::Passivate,
        14 if mix.clears => Step::Clear,
        15 | 16 => Step::Transact {
            key: random.random_range(0..6),
            clear: mix.clears && random.random_bool(0.5),
            fail: random.random_bool(0.5),
        },
        17 => Step::Delete(random.random_range(0..6)),
        _ => Step::Put(random.random_range(0..6)),
    }
}

fn conducts(random: &mut StdRng, cells: usize, mix: &Mix) -> Vec<Conduct> {
    let failures = match random.random_range(0..10) {
        0 => 9,
        1..=3 => random.random_range(1..4),
        _ => 0,
    };
    let mut conducts = Vec::new();
    for _ in 0..failures {
        conducts.push(if mix.panics && random.random_bool(0.3) {
            Conduct::Panic
        } else {
            Conduct::Fail
        });
    }
    match random.random_range(0..8) {
        0 => conducts.push(Conduct::Reset {
            millis: random.random_range(-5..200),
            fail: random.random_bool(0.5),
        }),
        1 => conducts.push(Conduct::TakeBack(random.random_range(0..cells))),
        2 if mix.clears => conducts.push(Conduct::Clear),
        _ => {}
    }
    conducts
}

pub(super) fn pick<'a, T>(random: &mut StdRng, choice: &'a [T]) -> &'a T {
    &choice[random.random_range(0..choice.len())]
}
