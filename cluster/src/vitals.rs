//! What an operator sees of a live actor and of slow turns.
//!
//! A turn leaves its traces in atomics, so that being looked at costs it a reading of the clock and three stores.
//! Only a slow turn takes a lock.

use std::{
    borrow::Cow,
    collections::VecDeque,
    fmt,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{ActorId, Timestamp};

/// Bits of a packed turn that tell how it stands.
const OUTCOME_BITS: u32 = 3;

/// Bits of a packed turn that tell its message.
const MESSAGE_BITS: u32 = 16;

/// The message of a turn that ran the alarm.
const ALARM: u64 = (1 << MESSAGE_BITS) - 1;

/// How a turn stands or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TurnOutcome {
    /// It runs, and its duration is that so far.
    Running,
    /// The handler succeeded.
    Ok,
    /// The handler returned an error.
    Error,
    /// The handler panicked.
    Panic,
}

impl TurnOutcome {
    const fn code(self) -> u64 {
        match self {
            Self::Running => 1,
            Self::Ok => 2,
            Self::Error => 3,
            Self::Panic => 4,
        }
    }

    fn of(code: u64) -> Option<Self> {
        [Self::Running, Self::Ok, Self::Error, Self::Panic]
            .into_iter()
            .find(|outcome| outcome.code() == code)
    }
}

/// What a turn was for: a message at its place in the class's list, or the alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    Message(usize),
    Alarm,
}

impl Cause {
    fn code(self) -> u64 {
        match self {
            // A class with more messages than fit would show some of them under one name.
            Self::Message(place) => u64::try_from(place).map_or(ALARM - 1, |place| place.min(ALARM - 1)),
            Self::Alarm => ALARM,
        }
    }

    fn of(code: u64) -> Self {
        match code {
            ALARM => Self::Alarm,
            place => Self::Message(usize::try_from(place).unwrap_or(usize::MAX)),
        }
    }

    /// The name of the message; empty for the alarm.
    pub(crate) fn name(self, messages: &[&'static str]) -> Option<&'static str> {
        match self {
            Self::Message(place) => messages.get(place).copied(),
            Self::Alarm => None,
        }
    }
}

/// A turn as [`Vitals`] remember it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(crate) cause: Cause,
    pub(crate) outcome: TurnOutcome,
    pub(crate) began: Instant,
    pub(crate) duration: Duration,
}

/// The signs of life of one activation. Its only writer is the activation.
#[derive(Debug, Default)]
pub(crate) struct Vitals {
    resident: AtomicBool,
    discarded: AtomicBool,
    /// When the last turn began, in nanoseconds since the node did.
    began: AtomicU64,
    /// The last turn: outcome, message, duration in microseconds. Zero before the first.
    turn: AtomicU64,
}

impl Vitals {
    /// Says whether there is an instance in memory.
    pub(crate) fn is_resident(&self) -> bool {
        self.resident.load(Ordering::Relaxed)
    }

    pub(crate) fn set_resident(&self, resident: bool) {
        self.resident.store(resident, Ordering::Relaxed);
    }

    /// Says whether the activation was taken away rather than put away.
    pub(crate) fn is_discarded(&self) -> bool {
        self.discarded.load(Ordering::Relaxed)
    }

    pub(crate) fn discard(&self) {
        self.discarded.store(true, Ordering::Relaxed);
    }

    fn begin(&self, nanos: u64, cause: Cause) {
        self.began.store(nanos, Ordering::Relaxed);
        self.turn.store(pack(TurnOutcome::Running, cause, 0), Ordering::Relaxed);
    }

