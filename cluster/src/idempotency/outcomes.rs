//! The stored outcomes of an actor's calls under idempotency keys.
//!
//! Two rows for each: by key, what the call came to; by number, the key, so that the oldest are found and forgotten
//! first. They are written in the batch of the call's own turn, so an effect is never without its outcome. A turn that
//! asks half-way commits in parts: its first part says that the call has begun, and if nothing else follows, because of
//! a panic or a crash, a repetition hears that and is not run. The rows outlive `delete_all`, like what the actor has
//! taken of durable messages: otherwise a repeated call would act on what was deleted since.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Keyed;
use crate::{
    ActorError, Bounds, Result, Storage, Timestamp,
    host::Host,
    id::ActorHash,
    interface::{self, Value},
    keyspace,
    mailbox::{Fault, Mailbox},
    storage,
};

/// Outcomes forgotten in one turn at most, so that no turn pays for many others.
const FORGOTTEN: usize = 16;

/// What is stored under a key. A new form is a new variant at the end.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Row {
    V1(Entry),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    /// Of the message that the key was used for.
    digest: [u8; 32],
    /// Place among the outcomes of the actor.
    number: u64,
    at: Timestamp,
    outcome: Outcome,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Outcome {
    /// A part of the turn took effect, and nothing is known of the rest.
    Begun,
    /// The encoded reply.
    Reply(Vec<u8>),
    Error(ActorError),
}

/// What is stored under a number.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Place {
    V1 { key: String, at: Timestamp },
}

/// What is known of a call before it is handled.
pub(crate) enum Recall {
    /// Nothing, or nothing that still counts; then the number of what it replaces.
    New(Option<u64>),
    /// The answer.
    Known(Result<Value>),
}

/// The running call, and rows that wait for the batch of its turn.
#[derive(Default)]
pub(crate) struct Outcomes {
    window: Option<Window>,
    running: Option<Running>,
    rows: Vec<(Bytes, Option<Bytes>)>,
}

/// Numbers in use: from the oldest to the next.
#[derive(Debug, Clone, Copy)]
struct Window {
    first: u64,
    next: u64,
}

struct Running {
    keyed: Box<Keyed>,
    replaces: Option<u64>,
    /// Set once a part of the turn is on its way.
    begun: Option<u64>,
}

impl Keyed {
    /// What is known of this call.
    ///
    /// # Errors
    /// If the state cannot be read; then nothing may run under the key.
    pub(crate) fn recall(&self, host: &Host, mailbox: &Mailbox, now: Timestamp) -> Result<Recall> {
        let row = keyspace::dedup(mailbox.address.hash, self.key.as_str());
        let Some(bytes) = storage::current(&*host.shard, &mailbox.gate, &row)? else {
            return Ok(Recall::New(None));
        };
        let Row::V1(entry) = storage::decode("the outcome of a call", &bytes)?;
        if is_old(entry.at, now, host.bounds.idempotency_age) {
            return Ok(Recall::New(Some(entry.number)));
        }
        Ok(Recall::Known(if entry.digest == self.digest {
            self.answer(entry.outcome)
        } else {
            Err(ActorError::conflict(
                "idempotency.reused",
                "the idempotency key was used for another message",
            ))
        }))
    }

    fn answer(&self, outcome: Outcome) -> Result<Value> {
        match outcome {
            Outcome::Begun => Err(ActorError::unknown(
                "idempotency.interrupted",
                "the call was interrupted after a part of it took effect, and is not run again",
            )),
            Outcome::Reply(bytes) => self.decode(&bytes),
            Outcome::Error(error) => Err(error),
        }
    }

