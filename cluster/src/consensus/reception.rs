//! How a snapshot is received: one at a time on a node, piece by piece into a draft that nobody reads before it is whole,
//! checked and synced. One that nobody goes on with is dropped.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::codec;
use super::group::Group;
use super::machine::{self, Snapshot};
use super::rpc::{Part, Progress, SnapshotId};
use super::types::Vote;
use crate::store::{Image, ImageDraft, Images, OnFatal};

/// After how long without a piece a snapshot is given up.
pub(crate) const IDLE: Duration = Duration::from_secs(30);

/// Where a node receives snapshots.
pub(crate) struct Reception {
    images: Images,
    /// The runtime of the groups.
    raft: Handle,
    slot: Mutex<Option<Incoming>>,
    stop: CancellationToken,
    on_fatal: OnFatal,
}

/// The snapshot that is being received.
struct Incoming {
    group: u32,
    snapshot: SnapshotId,
    received: u64,
    touched: Instant,
    stage: Stage,
}

enum Stage {
    Receiving(ImageDraft),
    Installing,
    Failed,
}

impl Incoming {
    fn is(&self, group: u32, snapshot: SnapshotId) -> bool {
        self.group == group && self.snapshot == snapshot
    }

    fn is_idle(&self) -> bool {
        !matches!(self.stage, Stage::Installing) && self.touched.elapsed() >= IDLE
    }
}

impl Reception {
    pub(crate) fn new(images: Images, raft: Handle, stop: CancellationToken, on_fatal: OnFatal) -> Arc<Self> {
        Arc::new(Self {
            images,
            raft,
            slot: Mutex::default(),
            stop,
            on_fatal,
        })
    }

    /// Takes a piece, if it is the next one, and says which it waits for.
    pub(crate) async fn take(self: &Arc<Self>, group: &Arc<Group>, part: Part) -> Progress {
        let number = group.number();
        let present = group.raft().metrics().borrow_watched().vote;
        let is_known = group.snapshot_applied() >= Some(part.snapshot.applied);
        // A leader that was deposed learns it before it sends everything.
        if is_known || present > part.vote {
            return Progress::Installed(if present > part.vote { present } else { part.vote });
        }
        let mut slot = self.slot.lock().await;
        match &*slot {
            Some(incoming) if incoming.is(number, part.snapshot) => {}
            Some(incoming) if matches!(incoming.stage, Stage::Installing) => return Progress::Busy,
            Some(incoming) if incoming.group != number && !incoming.is_idle() => return Progress::Busy,
            Some(_) | None => {
                if let Err(error) = self.begin(&mut slot, number, part.snapshot).await {
                    tracing::warn!(%error, group = number, "a snapshot cannot be received");
                    return Progress::Failed;
                }
            }
        }
        let Some(mut incoming) = slot.take() else {
            return Progress::Failed;
        };
        incoming.touched = Instant::now();
        let draft = match incoming.stage {
            Stage::Receiving(draft) if part.offset == incoming.received && !part.bytes.is_empty() => draft,
            Stage::Failed => {
                self.images.drop_draft(number).await;
                return Progress::Failed;
            }
            stage @ (Stage::Receiving(_) | Stage::Installing) => {
                let progress = match stage {
                    Stage::Receiving(_) => Progress::Next(incoming.received),
                    Stage::Installing | Stage::Failed => Progress::Installing,
                };
                *slot = Some(Incoming { stage, ..incoming });
                return progress;
            }
        };
        incoming.received += part.bytes.len() as u64;
        let draft = match draft.push(part.bytes).await {
            Ok(draft) => draft,
            Err(error) => {
                tracing::warn!(%error, group = number, "a snapshot cannot be received");
                self.images.drop_draft(number).await;
                return Progress::Failed;
            }
        };
        if incoming.received < incoming.snapshot.bytes {
            let received = incoming.received;
            *slot = Some(Incoming {
                stage: Stage::Receiving(draft),
                ..incoming
            });
            return Progress::Next(received);
        }
        *slot = Some(Incoming {
            stage: Stage::Installing,
            ..incoming
        });
        let install = Arc::clone(self).install(Arc::clone(group), part.snapshot, part.vote, draft);
        self.raft.spawn(install);
        Progress::Installing
    }

    #[cfg(test)]
    pub(crate) async fn is_receiving(&self) -> bool {
        self.slot.lock().await.is_some()
    }

    async fn begin(self: &Arc<Self>, slot: &mut Option<Incoming>, group: u32, snapshot: SnapshotId) -> io::Result<()> {
        if let Some(former) = slot.take() {
            self.images.drop_draft(former.group).await;
        }
        let draft = self.images.draft(group).await?;
        tracing::info!(
            group,
            applied = snapshot.applied.index,
            bytes = snapshot.bytes,
            "receiving a snapshot"
        );
        *slot = Some(Incoming {
            group,
            snapshot,
            received: 0,
            touched: Instant::now(),
            stage: Stage::Receiving(draft),
        });
        let watch = Arc::clone(self).watch(group, snapshot);
        self.raft.spawn(watch);
        Ok(())
    }

    /// Drops what nobody goes on with.
    async fn watch(self: Arc<Self>, group: u32, snapshot: SnapshotId) {
        let stop = self.stop.clone();
        let watch = async {
            loop {
                tokio::time::sleep(IDLE).await;
                let mut slot = self.slot.lock().await;
                match &*slot {
                    Some(incoming) if incoming.is(group, snapshot) => {
                        if incoming.is_idle() {
                            tracing::info!(group, "a snapshot was not received to its end");
                            *slot = None;
                            self.images.drop_draft(group).await;
                            return;
                        }
                    }
                    Some(_) | None => return,
                }
            }
        };
        stop.run_until_cancelled(watch).await;
    }

    async fn install(self: Arc<Self>, group: Arc<Group>, snapshot: SnapshotId, vote: Vote, draft: ImageDraft) {
        let number = group.number();
        let image = match draft.finish().await {
            Ok(image) => Some(image),
            Err(error) => {
                (self.on_fatal)(format!("failed to sync a received snapshot of group {number}: {error}"));
                None
            }
        };
        let installed = match image {
            Some(image) => self.check(image, snapshot).await,
            None => return,
        };
        let installed = match installed {
            Ok(checked) => group
                .raft()
                .install_full_snapshot(vote, checked)
                .await
                .map_err(io::Error::other),
            Err(error) => Err(error),
        };
        self.images.drop_draft(number).await;
        let mut slot = self.slot.lock().await;
        match installed {
            Ok(_) => *slot = None,
            Err(error) => {
                tracing::warn!(%error, group = number, "a received snapshot was not installed");
                if let Some(incoming) = &mut *slot {
                    incoming.stage = Stage::Failed;
                }
            }
        }
    }

    /// Checks a snapshot as a whole: from here on it replaces the state.
    async fn check(&self, image: Image, expected: SnapshotId) -> io::Result<Snapshot> {
        let checked = move || {
            image.verify()?;
            let head = codec::read_head(image.head()?)?;
            if head.applied != Some(expected.applied) {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the snapshot is not the one that was announced",
                ));
            }
            Ok(Snapshot {
                meta: machine::meta(&head),
                snapshot: image,
            })
        };
        self.images.blocking(checked).await
    }
}
