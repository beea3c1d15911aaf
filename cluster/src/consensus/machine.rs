//! The state machine of a group: what a committed entry does to a shard's state.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use metrics::histogram;
use openraft::storage::{ApplyResponder, EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};

use super::codec::{self, Head};
use super::log::{Marks, Progress};
use super::ownership::Ownership;
use super::types::{Command, Entry, LeaderId, LogId, Reply, StoredMembership, Types};
use crate::metrics::SNAPSHOT;
use crate::shard::Op;
use crate::store::{Change, Image, Images, ShardState};

pub(crate) type SnapshotMeta = openraft::SnapshotMeta<LeaderId, u64, ()>;
pub(crate) type Snapshot = openraft::Snapshot<LeaderId, u64, (), Image>;

/// The row that says how far the state is applied, and under which owner; the engine's own table is 0.
pub(crate) const HEAD: &[u8] = &[0, 0];

/// The table of durable sends, keyed by `[log index u64][ordinal u32]`.
const OUTBOX: u8 = 3;

/// Most entries whose changes become visible at once: they share the row that says how far the state is applied.
const CHUNK: usize = 16;

/// How many chunks are applied before overlays are checked against their bound again.
const ADMIT_EVERY: usize = 4;

/// The state machine that openraft drives.
pub(crate) struct Machine {
    inner: Arc<Inner>,
    head: Head,
}

struct Inner {
    group: u32,
    state: Arc<ShardState>,
    images: Images,
    marks: Arc<Marks>,
    progress: Arc<Progress>,
    ownership: Arc<Ownership>,
    snapshot: Arc<SnapshotInfo>,
    /// One snapshot at a time on a node.
    turn: Arc<Semaphore>,
    /// Dropped with the last part of the state machine that may still run after openraft has shut down.
    _running: mpsc::Sender<()>,
}

/// What entries that were applied together have done, until it is visible.
#[derive(Default)]
struct Chunk {
    changes: Vec<Change>,
    replies: Vec<(ApplyResponder<Types>, Reply)>,
}

impl Chunk {
    /// Whether a row is there after these changes, where they say so.
    fn has(&self, key: &Bytes) -> Option<bool> {
        let last = self.changes.iter().rev().find(|(changed, _)| changed == key);
        last.map(|(_, value)| value.is_some())
    }
}

/// What is known of a group's last snapshot.
#[derive(Debug, Default)]
pub(crate) struct SnapshotInfo {
    last: Mutex<Option<(LogId, u64)>>,
}

impl SnapshotInfo {
    /// The last entry it contains.
    pub(crate) fn applied(&self) -> Option<LogId> {
        self.last.lock().map(|(applied, _)| applied)
    }

    /// Its size, which stands for the size of the shard.
    pub(crate) fn bytes(&self) -> u64 {
        self.last.lock().map_or(0, |(_, bytes)| bytes)
    }

    fn set(&self, applied: Option<LogId>, image: &Image) -> io::Result<()> {
        let bytes = image.bytes()?;
        *self.last.lock() = applied.map(|applied| (applied, bytes));
        Ok(())
    }
}

/// The parts of a node that a state machine uses.
#[derive(Clone)]
pub(crate) struct MachineParts {
    pub(crate) group: u32,
    pub(crate) state: Arc<ShardState>,
    pub(crate) images: Images,
    pub(crate) marks: Arc<Marks>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) ownership: Arc<Ownership>,
    pub(crate) snapshot: Arc<SnapshotInfo>,
    pub(crate) turn: Arc<Semaphore>,
    pub(crate) running: mpsc::Sender<()>,
}

impl Machine {
    /// Takes the state up where it was left.
    pub(crate) fn open(parts: MachineParts) -> io::Result<Self> {
        let MachineParts {
            group,
            state,
            images,
            marks,
            progress,
            ownership,
            snapshot,
            turn,
            running,
        } = parts;
        let head = state.get(HEAD)?.map(codec::read_head).transpose()?.unwrap_or_default();
        if let Some(image) = images.current(group)? {
            snapshot.set(codec::read_head(image.head()?)?.applied, &image)?;
        }
        let inner = Inner {
            group,
            state,
            images,
            marks,
            progress,
            ownership,
            snapshot,
            turn,
            _running: running,
        };
        let machine = Self {
            inner: Arc::new(inner),
            head,
        };
        machine.publish();
        Ok(machine)
    }

    /// Whether more than one node votes, as of the last applied entry.
    pub(crate) fn has_several_voters(&self) -> bool {
        self.head.membership.voter_ids().count() > 1
    }

    /// The last applied entry.
    pub(crate) fn applied(&self) -> Option<LogId> {
        self.head.applied
    }

    fn publish(&self) {
        self.inner
            .progress
            .applied(self.head.applied.map_or(0, |applied| applied.index + 1));
    }

    /// Applies one entry; what it does joins the chunk.
    fn apply_one(&mut self, entry: Entry, chunk: &mut Chunk) -> io::Result<Reply> {
        // What came before takes effect under the former owner.
        if matches!(entry.payload, EntryPayload::Normal(Command::Own { .. })) {
            self.show(chunk);
        }
        let index = entry.log_id.index;
        let (reply, ops) = self.head.advance(entry)?;
        if let Reply::Installed(epoch) = reply {
            self.inner.ownership.superseded_by(epoch);
        }
        self.resolve(index, ops, chunk)?;
        Ok(reply)
    }