    /// What a handler's outcome is stored as.
    fn outcome(&self, outcome: Result<&Value, ActorError>, limit: usize) -> Outcome {
        let stored = match outcome.and_then(|value| self.encode(&**value)) {
            Ok(bytes) => Outcome::Reply(bytes.to_vec()),
            Err(error) => Outcome::Error(error),
        };
        let bytes = match &stored {
            Outcome::Begun => 0,
            Outcome::Reply(bytes) => bytes.len(),
            Outcome::Error(error) => error.code().len() + error.message().len(),
        };
        if bytes <= limit {
            return stored;
        }
        // To fail the call would lose its effect, to store nothing would double it.
        Outcome::Error(ActorError::too_large(
            "idempotency.reply-too-large",
            format!(
                "the call was handled once; its reply of {bytes} bytes exceeds the bound of {limit} and is not kept"
            ),
        ))
    }
}

impl Outcomes {
    /// Begins the turn of a call that [`Keyed::recall`] does not know.
    ///
    /// # Errors
    /// If the state cannot be read; then the call must not run.
    pub(crate) fn open(&mut self, storage: &Storage, keyed: Box<Keyed>, replaces: Option<u64>) -> Result<()> {
        if self.window.is_none() {
            self.window = Some(Window::load(storage)?);
        }
        self.running = Some(Running {
            keyed,
            replaces,
            begun: None,
        });
        Ok(())
    }

    pub(crate) fn is_open(&self) -> bool {
        self.running.is_some()
    }

    /// Marks the running call as begun, because a part of its turn commits before the rest.
    pub(crate) fn begin(&mut self, storage: &Storage, bounds: &Bounds, now: Timestamp) {
        if let Some(running) = self.running.take() {
            let begun = match running.begun {
                Some(number) => number,
                None => self.store(storage, bounds, now, &running, Outcome::Begun),
            };
            self.running = Some(Running {
                begun: Some(begun),
                ..running
            });
        }
    }

    /// Ends the running call. `effect` is whether anything of its turn took or takes effect.
    pub(crate) fn conclude(
        &mut self,
        storage: &Storage,
        bounds: &Bounds,
        now: Timestamp,
        outcome: &Result<Value, Fault>,
        effect: bool,
    ) {
        let Some(running) = self.running.take() else { return };
        let outcome = match outcome {
            Ok(value) => running.keyed.outcome(Ok(value), bounds.idempotency_reply_bytes),
            // What had no effect and may pass, or was never run, has no outcome yet: a repetition tries again.
            Err(Fault::Handler(error)) if !effect && (error.is_passing() || error.code() == interface::UNKNOWN) => {
                return self.forget(storage.hash(), &running);
            }
            // Handed on as it is, it would read as if this call had not been answered.
            Err(Fault::Handler(error)) if error.is_of_runtime() => Outcome::Begun,
            Err(Fault::Handler(error)) => {
                let error = if effect {
                    error.clone().with_effect()
                } else {
                    error.clone()
                };
                running.keyed.outcome(Err(error), bounds.idempotency_reply_bytes)
            }
            // Only a durable send is foreign, and none has a key.
            Err(
                Fault::Foreign(_)
                | Fault::Activation(_)
                | Fault::Panic
                | Fault::Overloaded(_)
                | Fault::Unavailable
                | Fault::Unknown
                | Fault::Refused(_),
            ) => {
                return;
            }
        };
        self.store(storage, bounds, now, &running, outcome);
    }

    /// Takes the rows that belong to the next batch.
    pub(crate) fn take_rows(&mut self) -> Vec<(Bytes, Option<Bytes>)> {
        std::mem::take(&mut self.rows)
    }

    pub(crate) fn has_rows(&self) -> bool {
        !self.rows.is_empty()
    }

