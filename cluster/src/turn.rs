//! One turn of an actor, without its types: what it reads, buffers and commits.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use rand::Rng;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::{
    ActorError, Credential, RequestId, Result, Storage, Timestamp,
    address::Address,
    alarm::{AlarmRow, AlarmState},
    directory::{Presence, Record},
    gate::Gate,
    host::{Effects, Host},
    idempotency::{Keyed, Outcomes},
    inbox,
    interface::{Payload, Value},
    keyspace::{self, SendId},
    mailbox::{Busy, Fault, Mailbox},
    outbox::Envelope,
    router::Node,
    shard::Op,
    socket::{Command, Departing, Exit, Leave, SocketId, Table},
    storage,
    vitals::Cause,
};

/// Code of the error when a newer program wrote an actor.
const NEWER: &str = "actor.newer";

/// Code of the error when an actor cannot be upgraded.
pub(crate) const UPGRADE: &str = "actor.upgrade";

/// Work beside the mailbox, and the message its result becomes.
pub(crate) struct Pipe {
    pub(crate) message: &'static str,
    pub(crate) work: BoxFuture<'static, Payload>,
    /// The request it is part of.
    pub(crate) request: Option<RequestId>,
    /// Keeps the activation from being passivated.
    pub(crate) busy: Busy,
}

/// State of one activation that its turns share, and the buffers of the running turn.
pub(crate) struct Turn {
    pub(crate) node: Arc<Node>,
    pub(crate) host: Arc<Host>,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) storage: Storage,
    pub(crate) sockets: Table,
    /// Behind a lock only so that a shared context may cross an await.
    pub(crate) pipes: Mutex<Vec<Pipe>>,
    pub(crate) passivate: bool,
    /// What the running call was let in with.
    pub(crate) credential: Option<Credential>,
    /// Whether a part of the running turn may have had an effect: a batch before an ask, or the ask itself.
    pub(crate) split: bool,
    pub(crate) token: CancellationToken,
    /// Whether the turn belongs to an upgrade, which is one batch.
    pub(crate) upgrading: bool,
    /// Whether anything was asked of the running turn that may have to be committed, held back or started when it ends.
    touched: bool,
    record: Record,
    outcomes: Outcomes,
    /// Version that the values in storage have once this turn is committed.
    version: u32,
    inbox: Option<(Bytes, Bytes)>,
    stale: Option<Timestamp>,
    sends: Vec<Bytes>,
    _ended: DropGuard,
}

impl Turn {
    /// Reads what the runtime keeps about the actor.
    pub(crate) fn load(node: Arc<Node>, host: Arc<Host>, mailbox: Arc<Mailbox>) -> Result<Self> {
        let hash = mailbox.address.hash;
        let token = CancellationToken::new();
        let shard = Arc::clone(&host.shard);
        let gate = Arc::clone(&mailbox.gate);
        let mut storage = Storage::new(shard, gate, Arc::clone(&node.bounds), hash);
        let record: Record = storage::stored(&storage, &keyspace::record(hash))?.unwrap_or_default();
        let alarm = storage.read(&keyspace::alarm(hash))?;
        let alarm = alarm.map(|bytes| AlarmRow::decode(&bytes)).transpose();
        let alarm = alarm.map_err(|error| storage::undecodable("a row of the runtime", &error))?;
        storage.generation = record.generation;
        storage.alarm = AlarmState::new(alarm);
        Ok(Self {
            node,
            host,
            mailbox,
            storage,
            sockets: Table::default(),
            pipes: Mutex::default(),
            passivate: false,
            credential: None,
            split: false,
            _ended: token.clone().drop_guard(),
            token,
            upgrading: false,
            touched: true,
            version: record.version,
            record,
            outcomes: Outcomes::default(),
            inbox: None,
            stale: None,
            sends: Vec::new(),
        })
    }

    pub(crate) fn address(&self) -> &Arc<Address> {
        &self.mailbox.address
    }

    pub(crate) fn gate(&self) -> &Arc<Gate> {
        &self.mailbox.gate
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.node.clock.now()
    }

