//! The actor of an API key.

#[cfg(test)]
mod golden;

use std::time::Duration;

use cluster::prelude::{ActorError, Alarm, Ctx, Handler, Interface, Key, Result, Timestamp, Uuid, VirtualActor};
use serde::{Deserialize, Serialize};

use super::messages::{CheckKey, CreateKey, KeyState, RevokeKey};
use crate::{
    membership::{ForgetKey, Membership, NAME},
    role::refuse_system,
    secret::Hashed,
};

/// The moment of the last use is written at most so often.
const USED_EVERY: Duration = Duration::from_mins(5);
/// How long after its end a key is told apart from one that never was, and stands in the index if it ended by itself.
const KEPT: Duration = Duration::from_hours(24 * 30);

const KEY: Key<Kept> = Key::new("key");

/// What is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Kept {
    secret: Hashed,
    state: KeyState,
    revoked: Option<Timestamp>,
}

/// The credential of a program.
#[derive(Debug)]
pub struct ApiKey {
    id: Uuid,
    kept: Option<Kept>,
    /// When it was last used; what is stored lags behind.
    used: Option<Timestamp>,
}

impl VirtualActor for ApiKey {
    const CLASS: &'static str = "api-key";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<CreateKey>().on::<CheckKey>().on::<RevokeKey>()
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        refuse_system(ctx)?;
        let id = Uuid::parse_str(ctx.name());
        let id = id.map_err(|_| ActorError::invalid("key.id", "a key is named by a UUID"))?;
        let kept = ctx.storage().get(&KEY).await?;
        let used = kept.as_ref().and_then(|kept| kept.state.used);
        Ok(Self { id, kept, used })
    }

    /// Nobody needs what has ended, nor its entry in the index.
    async fn alarm(&mut self, _: Alarm, ctx: &mut Ctx<Self>) -> Result<()> {
        self.kept = None;
        ctx.storage().delete_all()?;
        ctx.send(&ctx.get::<Membership>(NAME), ForgetKey { key: self.id })
    }
}

impl Handler<CreateKey> for ApiKey {
    async fn handle(&mut self, create: CreateKey, ctx: &mut Ctx<Self>) -> Result<()> {
        if let Some(kept) = &self.kept {
            return if kept.secret == create.secret {
                Ok(())
            } else {
                Err(ActorError::conflict("key.exists", "the id belongs to another key"))
            };
        }
        if let Some(expires) = create.expires {
            ctx.set_alarm(expires.plus(KEPT));
        }
        let state = KeyState {
            name: create.name,
            scope: create.scope,
            by: create.by,
            created: ctx.now(),
            expires: create.expires,
            used: None,
        };
        self.keep(
            Kept {
                secret: create.secret,
                state,
                revoked: None,
            },
            ctx,
        )
    }
}

impl Handler<CheckKey> for ApiKey {
    async fn handle(&mut self, CheckKey { secret }: CheckKey, ctx: &mut Ctx<Self>) -> Result<KeyState> {
        let now = ctx.now();
        let kept = self.kept.as_ref().filter(|kept| kept.secret == secret);
        let kept = kept.ok_or_else(|| ActorError::forbidden("key.invalid", "there is no such key"))?;
        if kept.revoked.is_some() {
            return Err(ActorError::forbidden("key.revoked", "the key was revoked"));
        }
        if kept.state.expires.is_some_and(|expires| expires <= now) {
            return Err(ActorError::forbidden("key.expired", "the time of the key is over"));
        }
        let mut state = kept.state.clone();
        let is_due = state.used.is_none_or(|used| now.since(used) >= USED_EVERY);
        let before = self.used.replace(now);
        if is_due {
            state.used = Some(now);
            self.keep(
                Kept {
                    secret,
                    state: state.clone(),
                    revoked: None,
                },
                ctx,
            )?;
        }
        state.used = before;
        Ok(state)
    }
}

impl Handler<RevokeKey> for ApiKey {
    async fn handle(&mut self, RevokeKey: RevokeKey, ctx: &mut Ctx<Self>) -> Result<()> {
        let now = ctx.now();
        let Some(kept) = &self.kept else {
            return Err(ActorError::not_found("key.unknown", "there is no such key"));
        };
        if kept.revoked.is_some() {
            return Ok(());
        }
        let revoked = Kept {
            revoked: Some(now),
            ..kept.clone()
        };
        ctx.set_alarm(now.plus(KEPT));
        self.keep(revoked, ctx)
    }
}

impl ApiKey {
    fn keep(&mut self, kept: Kept, ctx: &mut Ctx<Self>) -> Result<()> {
        ctx.storage().put(&KEY, &kept)?;
        self.kept = Some(kept);
        Ok(())
    }
}
