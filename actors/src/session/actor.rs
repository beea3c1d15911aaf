//! The session actor.

#[cfg(test)]
mod golden;

use std::time::Duration;

use cluster::prelude::{ActorError, Alarm, Ctx, Handler, Interface, Key, Result, Timestamp, Uuid, VirtualActor};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::messages::{CheckSession, OpenSession, RevokeSession, SessionEnd, SessionState, SwitchTenant};
use crate::{
    account::{Account, SessionEnded},
    audit::{self, events},
    line::{self, DEVICE_CHARS_MAX},
    role::require_system,
};

/// The moment of the last check is written at most so often.
const SEEN_EVERY: Duration = Duration::from_mins(5);
/// Longest life of a session.
const LIFE_MAX: Duration = Duration::from_hours(24 * 400);
/// How long after its end a session is still told apart from one that never was. Until then nothing that is on its way can open
/// it again.
const KEPT: Duration = Duration::from_hours(1);

const SESSION: Key<Kept> = Key::new("session");

/// What is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Kept {
    state: SessionState,
    revoked: Option<SessionEnd>,
}

/// One sign-in of a person.
#[derive(Debug)]
pub struct Session {
    id: Uuid,
    kept: Option<Kept>,
    /// When it was last asked for; what is stored lags behind.
    seen: Timestamp,
}

impl VirtualActor for Session {
    const CLASS: &'static str = "session";
    type Env = ();

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.on::<OpenSession>()
            .on::<CheckSession>()
            .on::<SwitchTenant>()
            .on::<RevokeSession>()
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        require_system(ctx)?;
        let id = Uuid::parse_str(ctx.name());
        let id = id.map_err(|_| ActorError::invalid("session.id", "a session is named by a UUID"))?;
        let kept = ctx.storage().get(&SESSION).await?;
        let seen = kept.as_ref().map_or_else(|| ctx.now(), |kept| kept.state.seen);
        Ok(Self { id, kept, seen })
    }

    /// Nobody needs what has ended.
    async fn alarm(&mut self, _: Alarm, ctx: &mut Ctx<Self>) -> Result<()> {
        self.kept = None;
        ctx.storage().delete_all()
    }
}

impl Handler<OpenSession> for Session {
    async fn handle(&mut self, open: OpenSession, ctx: &mut Ctx<Self>) -> Result<()> {
        let now = ctx.now();
        if let Some(Kept { state, .. }) = &self.kept {
            return if (&state.user, state.expires) == (&open.user, open.expires) {
                Ok(())
            } else {
                Err(ActorError::conflict(
                    "session.other",
                    "the id belongs to another session",
                ))
            };
        }
        if !line::is_line(&open.device, DEVICE_CHARS_MAX) {
            return Err(ActorError::invalid(
                "session.device",
                format!("a device is described by up to {DEVICE_CHARS_MAX} characters on one line"),
            ));
        }
        if open.expires <= now {
            return Err(expired());
        }
        if open.expires > now.plus(LIFE_MAX) {
            return Err(ActorError::invalid(
                "session.life",
                "a session cannot last as long as that",
            ));
        }
        let opened = json!({ "session": self.id, "user": open.user, "device": open.device });
        ctx.set_alarm(open.expires.plus(KEPT));
        self.seen = now;
        let state = SessionState {
            user: open.user,
            email: open.email,
            tenant: open.tenant,
            device: open.device,
            opened: now,
            seen: now,
            expires: open.expires,
        };
        self.keep(state, None, ctx)?;
        audit::record(ctx, events::SESSION_OPENED, opened)
    }
}

impl Handler<CheckSession> for Session {
    async fn handle(&mut self, CheckSession: CheckSession, ctx: &mut Ctx<Self>) -> Result<SessionState> {
        let now = ctx.now();
        let mut state = self.live(now)?.clone();
        self.seen = self.seen.max(now);
        if self.seen.since(state.seen) >= SEEN_EVERY {
            state.seen = self.seen;
            self.keep(state.clone(), None, ctx)?;
        }
        state.seen = self.seen;
        Ok(state)
    }
}

impl Handler<SwitchTenant> for Session {
    async fn handle(&mut self, SwitchTenant { tenant }: SwitchTenant, ctx: &mut Ctx<Self>) -> Result<SessionState> {
        let mut state = self.live(ctx.now())?.clone();
        if state.tenant != tenant {
            state.tenant = tenant;
            state.seen = self.seen;
            self.keep(state.clone(), None, ctx)?;
        }
        state.seen = self.seen;
        Ok(state)
    }
}

impl Handler<RevokeSession> for Session {
    async fn handle(&mut self, RevokeSession { why }: RevokeSession, ctx: &mut Ctx<Self>) -> Result<()> {
        let Some(kept) = &self.kept else {
            return Err(unknown());
        };
        if kept.revoked.is_some() || kept.state.expires <= ctx.now() {
            return Ok(());
        }
        let state = kept.state.clone();
        let account = ctx.get::<Account>(&state.email.account());
        ctx.send(&account, SessionEnded { session: self.id })?;
        let revoked = json!({ "session": self.id, "user": state.user, "why": why });
        self.keep(state, Some(why), ctx)?;
        audit::record(ctx, events::SESSION_REVOKED, revoked)
    }
}

impl Session {
    fn keep(&mut self, state: SessionState, revoked: Option<SessionEnd>, ctx: &mut Ctx<Self>) -> Result<()> {
        let kept = Kept { state, revoked };
        ctx.storage().put(&SESSION, &kept)?;
        self.kept = Some(kept);
        Ok(())
    }

    /// The session, if it goes on.
    fn live(&self, now: Timestamp) -> Result<&SessionState> {
        let Kept { state, revoked } = self.kept.as_ref().ok_or_else(unknown)?;
        if revoked.is_some() {
            Err(ActorError::forbidden("session.revoked", "the session was ended"))
        } else if state.expires <= now {
            Err(expired())
        } else {
            Ok(state)
        }
    }
}

fn unknown() -> ActorError {
    ActorError::not_found("session.unknown", "there is no such session")
}

fn expired() -> ActorError {
    ActorError::forbidden("session.expired", "the time of the session is over")
}