    fn end(&self, cause: Cause, outcome: TurnOutcome, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.turn.store(pack(outcome, cause, micros), Ordering::Relaxed);
    }
}

fn pack(outcome: TurnOutcome, cause: Cause, micros: u64) -> u64 {
    const SHIFT: u32 = OUTCOME_BITS + MESSAGE_BITS;
    let micros = micros.min(u64::MAX >> SHIFT);
    outcome.code() | (cause.code() << OUTCOME_BITS) | (micros << SHIFT)
}

fn unpack(turn: u64) -> Option<(TurnOutcome, Cause, Duration)> {
    let outcome = TurnOutcome::of(turn & ((1 << OUTCOME_BITS) - 1))?;
    let cause = Cause::of((turn >> OUTCOME_BITS) & ALARM);
    let duration = Duration::from_micros(turn >> (OUTCOME_BITS + MESSAGE_BITS));
    Some((outcome, cause, duration))
}

/// A turn that took at least [`Bounds::slow_turn`](crate::Bounds::slow_turn).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SlowTurn {
    /// The actor.
    pub actor: ActorId,
    /// Name of the message; empty for its alarm.
    pub message: Option<Cow<'static, str>>,
    /// When the turn began, by the clock of the node.
    pub began: Timestamp,
    /// How long its handler took; neither the activation before it nor the commit after it counts.
    pub duration: Duration,
    /// How it ended.
    pub outcome: TurnOutcome,
}

/// Watches the turns of one node.
pub(crate) struct Watch {
    started: Instant,
    slow: Duration,
    room: usize,
    turns: Mutex<VecDeque<SlowTurn>>,
}

impl Watch {
    pub(crate) fn new(slow: Duration, room: usize) -> Self {
        Self {
            started: Instant::now(),
            slow,
            room,
            turns: Mutex::default(),
        }
    }

    /// A turn begins.
    pub(crate) fn begin(&self, vitals: &Vitals, cause: Cause, began: Instant) {
        let nanos = u64::try_from(began.duration_since(self.started).as_nanos()).unwrap_or(u64::MAX);
        vitals.begin(nanos, cause);
    }

    /// A turn ended. Returns how long it took, and whether that was slow.
    pub(crate) fn end(&self, vitals: &Vitals, cause: Cause, began: Instant, outcome: TurnOutcome) -> (Duration, bool) {
        let duration = began.elapsed();
        vitals.end(cause, outcome, duration);
        (duration, duration >= self.slow)
    }

    /// Remembers a slow turn, and forgets the oldest.
    pub(crate) fn remember(&self, turn: SlowTurn) {
        let mut turns = self.turns.lock();
        turns.push_back(turn);
        while turns.len() > self.room {
            turns.pop_front();
        }
    }

    /// Slow turns, the latest first.
    pub(crate) fn slow_turns(&self) -> Vec<SlowTurn> {
        self.turns.lock().iter().rev().cloned().collect()
    }

    /// The last turn of an activation. It is read without a lock: if another begins at this very moment, its beginning
    /// may be shown with the end of the one before.
    pub(crate) fn last_turn(&self, vitals: &Vitals) -> Option<Trace> {
        let began = self.started + Duration::from_nanos(vitals.began.load(Ordering::Relaxed));
        let (outcome, cause, duration) = unpack(vitals.turn.load(Ordering::Relaxed))?;
        let duration = match outcome {
            TurnOutcome::Running => began.elapsed(),
            TurnOutcome::Ok | TurnOutcome::Error | TurnOutcome::Panic => duration,
        };
        Some(Trace {
            cause,
            outcome,
            began,
            duration,
        })
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("slow", &self.slow)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_packed_and_unpacked() {
        let cases = [
            (TurnOutcome::Running, Cause::Message(0), 0),
            (TurnOutcome::Ok, Cause::Message(41), 1),
            (TurnOutcome::Error, Cause::Alarm, 86_400_000_000),
            (TurnOutcome::Panic, Cause::Message(65_534), u64::MAX >> 19),
        ];
        for (outcome, cause, micros) in cases {
            let expected = (outcome, cause, Duration::from_micros(micros));
            assert_eq!(unpack(pack(outcome, cause, micros)), Some(expected));
        }
        assert_eq!(unpack(0), None, "before the first turn");
        let (_, _, longest) = unpack(pack(TurnOutcome::Ok, Cause::Alarm, u64::MAX)).unwrap();
        assert_eq!(longest, Duration::from_micros(u64::MAX >> 19));
    }
}
