//! A schedule: what happens to a cluster of a few cells, and when. It follows from its seed alone.

use std::{fmt, ops::RangeInclusive, time::Duration};

use cluster::{Bounds, testing::Faults};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};

/// One in so many schedules runs on the engine instead of the simulation.
const ENGINE_EVERY: u64 = 10;

/// A schedule.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) engine: bool,
    pub(crate) shards: u16,
    pub(crate) cells: usize,
    pub(crate) bounds: Bounds,
    pub(crate) faults: Faults,
    pub(crate) syncs: RangeInclusive<Duration>,
    /// Whether an activation writes, and how long it takes.
    pub(crate) wakes: bool,
    pub(crate) waking: Duration,
    /// With their numbers, by which some of them can be left out.
    pub(crate) events: Vec<(usize, Event)>,
}

/// Something that happens at some time.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) at: Duration,
    pub(crate) what: What,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    /// Some calls through one reference, one right behind the other.
    Calls {
        to: usize,
        deadline: Duration,
        scripts: Vec<Vec<Step>>,
    },
    /// The process ends, and begins again after a while.
    Crash(Duration),
    PassivateAll,
    /// The ownership of a shard is taken away.
    Depose(u16),
    Faults(Faults),
    /// The next so many activations of a cell are refused for now.
    Refuse(usize, u32),
    TakeSnapshots,
    LoseState,
    FailSyncs,
}

/// What a turn does, one step after another.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Step {
    Put(u8),
    Delete(u8),
    Transact {
        key: u8,
        clear: bool,
        fail: bool,
    },
    Clear,
    Send {
        to: usize,
        trouble: Trouble,
    },
    /// Sends what the receiver does not list.
    SendUnlisted(usize),
    SetAlarm {
        millis: i64,
        conducts: Vec<Conduct>,
    },
    DeleteAlarm,
    Ask {
        to: usize,
        script: Vec<Step>,
        propagate: bool,
    },
    Pause(u64),
    Pipe(u64),
    Passivate,
    Fail,
    Panic,
}

/// What the receiver of a send does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Trouble {
    None,
    Fail,
    /// Panics so many times before it takes the send.
    Panic(u32),
    /// Sends on.
    Forward(usize),
}

/// What one firing of an alarm does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Conduct {
    Succeed,
    Fail,
    Panic,
    /// Sets a successor, and then fails or not.
    Reset {
        millis: i64,
        fail: bool,
    },
    /// Sets a successor, asks somebody, takes the successor back and fails.
    TakeBack(usize),
    /// Deletes everything.
    Clear,
}

/// What occurs in a schedule at all. Schedules that lack something reach further with the rest.
struct Mix {
    asks: bool,
    sends: bool,
    alarms: bool,
    clears: bool,
    panics: bool,
    pipes: bool,
    pauses: bool,
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let random = &mut StdRng::seed_from_u64(seed);
        let engine = seed % ENGINE_EVERY == ENGINE_EVERY - 1;
        let cells = random.random_range(1..=4);
        let shards = 1 << random.random_range(0..3);
        let mix = Mix {
            asks: random.random_bool(0.7),
            sends: random.random_bool(0.7),
            alarms: random.random_bool(0.6),
            clears: random.random_bool(0.3),
            panics: random.random_bool(0.3),
            pipes: random.random_bool(0.3),
            pauses: random.random_bool(0.5),
        };
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
        let mut events: Vec<_> = events
            .into_iter()
            .map(|what| Event {
                at: Duration::from_millis(random.random_range(0..span)),
                what,
            })
            .collect();
        events.sort_by_key(|event| event.at);
        let slowest = Duration::from_micros(random.random_range(100..20_000));
        Self {
            seed,
            engine,
            shards,
            cells,
            bounds,
            faults: calm,
            syncs: Duration::from_micros(50)..=slowest,
            wakes: random.random_bool(0.2),
            waking: Duration::from_millis(if random.random_bool(0.2) { 7 } else { 0 }),
            events: events.into_iter().enumerate().collect(),
        }
    }

    /// The same with some of its events only.
    pub(crate) fn keep(&self, keep: &[usize]) -> Self {
        let mut plan = self.clone();
        plan.events.retain(|(number, _)| keep.contains(number));
        plan
    }

    pub(crate) fn numbers(&self) -> Vec<usize> {
        self.events.iter().map(|(number, _)| *number).collect()
    }

    fn any(&self, applies: impl Fn(&What) -> bool) -> bool {
        self.events.iter().any(|(_, event)| applies(&event.what))
    }

    /// Whether a commit may fail, or an ownership end.
    pub(crate) fn is_faulty(&self) -> bool {
        self.any(|what| match what {
            What::Crash(_) | What::Depose(_) | What::FailSyncs => true,
            What::Faults(faults) => faults.unknown > 0.0 || faults.refused > 0.0 || faults.unconfirmed > 0.0,
            What::Calls { .. } | What::PassivateAll | What::Refuse(..) | What::TakeSnapshots | What::LoseState => false,
        })
    }

    /// Whether an activation may be refused.
    pub(crate) fn refuses(&self) -> bool {
        self.any(|what| matches!(what, What::Refuse(..)))
    }

    /// Whether a message may be refused because a bound is met.
    pub(crate) fn is_tight(&self) -> bool {
        let default = Bounds::default();
        self.bounds.mailbox != default.mailbox || self.bounds.activations != default.activations
    }
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
            events.push(What::Crash(Duration::from_millis(pause)));
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
        events.push(What::TakeSnapshots);
    }
    if engine && random.random_bool(0.1) {
        events.push(What::FailSyncs);
    }
}

fn calls(random: &mut StdRng, cells: usize, mix: &Mix) -> What {
    let burst = if random.random_bool(0.2) {
        random.random_range(2..6)
    } else {
        1
    };
    What::Calls {
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

fn pick<'a, T>(random: &mut StdRng, choice: &'a [T]) -> &'a T {
    &choice[random.random_range(0..choice.len())]
}

/// Name of a cell.
pub(crate) fn name(cell: usize) -> &'static str {
    ["a", "b", "c", "d"][cell]
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            shards, cells, bounds, ..
        } = self;
        let ground = if self.engine { "the engine" } else { "the simulation" };
        writeln!(
            f,
            "  on {ground}: {shards} shards, {cells} cells, commits of up to {:?}",
            self.faults.commit_delay
        )?;
        writeln!(
            f,
            "  mailbox {}, activations {}, idle {:?}, ask {:?}, activations write: {}, take {:?}",
            bounds.mailbox, bounds.activations, bounds.idle, bounds.ask, self.wakes, self.waking
        )?;
        for (number, Event { at, what }) in &self.events {
            writeln!(f, "  {number:>3}  {:>4} ms  {what}", at.as_millis())?;
        }
        Ok(())
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calls { to, deadline, scripts } => {
                write!(f, "call {} within {deadline:?}:", name(*to))?;
                scripts.iter().try_for_each(|script| write!(f, " {script:?}"))
            }
            Self::Crash(_)
            | Self::PassivateAll
            | Self::Depose(_)
            | Self::Faults(_)
            | Self::Refuse(..)
            | Self::TakeSnapshots
            | Self::LoseState
            | Self::FailSyncs => write!(f, "{self:?}"),
        }
    }
}
