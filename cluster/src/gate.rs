//! The output gate of one actor: what its turns produced waits here until it may leave.
//!
//! Turns are numbered in the order of their proposals. What a turn wants to let out is held until its own batch and all
//! earlier ones are durable; their writes are kept readable for the turns that run meanwhile.
//!
//! A turn that wrote nothing, and whose reads have to be confirmed, takes a number as well: its batch is empty, and settled
//! by the confirmation.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::{keyspace::KeyRange, shard::Outcome};

/// Why held output must not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Broken {
    /// A batch had no effect, or what was read is not confirmed.
    NotProposed,
    /// A batch may or may not have taken effect.
    Unknown,
}

type Verdict = Result<(), Broken>;

type Held = Box<dyn FnOnce(Verdict) + Send>;

/// The output gate of one actor.
#[derive(Default)]
pub(crate) struct Gate {
    /// Number of the last proposal.
    proposed: AtomicU64,
    /// All proposals up to this one are durable: output behind them needs no lock.
    durable: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// All proposals up to this one have an outcome.
    settled: u64,
    /// Outcomes behind a gap.
    early: BTreeMap<u64, Verdict>,
    /// The worst of the outcomes so far.
    broken: Option<Broken>,
    /// Writes whose batch has no outcome yet, with the number of the batch.
    pending: BTreeMap<Bytes, (u64, Option<Bytes>)>,
    /// Output in the order of the turns.
    held: VecDeque<(u64, Held)>,
}

impl Gate {
    /// Numbers a batch and makes its writes readable.
    pub(crate) fn begin(&self, writes: impl Iterator<Item = (Bytes, Option<Bytes>)>) -> u64 {
        let mut state = self.state.lock();
        // Only the activation proposes, one batch after another.
        let number = self.proposed.load(Ordering::Relaxed) + 1;
        self.proposed.store(number, Ordering::Release);
        state.pending.extend(writes.map(|(key, value)| (key, (number, value))));
        number
    }

    /// Number of the last batch.
    pub(crate) fn last(&self) -> u64 {
        self.proposed.load(Ordering::Acquire)
    }

    /// Whether output behind a batch may leave at once.
    pub(crate) fn is_durable(&self, number: u64) -> bool {
        number <= self.durable.load(Ordering::Acquire)
    }

    /// Whether nothing is on its way.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.settled == self.last() && state.held.is_empty()
    }

    /// Calls `output` once batch `number` and all earlier ones have an outcome, at once if they have.
    pub(crate) fn hold(&self, number: u64, output: impl FnOnce(Result<(), Broken>) + Send + 'static) {
        if self.is_durable(number) {
            return output(Ok(()));
        }
        let verdict = {
            let mut state = self.state.lock();
            if state.settled < number {
                state.held.push_back((number, Box::new(output)));
                return;
            }
            state.verdict()
        };
        output(verdict);
    }

    /// Waits until batch `number` and all earlier ones are durable.
    pub(crate) async fn wait(&self, number: u64) -> Result<(), Broken> {
        let (sender, receiver) = oneshot::channel();
        self.hold(number, |verdict| {
            // A receiver that is gone belongs to a cancelled turn.
            let _ = sender.send(verdict);
        });
        receiver.await.unwrap_or(Err(Broken::Unknown))
    }

    /// Takes the outcome of a batch, and lets out what it held back.
    pub(crate) fn settle(&self, number: u64, keys: &[Bytes], outcome: Outcome) {
        let verdict = match outcome {
            Outcome::Committed { .. } => Ok(()),
            Outcome::NotProposed => Err(Broken::NotProposed),
            Outcome::Unknown => Err(Broken::Unknown),
        };
        self.conclude(number, keys, verdict);
    }

    /// Takes whether what was read was the state of the shard, and lets out what waited for that.
    pub(crate) fn confirm(&self, number: u64, confirmed: bool) {
        self.conclude(number, &[], if confirmed { Ok(()) } else { Err(Broken::NotProposed) });
    }

    fn conclude(&self, number: u64, keys: &[Bytes], verdict: Verdict) {
        // Nearly always there is one output.
        let (mut first, mut others) = (None, Vec::new());
        {
            let mut state = self.state.lock();
            for key in keys {
                if state.pending.get(key).is_some_and(|(writer, _)| *writer == number) {
                    state.pending.remove(key);
                }
            }
            if number != state.settled + 1 {
                state.early.insert(number, verdict);
                return;
            }
            let mut settled = Some((number, verdict));
            while let Some((next, verdict)) = settled {
                state.settled = next;
                state.broken = state.broken.max(verdict.err());
                let verdict = state.verdict();
                if verdict.is_ok() {
                    self.durable.store(next, Ordering::Release);
                }
                while let Some((_, output)) = state.held.pop_front_if(|(number, _)| *number <= next) {
                    if first.is_none() {
                        first = Some((output, verdict));
                    } else {
                        others.push((output, verdict));
                    }
                }
                settled = state.next_early();
            }
        }
        for (output, verdict) in first.into_iter().chain(others) {
            output(verdict);
        }
    }

    /// A write on its way: `Some(None)` is a removal.
    pub(crate) fn pending(&self, key: &[u8]) -> Option<Option<Bytes>> {
        if self.durable.load(Ordering::Acquire) == self.last() {
            return None;
        }
        self.state.lock().pending.get(key).map(|(_, value)| value.clone())
    }

    /// Writes of a range that are on their way.
    pub(crate) fn pending_range(&self, range: &KeyRange) -> BTreeMap<Bytes, Option<Bytes>> {
        let state = self.state.lock();
        if state.pending.is_empty() {
            return BTreeMap::new();
        }
        state
            .pending
            .range(range.clone())
            .map(|(key, (_, value))| (key.clone(), value.clone()))
            .collect()
    }
}

