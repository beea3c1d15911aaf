//! An actor whose rows arrive.

use std::sync::Arc;

use bytes::Bytes;

use super::target::{Stop, Target};
use crate::{
    ActorError,
    address::Address,
    alarm::AlarmRow,
    directory::{Presence, Record},
    host::Effects,
    keyspace::{self, ActorRow},
    shard::{Epoch, Op},
    storage, wire,
};

/// Bytes after which a batch is full.
pub(super) const BATCH: usize = 1 << 20;

/// How far apart the generations are that restoring uses.
const GENERATIONS: u32 = 1 << 16;

/// An actor whose rows arrive.
pub(super) struct Incoming<'a> {
    target: &'a Target,
    shard: u16,
    epoch: Epoch,
    address: Arc<Address>,
    /// What is there of it.
    before: Option<Record>,
    before_alarm: Option<AlarmRow>,
    /// What the backup says of it.
    record: Record,
    alarm: Option<AlarmRow>,
    /// Where its rows go.
    generation: u32,
    batch: Vec<Op>,
    /// Whether rows are in that generation already.
    held: bool,
}

impl<'a> Incoming<'a> {
    pub(super) async fn begin(target: &'a Target, address: Arc<Address>) -> Result<Self, Stop> {
        let hash = address.hash;
        let shard = target.node().shard(hash);
        let ranges = [keyspace::lasting(hash), keyspace::garbage_of(hash)];
        let (epoch, rows) = target.read(shard, ranges).await?;
        let (mut before, mut before_alarm, mut last) = (None::<Record>, None::<AlarmRow>, 0);
        let mut lasting = Vec::new();
        for (key, value) in rows {
            let Some(row) = ActorRow::parse(&key) else {
                last = keyspace::parse_garbage(&key).map_or(last, |(_, generation)| last.max(generation));
                continue;
            };
            if row.is_record() {
                before = Some(wire::decode(&value).map_err(|_| unreadable())?);
            } else if row.is_alarm() {
                before_alarm = Some(AlarmRow::decode(&value).map_err(|_| unreadable())?);
            }
            if let Some(socket) = row.open_socket() {
                let key = keyspace::socket_index(socket, hash);
                lasting.push(Op::Delete { key });
            }
            // What outlives `delete_all` goes, but for what the actor has taken of durable messages.
            if !row.is_inbox() {
                lasting.push(Op::Delete { key });
            }
        }
        Ok(Self {
            target,
            shard,
            epoch,
            generation: generation(last.max(before.unwrap_or_default().generation))?,
            before,
            before_alarm,
            address,
            record: Record::default(),
            alarm: None,
            batch: lasting,
            held: false,
        })
    }

