//! Turns the write-sets that wait for one group into log entries.
//!
//! What openraft costs, it costs per entry: so there is one entry per round, a round takes all that waits, and while one
//! round is being made durable the next one gathers.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use metrics::Histogram;
use openraft::errors::ClientWriteError;
use openraft::raft::ClientWriteResult;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::codec;
use super::group::GroupRaft;
use super::ownership::Ownership;
use super::types::{Answer, Command, Reply, Types};
use crate::shard::{Epoch, Op, Outcome, Proposal};

/// Rounds on their way at once: one being made durable, one gathering.
pub(crate) const ROUNDS: u32 = 2;
/// Write-sets in one round.
const ROUND_TURNS: usize = 512;
/// Bytes after which a round takes no further write-set.
const ROUND_BYTES: usize = 1 << 20;

type Done = Box<dyn FnOnce(Outcome) + Send>;

pub(crate) struct Proposer {
    pub(crate) raft: GroupRaft,
    pub(crate) ownership: Arc<Ownership>,
    pub(crate) queue: mpsc::UnboundedReceiver<Proposal>,
    /// [`ROUNDS`] of them. Whoever holds them all has the group at rest.
    pub(crate) permits: Arc<Semaphore>,
    /// How many write-sets go into one entry.
    pub(crate) sizes: Histogram,
}

impl Proposer {
    /// Proposes until the queue is closed, and returns once every round is answered.
    pub(crate) async fn run(mut self) {
        let permits = Arc::clone(&self.permits);
        let mut waiting = VecDeque::new();
        let mut arrived = Vec::with_capacity(ROUND_TURNS);
        let mut next = (Epoch(0), 0);
        loop {
            if waiting.is_empty() {
                if self.queue.recv_many(&mut arrived, ROUND_TURNS).await == 0 {
                    break;
                }
                waiting.extend(arrived.drain(..));
            }
            let permit = Arc::clone(&permits)
                .acquire_owned()
                .await
                .expect("the semaphore is never closed");
            while waiting.len() < ROUND_TURNS
                && let Ok(proposal) = self.queue.try_recv()
            {
                waiting.push_back(proposal);
            }
            let Some(round) = Round::gather(&mut waiting) else {
                continue;
            };
            if self.ownership.current() != Some(round.epoch) {
                round.answer(Outcome::NotProposed);
                continue;
            }
            let number = if next.0 == round.epoch { next.1 } else { 0 };
            next = (round.epoch, number + 1);
            self.propose(round, number, permit).await;
        }
        // Every permit back means every round answered.
        let _all = permits
            .acquire_many(ROUNDS)
            .await
            .expect("the semaphore is never closed");
    }

    async fn propose(&self, round: Round, number: u64, permit: OwnedSemaphorePermit) {
        let Round { epoch, ops, done } = round;
        self.sizes
            .record(f64::from(u32::try_from(done.len()).unwrap_or(u32::MAX)));
        let ownership = Arc::clone(&self.ownership);
        let answer = Answer::new(move |result: Option<ClientWriteResult<Types>>| {
            let verdict = Verdict::of(result);
            if !matches!(verdict, Verdict::Committed { .. }) {
                // First of all, so that whoever hears the outcome finds the shard without owner.
                ownership.relinquish(epoch);
            }
            for (first_ordinal, done) in done {
                done(verdict.outcome(first_ordinal));
            }
            drop(permit);
        });
        let command = Command::Write {
            epoch,
            round: number,
            ops,
        };
        if let Err(error) = self.raft.client_write_ff(command, Some(answer)).await {
            // The answer is dropped with the command, and its callers hear that the outcome is unknown.
            tracing::debug!(%error, "a round was not taken");
        }
    }
}

/// Write-sets of one epoch that make up one entry.
struct Round {
    epoch: Epoch,
    ops: Bytes,
    /// Who hears of it, and the ordinal of the first durable send of each.
    done: Vec<(u32, Done)>,
}

impl Round {
    fn gather(waiting: &mut VecDeque<Proposal>) -> Option<Self> {
        let epoch = waiting.front()?.epoch;
        let (mut ops, mut done, mut ordinal) = (Vec::new(), Vec::new(), 0);
        while done.len() < ROUND_TURNS && ops.len() < ROUND_BYTES {
            let Some(proposal) = waiting.pop_front_if(|proposal| proposal.epoch == epoch) else {
                break;
            };
            let first = ordinal;
            for op in &proposal.writes.ops {
                ordinal += u32::from(matches!(op, Op::Send { .. }));
                codec::put_op(&mut ops, op);
            }
            done.push((first, proposal.done));
        }
        Some(Self {
            epoch,
            ops: ops.into(),
            done,
        })
    }

    fn answer(self, outcome: Outcome) {
        self.done.into_iter().for_each(|(_, done)| done(outcome));
    }
}

/// What became of a round.
#[derive(Clone, Copy)]
enum Verdict {
    Committed { index: u64 },
    NotProposed,
    Unknown,
}

impl Verdict {
    fn of(result: Option<ClientWriteResult<Types>>) -> Self {
        match result {
            Some(Ok(response)) => match response.data {
                Reply::Applied => Self::Committed {
                    index: response.log_id.index,
                },
                Reply::Rejected | Reply::Installed(_) | Reply::Nothing => Self::Unknown,
            },
            // The only error that says the entry never reached the log.
            Some(Err(ClientWriteError::ForwardToLeader(_))) => Self::NotProposed,
            Some(Err(_)) | None => Self::Unknown,
        }
    }

    fn outcome(self, first_ordinal: u32) -> Outcome {
        match self {
            Self::Committed { index } => Outcome::Committed { index, first_ordinal },
            Self::NotProposed => Outcome::NotProposed,
            Self::Unknown => Outcome::Unknown,
        }
    }
}
