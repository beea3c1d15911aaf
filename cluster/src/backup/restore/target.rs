//! The cluster that a restore writes to: its nodes, which keep the actors at rest, and the owners of its shards.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;

use crate::{
    ActorError, ErrorKind, TenantId,
    backup::BackupError,
    consensus::{Pages, of_tenant, put_op},
    hold::Held,
    host::Effects,
    keyspace::KeyRange,
    mailbox::Fault,
    peers::NodeId,
    remote::{Kept, Owners, Restoring},
    router::Node,
    shard::{Epoch, Op},
    store::Row,
};

/// Most bytes of a batch in one request.
const PIECE: usize = 4 << 20;

/// How long a node may take to bring actors to rest: longer than an activation is waited for.
const HOLD: Duration = Duration::from_secs(15);

/// Time between two renewals of what nodes lend.
const RENEW: Duration = Duration::from_secs(4);

/// Why a restore does not go on.
#[derive(Debug)]
pub(super) enum Stop {
    /// It may be begun again: a shard went to another node, or a node did not answer.
    Again(ActorError),
    /// It failed.
    Failed(BackupError),
}

impl From<ActorError> for Stop {
    fn from(error: ActorError) -> Self {
        match error.kind() {
            ErrorKind::Retryable | ErrorKind::Unknown => Self::Again(error),
            _ => Self::Failed(error.into()),
        }
    }
}

impl From<BackupError> for Stop {
    fn from(error: BackupError) -> Self {
        Self::Failed(error)
    }
}

/// The cluster that a restore writes to.
pub(super) struct Target {
    node: Arc<Node>,
    owners: Owners,
    token: u64,
    batches: AtomicU64,
}

impl Target {
    pub(super) fn new(node: &Arc<Node>, token: u64) -> Self {
        Self {
            node: Arc::clone(node),
            owners: Owners(Arc::clone(node)),
            token,
            batches: AtomicU64::new(0),
        }
    }

    pub(super) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Does something while the actors are at rest on all nodes that answer.
    pub(super) async fn holding<T>(&self, held: Held, work: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
        let holding = async |node: NodeId| {
            let hold = Restoring::Hold {
                token: self.token,
                held: held.clone(),
            };
            let kept = self.node.restoring(node, hold, Bytes::new(), HOLD).await;
            (node, kept)
        };
        let nodes = self.node.nodes();
        let begun = join_all(nodes.iter().map(|node| holding(*node))).await;
        let lent = begun
            .into_iter()
            .filter(|(_, kept)| matches!(kept, Some(Kept::Holding { .. })));
        let lent = lent.map(|(node, _)| node).collect::<Vec<_>>();
        let renewing = async {
            loop {
                tokio::time::sleep(RENEW).await;
                let renewed = join_all(lent.iter().map(|node| holding(*node))).await;
                // One that does not answer is no owner that answers, or holds on.
                let ended = renewed.iter().any(|(_, kept)| match kept {
                    Some(Kept::Holding { is_new }) => *is_new,
                    Some(Kept::NotHeld) => true,
                    Some(Kept::Done | Kept::Written(_) | Kept::NotOwner | Kept::Doubtful) | None => false,
                });
                if ended {
                    return;
                }
            }
        };
        let outcome = tokio::select! {
            outcome = work => outcome,
            () = renewing => Err(again("a node does not keep the actors at rest any more")),
        };
        let release = |node: &NodeId| {
            let release = Restoring::Release { token: self.token };
            self.node.restoring(*node, release, Bytes::new(), self.node.bounds.ask)
        };
        join_all(nodes.iter().map(release)).await;
        outcome
    }

    /// Whether the owner of every shard keeps the actors at rest.
    pub(super) async fn check(&self) -> Result<(), Stop> {
        let checks = self
            .node
            .shards()
            .map(|shard| self.write(shard, None, Vec::new(), Effects::default()));
        join_all(checks).await.into_iter().try_for_each(|check| check.map(drop))
    }

    /// Reads ranges of a shard, all under one ownership.
    pub(super) async fn read(
        &self,
        shard: u16,
        ranges: impl IntoIterator<Item = KeyRange>,
    ) -> Result<(Epoch, Vec<Row>), Stop> {
        let mut all = Vec::new();
        let epoch = self
            .each(shard, ranges, |rows| {
                all.extend(rows);
                ControlFlow::Continue(())
            })
            .await?;
        let epoch = epoch.ok_or_else(|| again("a shard changed its owner"))?;
        Ok((epoch, all))
    }

    /// Reads ranges of a shard page by page; the ownership under which all of it was read, if it was one.
    pub(super) async fn each(
        &self,
        shard: u16,
        ranges: impl IntoIterator<Item = KeyRange>,
        mut hand: impl FnMut(Vec<Row>) -> ControlFlow<()>,
    ) -> Result<Option<Epoch>, Stop> {
        let mut pages = Pages::new(&self.owners, u32::from(shard) + 1, ranges);
        let mut epochs = Vec::new();
        while let Some(page) = pages.next().await? {
            epochs.push(page.epoch);
            epochs.dedup();
            if hand(page.rows).is_break() {
                break;
            }
        }
        Ok(epochs.first().copied().filter(|_| epochs.len() == 1))
    }

    /// The entries of a tenant in the directory of a shard.
    pub(super) async fn listed(&self, shard: u16, tenant: &TenantId) -> Result<Vec<Row>, Stop> {
        Ok(of_tenant(&self.owners, u32::from(shard) + 1, tenant).await?)
    }

    /// Has the owner of a shard commit a batch, under one ownership or under any.
    pub(super) async fn write(
        &self,
        shard: u16,
        epoch: Option<Epoch>,
        ops: Vec<Op>,
        effects: Effects,
    ) -> Result<Epoch, Stop> {
        let within = self.node.bounds.ask;
        let owner = tokio::time::timeout(within, self.node.owner_of(shard)).await;
        let owner = owner.map_err(|_| again("a shard has no owner"))?;
        let number = self.batches.fetch_add(1, Ordering::Relaxed);
        let mut bytes = Vec::new();
        ops.iter().for_each(|op| put_op(&mut bytes, op));
        drop(ops);
        let (token, mut content, mut parts) = (self.token, Bytes::from(bytes), 0);
        while content.len() > PIECE {
            let part = Restoring::Part {
                token,
                number,
                part: parts,
            };
            let piece = content.split_to(PIECE);
            match self.node.restoring(owner, part, piece, within).await {
                Some(Kept::Done) => parts += 1,
                kept => return Err(refused(kept)),
            }
        }
        let write = Restoring::Write {
            token,
            number,
            parts,
            shard,
            epoch,
            wakes: (effects.alarm, effects.garbage),
        };
        match self.node.restoring(owner, write, content, within).await {
            Some(Kept::Written(epoch)) => Ok(epoch),
            kept => Err(refused(kept)),
        }
    }
}

fn refused(kept: Option<Kept>) -> Stop {
    match kept {
        Some(Kept::NotHeld) => again("the owner of a shard does not keep the actors at rest"),
        Some(Kept::NotOwner) => again("a shard changed its owner"),
        Some(Kept::Doubtful | Kept::Done | Kept::Holding { .. } | Kept::Written(_)) | None => {
            Stop::Again(Fault::Unknown.into())
        }
    }
}

fn again(why: &'static str) -> Stop {
    Stop::Again(ActorError::retryable("restore.owner", why))
}
