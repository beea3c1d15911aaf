//! Parked ideas: the kill test parks them, a person promotes or removes them.

#[cfg(test)]
mod golden;

use cluster::prelude::{ActorError, Ctx, Handler, Keys, Result};
use serde_json::json;

use super::{
    Tenant,
    index::{newest_first, page},
    messages::{DeleteParked, GetParked, ListParked, Park, ParkedPage, Promote, Promoted},
};
use crate::{
    audit,
    records::{Mode, ParkedIdea},
    run::{Origin, Run, StartRun},
};

const PARKED: Keys<ParkedIdea> = Keys::new("parked/");
/// Id of a parked idea to its key in the listing.
const KEYS: Keys<String> = Keys::new("parked-keys/");

impl Handler<Park> for Tenant {
    async fn handle(&mut self, Park { idea }: Park, ctx: &mut Ctx<Self>) -> Result<()> {
        let id = idea.id.clone();
        match find(&id, ctx).await {
            Ok((_, known)) if known.promoted_run_id.is_some() => return Ok(()),
            Ok(_) => {}
            Err(_) => self.count(ctx, |counts| counts.parked += 1)?,
        }
        let key = newest_first(idea.created_at.saturating_mul(1000), &id);
        ctx.storage().put(&PARKED.key(&key), &idea)?;
        ctx.storage().put(&KEYS.key(&id), &key)
    }
}

impl Handler<ListParked> for Tenant {
    async fn handle(&mut self, list: ListParked, ctx: &mut Ctx<Self>) -> Result<ParkedPage> {
        let wanted = |idea: &ParkedIdea| list.source.as_ref().is_none_or(|source| idea.source_phase == *source);
        let (items, next) = page(&PARKED, list.after.clone(), list.limit, wanted, ctx).await?;
        Ok(ParkedPage { items, next })
    }
}

impl Handler<GetParked> for Tenant {
    async fn handle(&mut self, GetParked { id }: GetParked, ctx: &mut Ctx<Self>) -> Result<ParkedIdea> {
        Ok(find(&id, ctx).await?.1)
    }
}

impl Handler<Promote> for Tenant {
    async fn handle(&mut self, Promote { id, config, run_id }: Promote, ctx: &mut Ctx<Self>) -> Result<Promoted> {
        let (key, mut idea) = find(&id, ctx).await?;
        if let Some(run) = &idea.promoted_run_id {
            if run_id.as_ref() == Some(run) {
                return Ok(Promoted {
                    parked_idea_id: id,
                    new_run_id: run.clone(),
                });
            }
            return Err(ActorError::conflict(
                "parked-idea.promoted",
                format!("the idea was promoted to run {run} already"),
            ));
        }
        let run_id = run_id.unwrap_or_else(|| ctx.uuid().to_string());
        idea.promoted_run_id = Some(run_id.clone());
        ctx.storage().put(&PARKED.key(&key), &idea)?;
        self.count(ctx, |counts| counts.parked = counts.parked.saturating_sub(1))?;
        let origin = Origin {
            parked_idea_id: id.clone(),
            reason: idea.reason,
            refined_idea: idea.refined_idea,
            summary: idea.artifact_summary,
        };
        let start = StartRun {
            idea: idea.idea,
            mode: Mode::Cloud,
            config,
            origin: Some(origin),
        };
        let run = ctx.get::<Run>(&run_id);
        ctx.send(&run, start)?;
        let promoted = json!({ "parkedIdeaId": id, "newRunId": run_id });
        audit::record(ctx, audit::events::PARKED_IDEA_PROMOTED, promoted)?;
        Ok(Promoted {
            parked_idea_id: id,
            new_run_id: run_id,
        })
    }
}

impl Handler<DeleteParked> for Tenant {
    async fn handle(&mut self, DeleteParked { id }: DeleteParked, ctx: &mut Ctx<Self>) -> Result<()> {
        let (key, idea) = find(&id, ctx).await?;
        ctx.storage().delete(&PARKED.key(&key))?;
        if idea.promoted_run_id.is_none() {
            self.count(ctx, |counts| counts.parked = counts.parked.saturating_sub(1))?;
        }
        ctx.storage().delete(&KEYS.key(&id))?;
        audit::record(ctx, audit::events::PARKED_IDEA_DELETED, json!({ "parkedIdeaId": id }))
    }
}

async fn find(id: &str, ctx: &mut Ctx<Tenant>) -> Result<(String, ParkedIdea)> {
    let absent = || ActorError::not_found("parked-idea.not-found", "there is no such parked idea");
    let key = ctx.storage().get(&KEYS.key(id)).await?.ok_or_else(absent)?;
    let idea = ctx.storage().get(&PARKED.key(&key)).await?.ok_or_else(absent)?;
    Ok((key, idea))
}
