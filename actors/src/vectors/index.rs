//! The actor: a queue of changes, and one write at a time.

#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;

use std::time::Duration;

use cluster::prelude::{Alarm, Ctx, Handler, Interface, Key, Keys, List, Result, VirtualActor};
use serde::{Deserialize, Serialize};

use super::{
    messages::{
        Answered, CheckIndex, Forget, GetIndexStatus, IndexStatus, IndexedText, Looked, Outcome, Put, Rebuild,
        RebuildFurther, Written,
    },
    rebuild::{BUILT, REBUILD, Rebuilding},
};
use crate::{
    env::Env,
    ports::{VectorChange, VectorError, VectorRow, VectorWrite},
};

/// Name of the one index actor of a tenant.
pub const NAME: &str = "vectors";
/// Most texts that are embedded and written at once.
const BATCH: usize = 32;
/// How long changes that are stored may lie after a crash before they are written.
pub(super) const CHECK: Duration = Duration::from_secs(10);
/// Pause after the first failed write; it doubles with each further one.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest pause after a failed write.
const PAUSE_MAX: Duration = Duration::from_mins(1);

pub(super) const PENDING: Keys<Change> = Keys::new("pending/");
/// Number of the change that was stored last.
const STORED: Key<u64> = Key::new("stored");
/// Number of the change that was written last.
const WRITTEN: Key<u64> = Key::new("written");
/// Number of the activation that wrote last.
const WRITER: Key<u64> = Key::new("writer");

/// A change that is to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Change {
    /// Texts are added.
    Put(Vec<IndexedText>),
    /// The texts of a run are removed.
    Forget(Forget),
    /// Everything is removed.
    Clear,
}

/// The index actor of a tenant.
#[derive(Debug)]
pub struct VectorIndex {
    stored: u64,
    written: u64,
    /// The number under which this activation writes, once it has taken one.
    writer: Option<u64>,
    is_writing: bool,
    /// Why the last write failed, and how many have in a row.
    failure: Option<(String, u32)>,
    pub(super) rebuilding: Option<Rebuilding>,
}

impl VirtualActor for VectorIndex {
    const CLASS: &'static str = "vectors";
    type Env = Env;

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<Put>()
            .on::<Forget>()
            .on::<Answered>()
            .on::<Rebuild>()
            .on::<CheckIndex>()
            .on::<GetIndexStatus>()
            .on::<Written>()
            .on::<Looked>()
            .on::<RebuildFurther>()
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        let mut index = Self {
            stored: ctx.storage().get(&STORED).await?.unwrap_or_default(),
            written: ctx.storage().get(&WRITTEN).await?.unwrap_or_default(),
            writer: None,
            is_writing: false,
            failure: None,
            rebuilding: ctx.storage().get(&REBUILD).await?,
        };
        if let Some(rebuilding) = &index.rebuilding {
            rebuilding.go_on(ctx);
        } else if ctx.storage().get(&BUILT).await?.as_ref() != Some(&super::rebuild::model(ctx)) {
            index.rebuild(ctx).await?;
        } else {
            let (env, tenant) = (ctx.env().clone(), ctx.tenant().to_string());
            ctx.pipe_to_self(async move {
                let writer = env.vectors.writer(tenant).await.ok();
                Looked { writer }
            });
        }
        index.write(ctx).await?;
        Ok(index)
    }

    async fn alarm(&mut self, _alarm: Alarm, ctx: &mut Ctx<Self>) -> Result<()> {
        if let Some(rebuilding) = &self.rebuilding {
            rebuilding.go_on(ctx);
        }
        self.watch(CHECK, ctx);
        self.write(ctx).await
    }
}

impl VectorIndex {
    /// Stores a change, and begins to write where that is not at work or paused.
    pub(super) async fn store(&mut self, change: Change, ctx: &mut Ctx<Self>) -> Result<()> {
        self.stored += 1;
        ctx.storage().put(&PENDING.key(&key(self.stored)), &change)?;
        ctx.storage().put(&STORED, &self.stored)?;
        self.watch(CHECK, ctx);
        if self.failure.is_none() {
            self.write(ctx).await?;
        }
        Ok(())
    }

