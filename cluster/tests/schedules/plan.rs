//! A schedule: what happens to a cluster of a few cells, and when. It follows from its seed alone.

mod drawing;
mod several;

use std::{fmt, ops::RangeInclusive, time::Duration};

use cluster::{
    Bounds,
    testing::{Faults, Weather},
};
use serde::{Deserialize, Serialize};

/// A schedule.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) nodes: usize,
    pub(crate) engine: bool,
    /// Whether every node hears by itself who owns what.
    pub(crate) replicas: bool,
    pub(crate) shards: u16,
    pub(crate) cells: usize,
    pub(crate) bounds: Bounds,
    pub(crate) faults: Faults,
    pub(crate) syncs: RangeInclusive<Duration>,
    pub(crate) weather: Weather,
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
        /// The node whose reference it is.
        via: usize,
        to: usize,
        deadline: Duration,
        scripts: Vec<Vec<Step>>,
    },
    /// A call under one key, from one node after another until it is answered.
    Repeated {
        via: usize,
        to: usize,
        deadline: Duration,
    },
    /// A process ends, and begins again after a while.
    Crash {
        node: usize,
        pause: Duration,
    },
    PassivateAll,
    /// The ownership of a shard is taken away.
    Depose(u16),
    Faults(Faults),
    /// The next so many activations of a cell are refused for now.
    Refuse(usize, u32),
    TakeSnapshots(usize),
    LoseState,
    FailSyncs(usize),
    /// Nothing gets from one node to another any more.
    Cut {
        from: usize,
        to: usize,
    },
    /// A node is cut off; where groups are simulated, others own its shards after a lease, and it does not hear of it.
    Isolate(usize),
    /// A shard goes to another node, and only the former owner does not hear of it.
    Supersede {
        shard: u16,
        to: usize,
    },
    /// All get through to each other, and hear of everything.
    Heal,
    /// The network misbehaves in another way.
    Weather(Weather),
    /// A shard goes to another node in good order, if it can.
    Move {
        shard: u16,
        to: usize,
    },
}

/// What a turn does, one step after another.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Step {
    /// Counts how often a call was done.
    Once(u64),
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

impl Plan {
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
        self.nodes > 1
            || self.any(|what| match what {
                What::Crash { .. } | What::Depose(_) | What::FailSyncs(_) => true,
                What::Faults(faults) => faults.unknown > 0.0 || faults.refused > 0.0 || faults.unconfirmed > 0.0,
                What::Calls { .. }
                | What::Repeated { .. }
                | What::PassivateAll
                | What::Refuse(..)
                | What::TakeSnapshots(_)
                | What::LoseState
                | What::Cut { .. }
                | What::Isolate(_)
                | What::Supersede { .. }
                | What::Heal
                | What::Weather(_)
                | What::Move { .. } => false,
            })
    }

    /// Whether a disk fails, which ends its node.
    pub(crate) fn fails_disks(&self) -> bool {
        self.any(|what| matches!(what, What::FailSyncs(_)))
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

/// Name of a cell.
pub(crate) fn name(cell: usize) -> &'static str {
    ["a", "b", "c", "d"][cell]
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            nodes,
            shards,
            cells,
            bounds,
            ..
        } = self;
        let ground = if self.engine { "the engine" } else { "the simulation" };
        writeln!(
            f,
            "  {nodes} nodes on {ground}: {shards} shards, {cells} cells, commits of up to {:?}",
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
            Self::Calls {
                via,
                to,
                deadline,
                scripts,
            } => {
                write!(f, "call {} from node {via} within {deadline:?}:", name(*to))?;
                scripts.iter().try_for_each(|script| write!(f, " {script:?}"))
            }
            Self::Repeated { .. }
            | Self::Crash { .. }
            | Self::PassivateAll
            | Self::Depose(_)
            | Self::Faults(_)
            | Self::Refuse(..)
            | Self::TakeSnapshots(_)
            | Self::LoseState
            | Self::FailSyncs(_)
            | Self::Cut { .. }
            | Self::Isolate(_)
            | Self::Supersede { .. }
            | Self::Heal
            | Self::Weather(_)
            | Self::Move { .. } => write!(f, "{self:?}"),
        }
    }
}