    fn store(&mut self, storage: &Storage, bounds: &Bounds, at: Timestamp, running: &Running, outcome: Outcome) -> u64 {
        let hash = storage.hash();
        let number = match (running.begun, &mut self.window) {
            (Some(number), _) => number,
            (None, None) => 0,
            (None, Some(window)) => {
                let number = window.next;
                window.next += 1;
                if let Some(replaced) = running.replaces {
                    self.rows.push((keyspace::dedup_order(hash, replaced), None));
                }
                let place = Place::V1 {
                    key: running.keyed.key.as_str().to_owned(),
                    at,
                };
                self.rows
                    .push((keyspace::dedup_order(hash, number), Some(storage::encoded(&place))));
                window.shrink(storage, bounds, at, &mut self.rows);
                number
            }
        };
        let row = Row::V1(Entry {
            digest: running.keyed.digest,
            number,
            at,
            outcome,
        });
        // Behind the rows that are forgotten, one of which may have this key.
        self.rows.push((
            keyspace::dedup(hash, running.keyed.key.as_str()),
            Some(storage::encoded(&row)),
        ));
        number
    }

    /// Takes back the mark of a call that had no effect after all.
    fn forget(&mut self, hash: ActorHash, running: &Running) {
        if let Some(number) = running.begun {
            self.rows.push((keyspace::dedup_order(hash, number), None));
            self.rows
                .push((keyspace::dedup(hash, running.keyed.key.as_str()), None));
        }
    }
}

impl Window {
    fn load(storage: &Storage) -> Result<Self> {
        let range = keyspace::all_dedup_order(storage.hash());
        let number = |row: Option<Bytes>| row.and_then(|row| keyspace::parse_dedup_order(&row));
        let first = number(storage.edge(&range, false)?);
        let last = number(storage.edge(&range, true)?);
        Ok(match (first, last) {
            (Some(first), Some(last)) => Self { first, next: last + 1 },
            (None | Some(_), None) | (None, Some(_)) => Self { first: 0, next: 0 },
        })
    }

    /// Forgets the oldest while there are too many, or they are too old. Numbers without a row count as forgotten.
    fn shrink(&mut self, storage: &Storage, bounds: &Bounds, now: Timestamp, rows: &mut Vec<(Bytes, Option<Bytes>)>) {
        // The last number is the one that makes room for itself.
        let most = bounds.idempotency_keys.max(1) as u64;
        for _ in 0..FORGOTTEN {
            if self.first + 1 >= self.next {
                return;
            }
            let row = keyspace::dedup_order(storage.hash(), self.first);
            let place = match storage::stored::<Place>(storage, &row) {
                Ok(place) => place,
                Err(error) => {
                    // The next turn tries again.
                    return tracing::error!(%error, "failed to forget the outcome of a call");
                }
            };
            if let Some(Place::V1 { key, at }) = place {
                if self.next - self.first <= most && !is_old(at, now, bounds.idempotency_age) {
                    return;
                }
                rows.push((row, None));
                rows.push((keyspace::dedup(storage.hash(), &key), None));
            }
            self.first += 1;
        }
    }
}

/// Whether what happened `at` one moment is forgotten by `now`.
fn is_old(at: Timestamp, now: Timestamp, age: Duration) -> bool {
    now.since(at) >= age
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(outcome: Outcome) -> Row {
        Row::V1(Entry {
            digest: [7; 32],
            number: 3,
            at: Timestamp::from_millis(5),
            outcome,
        })
    }

    #[test]
    fn stored_rows_keep_their_form() {
        let refused = ActorError::conflict("a.b", "no");
        let outcomes: [(Outcome, &[u8]); 3] = [
            (Outcome::Begun, &[0]),
            (Outcome::Reply(vec![9, 8]), &[1, 2, 9, 8]),
            (Outcome::Error(refused), b"\x02\x02\x03a.b\x02no"),
        ];
        for (outcome, end) in outcomes {
            let golden = [&[1, 0][..], &[7; 32], &[3, 10], end].concat();
            let row = row(outcome);
            assert_eq!(storage::encoded(&row), golden);
            assert_eq!(storage::decode::<Row>("a row", &golden).unwrap(), row);
        }
        let place = Place::V1 {
            key: "k".into(),
            at: Timestamp::from_millis(5),
        };
        let golden = b"\x01\x00\x01k\x0a";
        assert_eq!(storage::encoded(&place), &golden[..]);
        assert_eq!(storage::decode::<Place>("a row", golden).unwrap(), place);
    }
}