impl State {
    /// The outcome behind the last one, if it came early.
    fn next_early(&mut self) -> Option<(u64, Verdict)> {
        let next = self.settled + 1;
        Some((next, self.early.remove(&next)?))
    }

    fn verdict(&self) -> Verdict {
        self.broken.map_or(Ok(()), Err)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        f.debug_struct("Gate")
            .field("proposed", &self.last())
            .field("settled", &state.settled)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const COMMITTED: Outcome = Outcome::Committed {
        index: 1,
        first_ordinal: 0,
    };

    fn watch(gate: &Gate, number: u64) -> Arc<Mutex<Option<Result<(), Broken>>>> {
        let seen = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&seen);
        gate.hold(number, move |verdict| *slot.lock() = Some(verdict));
        seen
    }

    /// Guarantee 7.
    #[test]
    fn output_waits_for_its_own_batch_and_all_earlier_ones() {
        let gate = Gate::default();
        let (first, second) = (gate.begin(std::iter::empty()), gate.begin(std::iter::empty()));
        let output = watch(&gate, second);
        gate.settle(second, &[], COMMITTED);
        assert_eq!(*output.lock(), None);
        gate.settle(first, &[], COMMITTED);
        assert_eq!(*output.lock(), Some(Ok(())));
        assert!(gate.is_idle());
    }

    /// Guarantee 7.
    #[test]
    fn output_behind_a_lost_batch_never_leaves() {
        let gate = Gate::default();
        let (first, second) = (gate.begin(std::iter::empty()), gate.begin(std::iter::empty()));
        let output = watch(&gate, second);
        gate.settle(first, &[], Outcome::NotProposed);
        gate.settle(second, &[], Outcome::Unknown);
        assert_eq!(*output.lock(), Some(Err(Broken::Unknown)));
        assert_eq!(*watch(&gate, second).lock(), Some(Err(Broken::Unknown)));
    }

    /// Guarantees 3 and 7.
    #[test]
    fn output_behind_reads_waits_until_they_are_confirmed() {
        for confirmed in [true, false] {
            let gate = Gate::default();
            let (read, written) = (gate.begin(std::iter::empty()), gate.begin(std::iter::empty()));
            let outputs = [watch(&gate, read), watch(&gate, written)];
            gate.settle(written, &[], COMMITTED);
            assert!(!gate.is_idle() && outputs.iter().all(|output| output.lock().is_none()));
            gate.confirm(read, confirmed);
            let verdict = if confirmed { Ok(()) } else { Err(Broken::NotProposed) };
            assert!(outputs.iter().all(|output| *output.lock() == Some(verdict)));
        }
    }

    #[test]
    fn pending_writes_are_readable_until_the_last_writer_settles() {
        let gate = Gate::default();
        let key = Bytes::from_static(b"k");
        let first = gate.begin([(key.clone(), Some(Bytes::from_static(b"1")))].into_iter());
        let second = gate.begin([(key.clone(), None)].into_iter());
        gate.settle(first, std::slice::from_ref(&key), COMMITTED);
        assert_eq!(gate.pending(&key), Some(None));
        gate.settle(second, std::slice::from_ref(&key), COMMITTED);
        assert_eq!(gate.pending(&key), None);
    }
}