    pub(crate) fn uuid(&self) -> Uuid {
        let random: [u8; 10] = self.node.random.lock().random();
        let millis = u64::try_from(self.now().as_millis()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }

    /// Compares what is stored with the version that the code writes: `Some` is the older version to upgrade from.
    pub(crate) fn outdated(&mut self, version: u32) -> Result<Option<u32>> {
        match self.record.presence {
            Presence::Unlisted | Presence::Absent => {
                self.version = version;
                return Ok(None);
            }
            Presence::Listed => {}
        }
        let stored = self.record.version;
        if stored > version {
            // Retryable: there is no effect, and what waits durably goes on waiting for the newer program.
            return Err(ActorError::retryable(
                NEWER,
                format!(
                    "{} was written as version {stored} and this program knows version {version}: start the newer one",
                    self.address()
                ),
            ));
        }
        Ok((stored < version).then_some(stored))
    }

    /// Ends an upgrade: its writes, and the version they lead to, become one batch.
    pub(crate) fn upgraded(&mut self, from: u32, to: u32, outcome: Result<()>) -> Result<()> {
        self.upgrading = false;
        if let Err(error) = outcome {
            return Err(ActorError::retryable(
                UPGRADE,
                format!(
                    "failed to upgrade {} from version {from} to {to}: {error}",
                    self.address()
                ),
            ));
        }
        self.version = to;
        self.commit();
        Ok(())
    }

    /// Lets those who watch know that the actor begins with something.
    pub(crate) fn begin(&self, cause: Cause, began: Instant) {
        self.node.watch.begin(&self.mailbox.vitals, cause, began);
    }

    /// The running turn may have to be committed, or more.
    pub(crate) fn touch(&mut self) {
        self.touched = true;
    }

    /// Whether the turn that ends was asked for nothing, so that nothing is to be done about it. To know this from one
    /// flag spares a look at all that a turn may leave behind, which for an actor that was not used for a while is slow.
    pub(crate) fn ends_untouched(&mut self) -> bool {
        let untouched = !std::mem::take(&mut self.touched);
        debug_assert!(
            !untouched || !(self.has_effect() || self.outcomes.is_open() || self.passivate || self.storage.bytes > 0),
            "whatever changes a turn touches it"
        );
        untouched
    }

    /// Whether a durable send was taken before; if not, it is taken with this turn.
    pub(crate) fn take_send(&mut self, source: u16, id: SendId) -> Result<bool> {
        self.touch();
        let row = keyspace::inbox(self.address().hash, source);
        let last: Option<SendId> = storage::stored(&self.storage, &row)?;
        if inbox::is_duplicate(last, id) {
            return Ok(false);
        }
        self.inbox = Some((row, storage::encoded(&id)));
        Ok(true)
    }

    /// Takes back that a durable send was taken, if nothing else came of the turn.
    pub(crate) fn leave_send(&mut self) -> bool {
        let inbox = self.inbox.take();
        let untouched = self.storage.is_clean() && self.sockets.is_clean() && self.sends.is_empty() && !self.split;
        if !untouched {
            self.inbox = inbox;
        }
        untouched
    }

    /// Buffers a durable send.
    pub(crate) fn send(&mut self, envelope: &Envelope) -> Result<()> {
        self.touch();
        let bytes = envelope.encode();
        self.storage.charge(bytes.len())?;
        self.sends.push(bytes);
        Ok(())
    }

    /// Sends something through sockets when the turn is durable.
    pub(crate) fn send_through(&mut self, sockets: Vec<SocketId>, command: Command) -> Result<()> {
        self.touch();
        let epoch = self.mailbox.epoch;
        let has_left = self.host.gaps.has_left(epoch);
        self.sockets.send(&self.storage, epoch, has_left, sockets, command)
    }

    /// The sockets of the actor.
    pub(crate) fn open_sockets(&mut self) -> Result<Vec<SocketId>> {
        self.sockets.all(&self.storage)
    }

    /// Removes, with this turn, an entry of the alarm index that no alarm stands behind.
    pub(crate) fn drop_stale_alarm(&mut self, due: Timestamp) {
        self.touch();
        self.stale = Some(due);
    }

    /// Makes this the turn of a call under an idempotency key that has no outcome yet.
    pub(crate) fn open(&mut self, keyed: Box<Keyed>, replaces: Option<u64>) -> Result<()> {
        self.touch();
        self.outcomes.open(&self.storage, keyed, replaces)
    }

    /// Whether anything of the turn took effect, or does when it ends: a part before an ask, a write, a send, work.
    pub(crate) fn has_effect(&mut self) -> bool {
        self.split || !self.is_clean() || self.sockets.sends() || !self.pipes.get_mut().is_empty()
    }

    /// The place of what the turn sends through sockets, which leaves when it is durable.
    pub(crate) fn departing(&mut self) -> Option<Leave> {
        if !self.sockets.sends() {
            return None;
        }
        let departing = Departing {
            node: Arc::clone(&self.node),
            address: Arc::clone(self.address()),
            epoch: self.mailbox.epoch,
            parcels: self.sockets.take_parcels(),
            underway: self.host.departures.begin(),
        };
        Some(Exit::enter(&self.mailbox, departing))
    }

    /// Stores, with this turn, what a call under an idempotency key came to.
    pub(crate) fn conclude(&mut self, outcome: &Result<Value, Fault>, effect: bool) {
        if self.outcomes.is_open() {
            let now = self.node.clock.now();
            self.outcomes
                .conclude(&self.storage, &self.node.bounds, now, outcome, effect);
        }
    }

    /// Whether there is anything to commit.
    fn is_clean(&self) -> bool {
        self.storage.is_clean()
            && self.storage.generation == self.record.generation
            && (self.version == self.record.version || self.record.presence != Presence::Listed)
            && self.inbox.is_none()
            && self.stale.is_none()
            && self.sends.is_empty()
            && self.sockets.is_clean()
    }

    /// Number in the gate that output waits for which rests on what the turn has read, and on no batch of its own.
    pub(crate) fn read(&self) -> u64 {
        self.host.read(&self.mailbox)
    }

    /// Proposes what is buffered as one batch. Returns the batch to wait for: this one, or, if the turn wrote nothing,
    /// the last one before it.
    pub(crate) fn commit(&mut self) -> Commit {
        let own = !self.is_clean();
        if self.outcomes.is_open() {
            let now = self.node.clock.now();
            self.outcomes.begin(&self.storage, &self.node.bounds, now);
        }
        if !own && !self.outcomes.has_rows() {
            self.storage.bytes = 0;
            return Commit {
                number: self.gate().last(),
                wrote: false,
                proposed: false,
            };
        }
        let address = Arc::clone(self.address());
        let hash = address.hash;
        let storage = &mut self.storage;
        let buffer = std::mem::take(&mut storage.buffer);
        let cleared = std::mem::take(&mut storage.cleared);
        let bytes = std::mem::take(&mut storage.bytes);
        let alarm = storage.alarm.commit();
        let wrote = buffer.values().any(Option::is_some)
            || alarm.is_some_and(|change| change.to.is_some())
            // Whoever has clients is found, to be looked at, kept and erased with the others.
            || self.sockets.connects();
        let mut rows: Vec<(Bytes, Option<Bytes>)> = buffer.into_iter().collect();
        let mut ops = Vec::with_capacity(rows.len() + 4);
        if let Some(change) = alarm {
            rows.push((keyspace::alarm(hash), change.to.map(|row| storage::encoded(&row))));
            ops.extend(change.from.map(|row| Op::Delete {
                key: keyspace::due(row.due.as_millis(), hash),
            }));
            ops.extend(change.to.map(|row| Op::Put {
                key: keyspace::due(row.due.as_millis(), hash),
                value: address.encode(),
            }));
        }
        if let Some(due) = self.stale.take() {
            ops.push(Op::Delete {
                key: keyspace::due(due.as_millis(), hash),
            });
        }
        rows.extend(self.inbox.take().map(|(key, value)| (key, Some(value))));
        rows.extend(self.outcomes.take_rows());
        let epoch = self.mailbox.epoch;
        if self.sockets.mark(&address, epoch) && self.host.gaps.has_left(epoch) {
            // It has not ended after all.
            ops.push(Op::Delete {
                key: keyspace::left(epoch),
            });
            self.host.gaps.stays();
        }
        let (of_sockets, index) = self.sockets.take_rows(hash);
        rows.extend(of_sockets);
        let sockets = !index.is_empty();
        ops.extend(index);
        let before = self.record;
        let presence = if wrote || (before.presence == Presence::Listed && !cleared) {
            Presence::Listed
        } else if before.presence != Presence::Absent || cleared || rows.iter().any(|(_, value)| value.is_some()) {
            Presence::Unlisted
        } else {
            Presence::Absent
        };
        let record = Record {
            version: if presence == Presence::Absent {
                before.version
            } else {
                self.version
            },
            generation: self.storage.generation,
            presence,
        };
        self.record = record;
        if record != before {
            rows.push((keyspace::record(hash), Some(storage::encoded(&record))));
            if before.presence != presence {
                ops.extend(address.entry(before.presence).map(|(key, _)| Op::Delete { key }));
                ops.extend(address.entry(presence).map(|(key, value)| Op::Put { key, value }));
            }
            if before.presence == Presence::Listed && before.generation != record.generation {
                ops.push(Op::Put {
                    key: keyspace::garbage(hash, before.generation),
                    value: Bytes::new(),
                });
            }
        }
        ops.extend(rows.iter().map(|(key, value)| match value {
            Some(value) => Op::Put {
                key: key.clone(),
                value: value.clone(),
            },
            None => Op::Delete { key: key.clone() },
        }));
        let effects = Effects {
            alarm: alarm.is_some(),
            sends: self.sends.len(),
            garbage: cleared,
            sockets,
        };
        ops.extend(self.sends.drain(..).map(|envelope| Op::Send { envelope }));
        if ops.is_empty() {
            return Commit {
                number: self.gate().last(),
                wrote: false,
                proposed: false,
            };
        }

        let keys: Vec<Bytes> = rows.iter().map(|(key, _)| key.clone()).collect();
        let number = self.gate().begin(rows.into_iter());
        let gate = Arc::clone(self.gate());
        self.node.metrics.commit(bytes);
        self.host.propose(self.mailbox.epoch, ops, effects, move |outcome| {
            gate.settle(number, &keys, outcome)
        });
        Commit {
            number,
            wrote: own,
            proposed: true,
        }
    }
}

/// The batch that the output of a turn waits for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Commit {
    /// Number of the batch in the gate.
    pub(crate) number: u64,
    /// Whether it is one of this turn, with more in it than that a call under an idempotency key has begun.
    pub(crate) wrote: bool,
    /// Whether it is one of this turn: it commits only if this node still owns the shard, so nothing else needs to be
    /// asked before output leaves that rests on what was read.
    pub(crate) proposed: bool,
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn")
            .field("id", &self.mailbox.address.id)
            .finish_non_exhaustive()
    }
}
