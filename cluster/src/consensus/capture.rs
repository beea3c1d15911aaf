//! Copies of groups as they are at one moment, taken beside their work from whichever nodes own them.
//!
//! The rows of a group are read while they change, and its log is fetched as it grows, so that none is purged that is still
//! needed; where it was, the group is begun again. Then all groups rest for an instant: each owner says that its group
//! rests, and only when all have said so are they told to go on. If each had rested until it was told, as the group of its
//! owner, there was a moment at which all did, and that is the moment of the copy. What the logs changed up to it is laid over
//! the rows. So no batch is torn, no message is lost or doubled between two shards of a copy, and nothing is in it without
//! what it followed from.
//!
//! An owner that is replaced makes no difference to rows and log: they go on with the next one. A rest that it breaks is
//! taken again.

mod choice;
mod copy;
mod image;
mod pages;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all, try_join_all};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

use self::copy::Copy;
use super::codec::{self, Head};
use super::copies::{Asked, Given};
use super::types::LogId;
use crate::id::ActorHash;
use crate::{ActorError, TenantId};

/// Groups whose rows are read at the same time.
const DRAFTS: usize = 4;

/// Time between two looks at the log of a group that waits for others.
const FOLLOW: Duration = Duration::from_millis(250);

/// How often the groups are asked to rest before the copy is given up.
const MOMENTS: u32 = 8;

/// Pause between two such attempts; it doubles. A leader that was lost is replaced within seconds.
const PAUSE: Duration = Duration::from_millis(100);

/// What is copied.
#[derive(Debug, Clone)]
pub(crate) enum Scope {
    /// Every row of every group.
    Node,
    /// The actors of a tenant, and the durable sends among them.
    Tenant(TenantId),
    /// One actor.
    Actor {
        hash: ActorHash,
        /// Its key in the directory.
        entry: Bytes,
    },
}

/// The copy of one group.
#[derive(Debug, Clone)]
pub(crate) struct Captured {
    pub(crate) group: u32,
    pub(crate) path: PathBuf,
    /// The last entry it contains.
    pub(crate) applied: Option<LogId>,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) sha256: [u8; 32],
}

/// Hears how many files are done, and of how many.
pub(crate) type Told = Arc<dyn Fn(usize, usize) + Send + Sync>;

/// The owners of the groups.
pub(crate) trait Source: Send + Sync + 'static {
    /// Asks the owner of a group, whichever node that is.
    fn ask(&self, group: u32, asked: Asked) -> BoxFuture<'_, crate::Result<(Given, Bytes)>>;
}