    /// Drops what was not written: whoever calls it has it sent again.
    pub(super) async fn drop_pending(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        loop {
            let rows = ctx.storage().list(&PENDING, List::default()).await?;
            if rows.is_empty() {
                break;
            }
            for (key, _) in rows {
                ctx.storage().delete(&PENDING.key(&key))?;
            }
        }
        self.written = self.stored;
        ctx.storage().put(&WRITTEN, &self.written)
    }

    /// Makes sure that the actor is woken while there is something to do.
    pub(super) fn watch(&self, within: Duration, ctx: &mut Ctx<Self>) {
        if self.written == self.stored && self.rebuilding.is_none() {
            ctx.delete_alarm();
        } else if ctx.get_alarm().is_none() {
            ctx.set_alarm(ctx.now().plus(within));
        }
    }

    /// Writes the next batch beside the mailbox. One at a time, so that the index sees the order of the queue.
    async fn write(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        if self.is_writing || self.written == self.stored {
            return Ok(());
        }
        let list = List {
            after: Some(key(self.written)),
            limit: BATCH,
            ..List::default()
        };
        let rows = ctx.storage().list(&PENDING, list).await?;
        let (mut changes, mut texts, mut upto) = (Vec::new(), 0, self.stored);
        for (key, change) in rows {
            texts += match &change {
                Change::Put(more) => more.len(),
                Change::Forget(_) | Change::Clear => 0,
            };
            if texts > BATCH && !changes.is_empty() {
                break;
            }
            upto = key.parse().unwrap_or(self.stored);
            changes.push(change);
        }
        let writer = self.number(ctx).await?;
        let (env, tenant) = (ctx.env().clone(), ctx.tenant().to_string());
        ctx.pipe_to_self(async move {
            let outcome = write(&env, tenant, writer, changes).await;
            Written { upto, outcome }
        });
        self.is_writing = true;
        Ok(())
    }

    /// The number of this activation as a writer. It is stored in the turn that first needs it, and nothing is written before
    /// that is durable: whoever holds it was the owner.
    async fn number(&mut self, ctx: &mut Ctx<Self>) -> Result<u64> {
        if let Some(number) = self.writer {
            return Ok(number);
        }
        let number = ctx.storage().get(&WRITER).await?.unwrap_or_default() + 1;
        ctx.storage().put(&WRITER, &number)?;
        self.writer = Some(number);
        Ok(number)
    }

    /// Takes the index over from a writer that this state does not know, and makes it anew.
    ///
    /// Either this activation was superseded: then this turn is refused. Or the state was restored from a backup, and the index
    /// has rows of a time after it.
    async fn take_over(&mut self, writer: u64, ctx: &mut Ctx<Self>) -> Result<()> {
        tracing::warn!(tenant = %ctx.tenant(), writer, "taking the vector index over from an unknown writer");
        let number = writer + 1;
        ctx.storage().put(&WRITER, &number)?;
        self.writer = Some(number);
        self.rebuild(ctx).await
    }

    pub(super) fn status(&self) -> IndexStatus {
        IndexStatus {
            pending: self.stored - self.written,
            failure: self.failure.as_ref().map(|(reason, _)| reason.clone()),
            rebuild: self.rebuilding.as_ref().map(Rebuilding::progress),
        }
    }
}

