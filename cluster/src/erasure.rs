//! Removes the rows of deleted classes from one shard.
//!
//! What is left to do follows from the rows that are there, so it begins again anywhere after a crash. Nobody can see a
//! half of it: no class has the identity any more, and a class that takes the name has another one.

use std::{collections::BTreeSet, io, sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{
    address::Stored,
    alarm::AlarmRow,
    dead_letter,
    host::Host,
    id::{ActorHash, ClassUid},
    keyspace::{self, KeyRange},
    outbox::Envelope,
    router::Node,
    shard::{Op, Outcome},
};

/// Rows removed in one batch.
const BATCH: usize = 64;

/// Rows of other classes that are looked over at a time.
const PAGE: usize = 256;

/// Pause after a read that failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Removes the rows of all deleted classes, one class after another.
pub(crate) async fn run(host: Arc<Host>) {
    let Some(node) = host.node() else { return };
    for (name, entry) in node.classes.registry().deleted() {
        let (class, shard) = (entry.uid, host.shard.number());
        let erasure = Erasure {
            host: &host,
            node: &node,
            class,
        };
        while let Err(stop) = erasure.run().await {
            match stop {
                // The next ownership goes on.
                Stop::Lost => return,
                Stop::Unreadable(error) => {
                    tracing::error!(%error, shard, class = name, "failed to remove a deleted class");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

/// Whether nothing is left of a deleted class.
pub(crate) fn is_done(host: &Host, class: ClassUid) -> io::Result<bool> {
    Ok(host.shard.get(&keyspace::erased(class))?.is_some())
}

/// Deleted classes that may still have rows, counted once for each shard that this node owns.
pub(crate) fn pending(node: &Node) -> usize {
    let deleted = node.classes.registry().deleted();
    let of_shard = |host: &Arc<Host>| {
        let pending = deleted
            .iter()
            .filter(|(_, entry)| !is_done(host, entry.uid).unwrap_or(false));
        pending.count()
    };
    let owned = node.hosts.iter().filter(|host| host.epoch().is_some());
    owned.map(of_shard).sum()
}

/// Why the work did not come to its end.
enum Stop {
    /// Ownership went away.
    Lost,
    Unreadable(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

/// The removal of one class from one shard.
struct Erasure<'a> {
    host: &'a Arc<Host>,
    node: &'a Node,
    class: ClassUid,
}

impl Erasure<'_> {
    async fn run(&self) -> Result<(), Stop> {
        if is_done(self.host, self.class)? {
            return Ok(());
        }
        let gauge = self.node.metrics.erasures();
        gauge.increment(1.0);
        let pending = Pending(gauge);
        let mut rows = self.actors().await?;
        rows += self
            .addressed(keyspace::all_due(), |value| Stored::class_in(value))
            .await?;
        rows += self
            .addressed(keyspace::all_socket_index(), |value| Stored::class_in(value))
            .await?;
        rows += self
            .addressed(keyspace::all_sent(), |value| Stored::class_in(value))
            .await?;
        rows += self.addressed(keyspace::outbox_after(None), class_of).await?;
        rows += self
            .addressed(keyspace::dead_after(None), |head| dead_letter::class_of(head))
            .await?;
        rows += self.addressed(keyspace::all_dead_envelopes(), class_of).await?;
        let done = vec![Op::Put {
            key: keyspace::erased(self.class),
            value: Bytes::new(),
        }];
        self.committed(self.host.write(done).await)?;
        drop(pending);
        tracing::info!(shard = self.host.shard.number(), class = %self.class, rows, "a deleted class is removed");
        // The timer forgets alarms that are gone.
        self.host.alarms.notify_one();
        Ok(())
    }

    /// Removes actors with all their rows. An actor leaves the directory with its last rows, so that none is forgotten.
    async fn actors(&self) -> Result<usize, Stop> {
        let mut removed = 0;
        loop {
            let mut entries = self.host.shard.scan(keyspace::listed_of(self.class), false, BATCH)?;
            if entries.is_empty() {
                entries = self.host.shard.scan(keyspace::unlisted_of(self.class), false, BATCH)?;
            }
            if entries.is_empty() {
                return Ok(removed);
            }
            let mut keys = BTreeSet::new();
            for (entry, value) in entries {
                let hash = <[u8; 16]>::try_from(&value[..]).ok().map(ActorHash);
                let Some(hash) = hash.or_else(|| keyspace::parse_unlisted(&entry)) else {
                    tracing::error!(shard = self.host.shard.number(), "an entry of the directory is broken");
                    keys.insert(entry);
                    continue;
                };
                if self.rows_of(hash, &mut keys)? {
                    keys.insert(entry);
                }
                if keys.len() >= BATCH {
                    break;
                }
            }
            removed += self.remove(keys).await?;
        }
    }

    /// Adds the rows of an actor, and says whether these are all.
    fn rows_of(&self, hash: ActorHash, keys: &mut BTreeSet<Bytes>) -> Result<bool, Stop> {
        let shard = &self.host.shard;
        let rows = shard.scan(keyspace::actor(hash), false, BATCH)?;
        let all = rows.len() < BATCH;
        let alarm = keyspace::alarm(hash);
        for (key, value) in rows {
            // The row of the alarm is the only way to its entry in the index of due times.
            if key == alarm
                && let Ok(alarm) = AlarmRow::decode(&value)
            {
                keys.insert(keyspace::due(alarm.due.as_millis(), hash));
            }
            if let Some(socket) = keyspace::ActorRow::parse(&key).and_then(|row| row.open_socket()) {
                keys.insert(keyspace::socket_index(socket, hash));
            }
            keys.insert(key);
        }
        if all {
            let markers = shard.scan(keyspace::garbage_of(hash), false, usize::MAX)?;
            keys.extend(markers.into_iter().map(|(key, _)| key));
        }
        Ok(all)
    }

    /// Removes the rows of a table that concern actors of the class.
    async fn addressed(&self, table: KeyRange, class: impl Fn(&Bytes) -> Option<ClassUid>) -> Result<usize, Stop> {
        let mut removed = 0;
        let (mut start, end) = table;
        loop {
            let rows = self.host.shard.scan((start, end.clone()), false, PAGE)?;
            let Some((last, _)) = rows.last() else {
                return Ok(removed);
            };
            start = std::ops::Bound::Excluded(last.clone());
            let ours = rows
                .iter()
                .filter(|(_, value)| class(value) == Some(self.class))
                .map(|(key, _)| key.clone());
            let keys: BTreeSet<_> = ours.collect();
            if !keys.is_empty() {
                removed += self.remove(keys).await?;
            }
        }
    }

    async fn remove(&self, keys: BTreeSet<Bytes>) -> Result<usize, Stop> {
        let rows = keys.len();
        self.committed(self.host.remove(keys.into_iter().collect()).await)?;
        self.node.metrics.erased(rows);
        Ok(rows)
    }

    fn committed(&self, outcome: Outcome) -> Result<(), Stop> {
        match outcome {
            Outcome::Committed { .. } => Ok(()),
            Outcome::NotProposed | Outcome::Unknown => Err(Stop::Lost),
        }
    }
}

/// The class a durable send is for.
fn class_of(envelope: &Bytes) -> Option<ClassUid> {
    Some(Envelope::decode(envelope)?.target.class())
}

/// Counts an erasure as pending until it ends, however it does.
struct Pending<'a>(&'a metrics::Gauge);

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