/// Why a copy was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CaptureError {
    /// A file cannot be written or read.
    #[error(transparent)]
    File(#[from] io::Error),
    /// An owner did not do its part.
    #[error(transparent)]
    Owner(#[from] ActorError),
}

type Result<T, E = CaptureError> = std::result::Result<T, E>;

/// Copies groups into a directory, one synced file each. `token` is drawn for this copy.
pub(crate) async fn capture(
    source: Arc<dyn Source>,
    shards: u16,
    scope: Scope,
    into: PathBuf,
    token: u64,
    told: Told,
) -> Result<Vec<Captured>> {
    let groups = (0..=u32::from(shards)).filter(|group| scope.concerns(*group, shards));
    let groups = groups.collect::<Vec<_>>();
    let work = Arc::new(Work {
        source,
        scope,
        into,
        slots: Semaphore::new(DRAFTS),
        drafted: watch::Sender::new(0),
        groups: groups.len(),
        progress: Progress {
            told,
            done: Mutex::new(0),
            steps: 2 * groups.len(),
        },
    });
    let mut copies = try_join_all(groups.iter().map(|group| work.draft_and_follow(*group))).await?;
    let heads = work.moment(&mut copies, token).await?;
    let mut captured = Vec::new();
    for (copy, head) in copies.into_iter().zip(heads) {
        captured.push(copy.complete(head).await?);
        work.progress.step(1);
    }
    Ok(captured)
}

impl Scope {
    fn concerns(&self, group: u32, shards: u16) -> bool {
        match self {
            Self::Node => true,
            Self::Tenant(_) => group > 0,
            Self::Actor { hash, .. } => group == u32::from(hash.shard(shards)) + 1,
        }
    }
}

/// What the groups of one copy share.
struct Work {
    source: Arc<dyn Source>,
    scope: Scope,
    into: PathBuf,
    slots: Semaphore,
    /// How many groups have all their rows.
    drafted: watch::Sender<usize>,
    groups: usize,
    progress: Progress,
}

impl Work {
    async fn draft(&self, group: u32) -> Result<Copy> {
        let _slot = self.slots.acquire().await.map_err(io::Error::other)?;
        let copy = Copy::draft(Arc::clone(&self.source), group, self.scope.clone(), &self.into).await?;
        self.progress.step(1);
        Ok(copy)
    }

    /// Reads the rows of a group, and follows its log until all groups are as far.
    async fn draft_and_follow(&self, group: u32) -> Result<Copy> {
        let mut copy = self.draft(group).await?;
        self.drafted.send_modify(|drafted| *drafted += 1);
        let mut drafted = self.drafted.subscribe();
        loop {
            tokio::select! {
                biased;
                // The sender is borrowed from.
                _ = drafted.wait_for(|drafted| *drafted == self.groups) => return Ok(copy),
                () = tokio::time::sleep(FOLLOW) => {}
            }
            copy.follow(None).await?;
        }
    }

    /// Follows the log of a group to its present end, and begins again where it was purged.
    async fn catch_up(&self, copy: &mut Copy) -> Result<()> {
        let mut follows = copy.follow(None).await?;
        while !follows {
            tracing::debug!(
                group = copy.group(),
                "a log is shorter than its copy needs: the group is copied again"
            );
            self.progress.back(1);
            *copy = self.draft(copy.group()).await?;
            follows = copy.follow(None).await?;
        }
        Ok(())
    }

    /// Finds a moment at which all groups rest, and fetches their logs up to it.
    async fn moment(&self, copies: &mut [Copy], token: u64) -> Result<Vec<Head>> {
        let mut last = None;
        for attempt in 0..MOMENTS {
            if attempt > 0 {
                tokio::time::sleep(PAUSE * 2_u32.pow(attempt)).await;
            }
            try_join_all(copies.iter_mut().map(|copy| self.catch_up(copy))).await?;
            let heads = match self.rest(copies, token.wrapping_add(u64::from(attempt))).await {
                Ok(heads) => heads,
                Err(error) => {
                    tracing::debug!(%error, "there was no moment at which all groups rested");
                    last = Some(error);
                    continue;
                }
            };
            let ends = heads.iter().map(|head| head.applied.map_or(0, |applied| applied.index));
            let fetched = copies.iter_mut().zip(ends).map(|(copy, end)| copy.follow(Some(end)));
            if try_join_all(fetched).await?.into_iter().all(|fetched| fetched) {
                return Ok(heads);
            }
        }
        let busy = || ActorError::retryable("backup.moment", "the shards change owners, or their logs, too often");
        Err(last.unwrap_or_else(busy).into())
    }

    /// Lets all groups rest at the same time, and says how far each was.
    async fn rest(&self, copies: &[Copy], token: u64) -> crate::Result<Vec<Head>> {
        let ask = |copy: &Copy, asked| self.source.ask(copy.group(), asked);
        let resting = join_all(copies.iter().map(|copy| ask(copy, Asked::Rest { token }))).await;
        // Whoever cannot be told goes on by itself.
        let went_on = join_all(copies.iter().map(|copy| ask(copy, Asked::GoOn { token }))).await;
        let mut heads = Vec::new();
        for (resting, went_on) in resting.into_iter().zip(went_on) {
            let ((Given::Resting { head }, _), (Given::WentOn(true), _)) = (resting?, went_on?) else {
                return Err(ActorError::retryable(
                    "backup.moment",
                    "a shard did not come to rest, or changed its owner meanwhile",
                ));
            };
            heads.push(read_head(head)?);
        }
        Ok(heads)
    }
}

fn read_head(head: Vec<u8>) -> crate::Result<Head> {
    codec::read_head(head.into()).map_err(|error| {
        tracing::error!(%error, "failed to read what an owner gave");
        ActorError::internal("backup.answer", "what the owner of a shard gave cannot be read")
    })
}

/// What is told of the work.
struct Progress {
    told: Told,
    done: Mutex<usize>,
    steps: usize,
}

impl Progress {
    fn step(&self, steps: usize) {
        let mut done = self.done.lock();
        *done += steps;
        (self.told)(*done, self.steps);
    }

    fn back(&self, steps: usize) {
        let mut done = self.done.lock();
        *done = done.saturating_sub(steps);
        (self.told)(*done, self.steps);
    }
}