/// Embeds what is added, and writes.
async fn write(env: &Env, tenant: String, writer: u64, changes: Vec<Change>) -> Outcome {
    let texts = changes.iter().flat_map(|change| match change {
        Change::Put(texts) => texts.as_slice(),
        Change::Forget(_) | Change::Clear => &[],
    });
    let texts: Vec<String> = texts.map(|indexed| indexed.text.clone()).collect();
    let count = texts.len();
    let embedded = if texts.is_empty() {
        Vec::new()
    } else {
        match env.embedder.embed(texts).await {
            Ok(embedded) => embedded,
            Err(error) => return failed(error.to_string()),
        }
    };
    if embedded.len() != count {
        return failed(format!("{} vectors were made of {count} texts", embedded.len()));
    }
    let mut embedded = embedded.into_iter();
    let mut rows = Vec::new();
    for change in changes {
        match change {
            Change::Put(texts) => rows.extend(texts.into_iter().zip(embedded.by_ref()).map(row)),
            Change::Forget(Forget { run_id, attempt }) => rows.push(VectorChange::DeleteRun { run_id, attempt }),
            Change::Clear => rows.push(VectorChange::Clear),
        }
    }
    let write = VectorWrite {
        tenant,
        writer,
        changes: rows,
    };
    match env.vectors.write(write).await {
        Ok(()) => Outcome::Done,
        Err(VectorError::Superseded { writer }) => Outcome::Superseded { writer },
        Err(error @ (VectorError::Dimensions { .. } | VectorError::Failed(_))) => failed(error.to_string()),
    }
}

fn failed(reason: String) -> Outcome {
    Outcome::Failed { reason }
}

fn row((text, embedding): (IndexedText, Vec<f32>)) -> VectorChange {
    VectorChange::Upsert(VectorRow {
        id: format!("planning:{}:{}:{}", text.run_id, text.attempt, text.phase),
        run_id: text.run_id,
        phase: text.phase,
        attempt: text.attempt,
        version: text.version,
        text: text.text,
        embedding,
    })
}

/// Keys sort as numbers do.
fn key(number: u64) -> String {
    format!("{number:020}")
}

impl Handler<Looked> for VectorIndex {
    async fn handle(&mut self, Looked { writer }: Looked, ctx: &mut Ctx<Self>) -> Result<()> {
        let known = ctx.storage().get(&WRITER).await?.unwrap_or_default();
        match writer {
            Some(0) if self.rebuilding.is_none() => self.rebuild(ctx).await,
            Some(writer) if writer > known => self.take_over(writer, ctx).await,
            Some(_) | None => Ok(()),
        }
    }
}

impl Handler<Put> for VectorIndex {
    async fn handle(&mut self, Put { text }: Put, ctx: &mut Ctx<Self>) -> Result<()> {
        self.store(Change::Put(vec![text]), ctx).await
    }
}

impl Handler<Forget> for VectorIndex {
    async fn handle(&mut self, forget: Forget, ctx: &mut Ctx<Self>) -> Result<()> {
        self.store(Change::Forget(forget), ctx).await
    }
}

impl Handler<GetIndexStatus> for VectorIndex {
    async fn handle(&mut self, GetIndexStatus: GetIndexStatus, _ctx: &mut Ctx<Self>) -> Result<IndexStatus> {
        Ok(self.status())
    }
}

impl Handler<Written> for VectorIndex {
    async fn handle(&mut self, Written { upto, outcome }: Written, ctx: &mut Ctx<Self>) -> Result<()> {
        self.is_writing = false;
        match outcome {
            Outcome::Done => {
                self.failure = None;
                // A rebuild that began meanwhile has dropped them already.
                for number in self.written + 1..=upto {
                    ctx.storage().delete(&PENDING.key(&key(number)))?;
                }
                if upto > self.written {
                    self.written = upto;
                    ctx.storage().put(&WRITTEN, &upto)?;
                }
                self.finish_rebuild(ctx)?;
                self.watch(CHECK, ctx);
                self.write(ctx).await
            }
            Outcome::Superseded { writer } => self.take_over(writer, ctx).await,
            Outcome::Failed { reason } => {
                let failures = self.failure.as_ref().map_or(0, |(_, failures)| *failures) + 1;
                let pause = PAUSE.saturating_mul(1 << (failures - 1).min(6)).min(PAUSE_MAX);
                tracing::warn!(tenant = %ctx.tenant(), reason, failures, "failed to write the vector index");
                self.failure = Some((reason, failures));
                ctx.set_alarm(ctx.now().plus(pause));
                Ok(())
            }
        }
    }
}