    /// Makes a chunk visible, with how far the state is applied then, and answers those who wait.
    fn show(&self, chunk: &mut Chunk) {
        chunk
            .changes
            .push((Bytes::from_static(HEAD), Some(codec::head(&self.head).into())));
        self.inner.state.write(chunk.changes.drain(..));
        self.publish();
        for (responder, reply) in chunk.replies.drain(..) {
            responder.send(reply);
        }
    }

    fn resolve(&self, index: u64, ops: Vec<Op>, chunk: &mut Chunk) -> io::Result<()> {
        let mut ordinal = 0_u32;
        for op in ops {
            let change = match op {
                Op::Put { key, value } => (key, Some(value)),
                Op::Delete { key } => (key, None),
                Op::Send { envelope } => {
                    let key = outbox_key(index, ordinal);
                    ordinal += 1;
                    (key, Some(envelope))
                }
                Op::PutIfAbsent { key, value } => {
                    let is_present = match chunk.has(&key) {
                        Some(is_present) => is_present,
                        None => self.inner.state.get(&key)?.is_some(),
                    };
                    if is_present {
                        continue;
                    }
                    (key, Some(value))
                }
            };
            chunk.changes.push(change);
        }
        Ok(())
    }

    fn snapshot_of(&self, image: Image) -> io::Result<Snapshot> {
        let head = codec::read_head(image.head()?)?;
        Ok(Snapshot {
            meta: meta(&head),
            snapshot: image,
        })
    }
}

/// Where the state machine puts a durable send.
pub(crate) fn outbox_key(index: u64, ordinal: u32) -> Bytes {
    [&[OUTBOX][..], &index.to_be_bytes(), &ordinal.to_be_bytes()]
        .concat()
        .into()
}

/// What openraft wants to know of a snapshot.
pub(crate) fn meta(head: &Head) -> SnapshotMeta {
    SnapshotMeta {
        last_log_id: head.applied,
        last_membership: head.membership.clone(),
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotData = Image;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        Ok((self.head.applied, self.head.membership.clone()))
    }

    async fn apply<Strm>(&mut self, entries: Strm) -> io::Result<()>
    where
        Strm: Stream<Item = io::Result<EntryResponder<Types>>> + Unpin + OptionalSend,
    {
        self.inner.state.admit().await;
        let (mut chunk, mut since_admission) = (Chunk::default(), 0);
        // No entry waits for one that is not there yet.
        let mut ready = entries.ready_chunks(CHUNK);
        while let Some(next) = ready.next().await {
            for next in next {
                let (entry, responder) = next?;
                let reply = self.apply_one(entry, &mut chunk)?;
                chunk.replies.extend(responder.map(|responder| (responder, reply)));
            }
            self.show(&mut chunk);
            since_admission += 1;
            if since_admission >= ADMIT_EVERY {
                since_admission = 0;
                self.inner.state.admit().await;
                // A long replay shares its thread with other groups.
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, _force: bool) -> Option<Builder> {
        Some(self.get_snapshot_builder().await)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        // The head is taken before the first row is read: later entries are applied again, which changes nothing.
        Builder {
            inner: Arc::clone(&self.inner),
            head: self.head.clone(),
        }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: Image) -> io::Result<()> {
        let head = codec::read_head(snapshot.head()?)?;
        if head.applied != meta.last_log_id {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the snapshot is not the one that was announced",
            ));
        }
        let (inner, record) = (Arc::clone(&self.inner), Bytes::from(codec::head(&head)));
        let install = move || {
            // Current first: if the process dies between, the next start installs it again.
            let image = inner.images.adopt(inner.group, &snapshot)?;
            inner.state.install(&image, (Bytes::from_static(HEAD), Some(record)))?;
            inner.snapshot.set(head.applied, &image)?;
            Ok::<_, io::Error>(head)
        };
        self.head = self.inner.images.blocking(install).await?;
        if let Some(epoch) = self.head.epoch {
            self.inner.ownership.superseded_by(epoch);
        }
        self.publish();
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        self.inner
            .images
            .current(self.inner.group)?
            .map(|image| self.snapshot_of(image))
            .transpose()
    }
}

/// Builds one snapshot beside the applying of entries.
pub(crate) struct Builder {
    inner: Arc<Inner>,
    head: Head,
}

impl RaftSnapshotBuilder<Types> for Builder {
    type SnapshotData = Image;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        let _turn = self.inner.turn.acquire().await.map_err(io::Error::other)?;
        let (inner, record, applied) = (Arc::clone(&self.inner), codec::head(&self.head), self.head.applied);
        let (began, time) = (Instant::now(), histogram!(SNAPSHOT));
        let build = move || {
            // Before the log is purged behind the snapshot, so that the marks never say less than was purged.
            inner.marks.write()?;
            let image = inner.images.build(inner.group, &record, &inner.state)?;
            inner.snapshot.set(applied, &image)?;
            Ok(image)
        };
        let image = self.inner.images.blocking(build).await?;
        time.record(began.elapsed());
        tracing::info!(
            group = self.inner.group,
            applied = applied.map(|applied| applied.index),
            "snapshot built"
        );
        Ok(Snapshot {
            meta: meta(&self.head),
            snapshot: image,
        })
    }
}