    pub(super) async fn row(&mut self, key: &[u8], value: Bytes) -> Result<(), Stop> {
        let hash = self.address.hash;
        let Some(row) = ActorRow::parse(key) else { return Ok(()) };
        let broken = || {
            Stop::from(ActorError::internal(
                "restore.row",
                "a row of the backup cannot be read",
            ))
        };
        if row.is_record() {
            self.record = wire::decode(&value).map_err(|_| broken())?;
        } else if row.is_alarm() {
            self.alarm = Some(AlarmRow::decode(&value).map_err(|_| broken())?);
        } else if row.is_inbox() || row.is_socket() || (!row.is_lasting() && row.generation != self.record.generation) {
            // Cursors of another log, connections of another time, or rows that were deleted and not collected yet.
        } else {
            let generation = if row.is_lasting() {
                row.generation
            } else {
                self.generation
            };
            self.batch.push(Op::Put {
                key: row.moved(hash, generation),
                value,
            });
            if !row.is_lasting() && size(&self.batch) >= BATCH {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Commits the rows of the new generation that have gathered, and keeps the rest for the last batch.
    async fn flush(&mut self) -> Result<(), Stop> {
        let generation = self.generation;
        let is_new = |op: &Op| match op {
            Op::Put { key, .. } => ActorRow::parse(key).is_some_and(|row| row.generation == generation),
            Op::Delete { .. } | Op::Send { .. } | Op::PutIfAbsent { .. } => false,
        };
        let (mut rows, rest) = std::mem::take(&mut self.batch)
            .into_iter()
            .partition::<Vec<_>, _>(is_new);
        self.batch = rest;
        if !std::mem::replace(&mut self.held, true) {
            rows.push(Op::Put {
                key: keyspace::garbage(self.address.hash, generation),
                value: keyspace::held_garbage(self.epoch),
            });
        }
        self.commit(rows, Effects::default()).await
    }

    /// Makes the new generation the present one.
    pub(super) async fn end(mut self) -> Result<(), Stop> {
        let hash = self.address.hash;
        let mut ops = std::mem::take(&mut self.batch);
        self.leave(&mut ops);
        if let Some(alarm) = self.alarm {
            ops.push(Op::Put {
                key: keyspace::alarm(hash),
                value: storage::encoded(&alarm),
            });
            ops.push(Op::Put {
                key: keyspace::due(alarm.due.as_millis(), hash),
                value: self.address.encode(),
            });
        }
        let record = Record {
            generation: self.generation,
            ..self.record
        };
        self.enter(record, &mut ops);
        self.conclude(ops).await
    }

    /// Leaves nothing of the actor.
    pub(super) async fn remove(mut self) -> Result<(), Stop> {
        let mut ops = std::mem::take(&mut self.batch);
        self.leave(&mut ops);
        let record = Record {
            generation: self.generation,
            presence: Presence::Unlisted,
            ..self.before.unwrap_or_default()
        };
        self.enter(record, &mut ops);
        self.conclude(ops).await
    }

    /// Gives up what is there.
    fn leave(&self, ops: &mut Vec<Op>) {
        let hash = self.address.hash;
        if let Some(alarm) = self.before_alarm {
            ops.push(Op::Delete {
                key: keyspace::due(alarm.due.as_millis(), hash),
            });
        }
        let presence = self.before.map_or(Presence::Absent, |before| before.presence);
        if let Some((key, _)) = self.address.entry(presence) {
            ops.push(Op::Delete { key });
        }
        if let Some(before) = self.before.filter(|before| before.presence == Presence::Listed) {
            ops.push(Op::Put {
                key: keyspace::garbage(hash, before.generation),
                value: Bytes::new(),
            });
        }
    }

    fn enter(&self, record: Record, ops: &mut Vec<Op>) {
        let hash = self.address.hash;
        if let Some((key, value)) = self.address.entry(record.presence) {
            ops.push(Op::Put { key, value });
        }
        ops.push(Op::Put {
            key: keyspace::record(hash),
            value: storage::encoded(&record),
        });
        if self.held {
            ops.push(Op::Delete {
                key: keyspace::garbage(hash, self.generation),
            });
        }
    }

    async fn conclude(&self, ops: Vec<Op>) -> Result<(), Stop> {
        let effects = Effects {
            alarm: true,
            garbage: true,
            ..Effects::default()
        };
        self.commit(ops, effects).await
    }

    /// Commits a batch under the ownership that began it. If it fails, the collector has what was written: at once if it
    /// is told, and otherwise when that ownership ends.
    async fn commit(&self, ops: Vec<Op>, effects: Effects) -> Result<(), Stop> {
        let committed = self.target.write(self.shard, Some(self.epoch), ops, effects).await;
        if committed.is_err() && self.held {
            let mark = Op::Put {
                key: keyspace::garbage(self.address.hash, self.generation),
                value: Bytes::new(),
            };
            let effects = Effects {
                garbage: true,
                ..Effects::default()
            };
            // Whoever cannot be told has lost the ownership, or will.
            let _ = self
                .target
                .write(self.shard, Some(self.epoch), vec![mark], effects)
                .await;
        }
        committed.map(drop)
    }
}

/// A generation of storage that nobody uses, nor will soon: `delete_all` counts up from the present one, and meets
/// neither it nor what the collector has not removed yet of another one.
fn generation(last: u32) -> Result<u32, Stop> {
    let next = (last / GENERATIONS)
        .checked_add(1)
        .and_then(|step| step.checked_mul(GENERATIONS));
    let used_up = || ActorError::internal("storage.generations", "the generations of this actor are used up");
    Ok(next.ok_or_else(used_up)?)
}

pub(super) fn size(ops: &[Op]) -> usize {
    ops.iter().map(Op::size).sum()
}

fn unreadable() -> Stop {
    ActorError::internal("storage.read", "failed to read the state").into()
}
