//! The rebuild: every run is asked for its texts.

use cluster::prelude::{Ctx, Handler, Key, Result};
use serde::{Deserialize, Serialize};

use super::{
    index::{Change, VectorIndex},
    messages::{Answered, CheckIndex, IndexStatus, Rebuild, RebuildFurther, RebuildProgress},
};
use crate::{
    run::{Run, SendTexts},
    tenant::{self, ListRuns, Tenant},
};

/// Runs that are asked in one turn.
const PAGE: u32 = 50;

/// The embedding model that the index was last built with, once it is complete.
pub(super) const BUILT: Key<Model> = Key::new("built");
/// The rebuild that is at work.
pub(super) const REBUILD: Key<Rebuilding> = Key::new("rebuild");
/// Number of the rebuild that began last.
pub(super) const LAST: Key<u64> = Key::new("last-rebuild");

/// An embedding model: vectors of different ones cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Model {
    pub(super) id: String,
    pub(super) dimensions: u64,
}

/// The embedding model of this node.
pub(super) fn model(ctx: &Ctx<VectorIndex>) -> Model {
    let info = ctx.env().embedder.info();
    Model {
        id: info.model,
        dimensions: info.dimensions as u64,
    }
}

/// A rebuild at work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rebuilding {
    pub(super) number: u64,
    /// The model that it is made with.
    pub(super) model: Model,
    /// Cursor in the list of runs.
    pub(super) after: Option<String>,
    /// Whether the list has ended.
    pub(super) is_asked: bool,
    pub(super) asked: u64,
    pub(super) answered: u64,
}

impl Rebuilding {
    /// Asks the next runs, unless all were asked.
    pub(super) fn go_on(&self, ctx: &mut Ctx<VectorIndex>) {
        if !self.is_asked {
            let rebuild = self.number;
            ctx.pipe_to_self(async move { RebuildFurther { rebuild } });
        }
    }

    pub(super) fn progress(&self) -> RebuildProgress {
        RebuildProgress {
            asked: self.asked,
            answered: self.answered,
            is_asked: self.is_asked,
        }
    }
}

impl VectorIndex {
    /// Begins a rebuild. What waits to be written is dropped, because the runs send it again; what they send from now on comes
    /// behind the removal.
    pub(super) async fn rebuild(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        let number = ctx.storage().get(&LAST).await?.unwrap_or_default() + 1;
        ctx.storage().put(&LAST, &number)?;
        let rebuilding = Rebuilding {
            number,
            model: model(ctx),
            after: None,
            is_asked: false,
            asked: 0,
            answered: 0,
        };
        tracing::info!(tenant = %ctx.tenant(), model = %rebuilding.model.id, "rebuilding the vector index from the artifacts");
        ctx.storage().put(&REBUILD, &rebuilding)?;
        rebuilding.go_on(ctx);
        self.rebuilding = Some(rebuilding);
        self.drop_pending(ctx).await?;
        self.store(Change::Clear, ctx).await
    }

    /// Ends the rebuild once every run has answered and all of it is written.
    pub(super) fn finish_rebuild(&mut self, ctx: &mut Ctx<Self>) -> Result<()> {
        let is_written = self.status().pending == 0;
        let is_complete =
            |rebuilding: &Rebuilding| is_written && rebuilding.is_asked && rebuilding.answered >= rebuilding.asked;
        if let Some(done) = self.rebuilding.take_if(|rebuilding| is_complete(rebuilding)) {
            ctx.storage().put(&BUILT, &done.model)?;
            ctx.storage().delete(&REBUILD)?;
            tracing::info!(tenant = %ctx.tenant(), runs = done.answered, "rebuilt the vector index");
        }
        Ok(())
    }
}

impl Handler<Rebuild> for VectorIndex {
    async fn handle(&mut self, Rebuild: Rebuild, ctx: &mut Ctx<Self>) -> Result<IndexStatus> {
        self.rebuild(ctx).await?;
        Ok(self.status())
    }
}

impl Handler<CheckIndex> for VectorIndex {
    async fn handle(&mut self, CheckIndex: CheckIndex, ctx: &mut Ctx<Self>) -> Result<IndexStatus> {
        let model = model(ctx);
        let made = match &self.rebuilding {
            Some(rebuilding) => Some(rebuilding.model.clone()),
            None => ctx.storage().get(&BUILT).await?,
        };
        if made != Some(model) {
            self.rebuild(ctx).await?;
        }
        Ok(self.status())
    }
}

impl Handler<RebuildFurther> for VectorIndex {
    async fn handle(&mut self, RebuildFurther { rebuild }: RebuildFurther, ctx: &mut Ctx<Self>) -> Result<()> {
        let wanted = |rebuilding: &&Rebuilding| rebuilding.number == rebuild && !rebuilding.is_asked;
        let Some(mut rebuilding) = self.rebuilding.as_ref().filter(wanted).cloned() else {
            return Ok(());
        };
        let list = ListRuns {
            status: None,
            after: rebuilding.after.clone(),
            limit: PAGE,
        };
        let tenant = ctx.get::<Tenant>(tenant::NAME);
        let page = ctx.ask(&tenant, list).await?;
        for summary in &page.items {
            let run = ctx.get::<Run>(&summary.run.id);
            ctx.send(&run, SendTexts { rebuild })?;
        }
        rebuilding.asked += page.items.len() as u64;
        rebuilding.is_asked = page.next.is_none();
        rebuilding.after = page.next;
        ctx.storage().put(&REBUILD, &rebuilding)?;
        rebuilding.go_on(ctx);
        self.rebuilding = Some(rebuilding);
        self.finish_rebuild(ctx)?;
        self.watch(super::index::CHECK, ctx);
        Ok(())
    }
}

impl Handler<Answered> for VectorIndex {
    async fn handle(&mut self, Answered { rebuild, texts }: Answered, ctx: &mut Ctx<Self>) -> Result<()> {
        let Some(rebuilding) = self.rebuilding.as_mut().filter(|known| known.number == rebuild) else {
            return Ok(());
        };
        rebuilding.answered += 1;
        ctx.storage().put(&REBUILD, &*rebuilding)?;
        if !texts.is_empty() {
            self.store(Change::Put(texts), ctx).await?;
        }
        self.finish_rebuild(ctx)?;
        self.watch(super::index::CHECK, ctx);
        Ok(())
    }
}
