//! What an operator sees of one actor.

use std::{borrow::Cow, ops::Bound, time::Duration};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    ActorError, ActorId, Result, Timestamp,
    address::Address,
    alarm::AlarmRow,
    directory::{Presence, Record},
    host::Host,
    keyspace::{self, KeyRange},
    mailbox::Mailbox,
    router::Node,
    shard::Shard,
    vitals::{SlowTurn, TurnOutcome},
    wire::{self, WireError},
};

/// Rows of state that one inspection counts at most.
const ROWS: usize = 10_000;

/// Rows read at a time. A row may have 2 MiB.
pub(crate) const READ: usize = 16;

/// What an operator sees of one actor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActorStatus {
    /// The actor.
    pub id: ActorId,
    /// Number of its shard.
    pub shard: u16,
    /// Epoch under which its shard is owned.
    pub epoch: Option<u64>,
    /// Whether it has state or an alarm. One that does not may still be live.
    pub exists: bool,
    /// What it has stored.
    pub state: StateSize,
    /// Its alarm.
    pub alarm: Option<AlarmStatus>,
    /// What is in memory; empty if it is passive.
    pub live: Option<LiveActor>,
    /// Those of its owner's slow turns that were its own, the latest first.
    pub slow_turns: Vec<SlowTurn>,
}

/// How much an actor has stored. Batches on their way to the disk are not counted yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateSize {
    /// Number of values.
    pub rows: u64,
    /// Bytes of keys and encoded values.
    pub bytes: u64,
    /// Whether there are more than were counted: counting ends at 10,000 rows.
    pub truncated: bool,
}

/// The alarm of an actor as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmStatus {
    /// When it fires next.
    pub due: Timestamp,
    /// What it was set for; earlier than `due` after a failure.
    pub scheduled: Timestamp,
    /// Failed firings so far.
    pub retries: u32,
}

/// An actor that is in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveActor {
    /// Messages that wait or are being handled, and work beside the mailbox.
    pub mailbox: usize,
    /// Time since it was last used.
    pub idle: Duration,
    /// Its last turn in this activation.
    pub last_turn: Option<LastTurn>,
}

/// The last turn of a live actor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastTurn {
    /// Name of the message; empty for the alarm.
    pub message: Option<Cow<'static, str>>,
    /// When it began, by the clock of the node.
    pub began: Timestamp,
    /// How long it took, or takes already if it runs.
    pub duration: Duration,
    /// How it stands or ended.
    pub outcome: TurnOutcome,
}

/// One stored value of an actor, as it is encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredValue {
    /// The key.
    pub key: String,
    /// The encoded value: a version byte, then bincode.
    pub value: Bytes,
}

/// What is stored about one actor and of it.
pub(crate) struct Stored<'a> {
    shard: &'a dyn Shard,
    address: &'a Address,
    record: Option<Record>,
}

impl<'a> Stored<'a> {
    pub(crate) fn open(shard: &'a dyn Shard, address: &'a Address) -> Result<Self> {
        let record = read(shard, &keyspace::record(address.hash), wire::decode)?;
        Ok(Self { shard, address, record })
    }

    fn generation(&self) -> u32 {
        self.record.unwrap_or_default().generation
    }

    fn alarm(&self) -> Result<Option<AlarmStatus>> {
        let row = read(self.shard, &keyspace::alarm(self.address.hash), AlarmRow::decode)?;
        Ok(row.map(|row| AlarmStatus {
            due: row.due,
            scheduled: row.scheduled,
            retries: row.retries,
        }))
    }

    /// A page of the values behind the key `after`, in order.
    pub(crate) fn values(&self, after: Option<&str>, limit: usize) -> Result<Vec<StoredValue>> {
        let key = |key: &str| keyspace::state(self.address.hash, self.generation(), key);
        let (start, end) = keyspace::under(key(""));
        let range: KeyRange = (after.map_or(start, |after| Bound::Excluded(key(after))), end);
        let rows = self.shard.scan(range, false, limit).map_err(unreadable)?;
        let value = |(key, value): (Bytes, Bytes)| StoredValue {
            key: String::from_utf8_lossy(&key[keyspace::STATE_PREFIX..]).into_owned(),
            value,
        };
        Ok(rows.into_iter().map(value).collect())
    }

    /// Counts, and lets others run in between.
    async fn size(&self) -> Result<StateSize> {
        let mut size = StateSize::default();
        let mut rows = 0;
        let mut after = None;
        loop {
            let values = self.values(after.as_deref(), READ)?;
            let is_last = values.len() < READ;
            rows += values.len();
            for StoredValue { key, value } in &values {
                size.bytes += (key.len() + value.len()) as u64;
            }
            size.rows = rows as u64;
            size.truncated = rows >= ROWS && !is_last;
            if is_last || size.truncated {
                return Ok(size);
            }
            after = values.into_iter().next_back().map(|value| value.key);
            tokio::task::yield_now().await;
        }
    }
}

fn read<T>(shard: &dyn Shard, key: &[u8], decode: impl FnOnce(&[u8]) -> Result<T, WireError>) -> Result<Option<T>> {
    let row = shard.get(key).map_err(unreadable)?;
    row.map(|row| decode(&row)).transpose().map_err(|error| {
        tracing::error!(%error, "a row of the runtime is broken");
        ActorError::internal("storage.decode", "a row of the runtime is broken")
    })
}

fn unreadable(error: std::io::Error) -> ActorError {
    tracing::error!(%error, "failed to read actor storage");
    ActorError::internal("storage.read", "failed to read actor storage")
}

/// What is in memory of an actor.
pub(crate) fn live(node: &Node, mailbox: &Mailbox) -> Option<LiveActor> {
    if !mailbox.vitals.is_resident() {
        return None;
    }
    let trace = node.watch.last_turn(&mailbox.vitals);
    let last_turn = trace.map(|trace| {
        let class = node.classes.by_uid(mailbox.address.class);
        LastTurn {
            message: class
                .and_then(|class| trace.cause.name(class.messages()))
                .map(Cow::Borrowed),
            began: node.clock.now().minus(trace.began.elapsed()),
            duration: trace.duration,
            outcome: trace.outcome,
        }
    });
    Some(LiveActor {
        mailbox: mailbox.load(),
        idle: mailbox.last_used().elapsed(),
        last_turn,
    })
}

/// Everything about one actor.
pub(crate) async fn status(node: &Node, host: &Host, address: &Address) -> Result<ActorStatus> {
    let stored = Stored::open(&*host.shard, address)?;
    let mut slow_turns = node.watch.slow_turns();
    slow_turns.retain(|turn| turn.actor == address.id);
    Ok(ActorStatus {
        id: address.id.clone(),
        shard: host.shard.number(),
        epoch: host.epoch().map(|epoch| epoch.0),
        exists: stored.record.is_some_and(|record| record.presence == Presence::Listed),
        state: stored.size().await?,
        alarm: stored.alarm()?,
        live: host.mailbox(address.hash).and_then(|mailbox| live(node, &mailbox)),
        slow_turns,
    })
}
