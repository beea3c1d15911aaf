//! The open sessions of an account.

use cluster::prelude::{ActorError, Ctx, Handler, Result, Uuid};

use super::{
    Account,
    messages::{CloseSessions, ListSessions, SessionEnded, Which},
    record::KnownSession,
};
use crate::session::{RevokeSession, Session, SessionEnd};

impl Handler<ListSessions> for Account {
    async fn handle(&mut self, ListSessions: ListSessions, ctx: &mut Ctx<Self>) -> Result<Vec<KnownSession>> {
        self.profile()?;
        let now = ctx.now();
        let open = self.sessions.iter().rev().filter(|known| now < known.expires);
        Ok(open.cloned().collect())
    }
}

impl Handler<CloseSessions> for Account {
    async fn handle(&mut self, CloseSessions { which, why }: CloseSessions, ctx: &mut Ctx<Self>) -> Result<Vec<Uuid>> {
        self.profile()?;
        let closed = self.close(which, why, ctx)?;
        if closed.is_empty() && matches!(which, Which::One(_)) {
            return Err(ActorError::not_found("session.unknown", "there is no such session"));
        }
        Ok(closed)
    }
}

impl Handler<SessionEnded> for Account {
    async fn handle(&mut self, SessionEnded { session }: SessionEnded, ctx: &mut Ctx<Self>) -> Result<()> {
        let before = self.sessions.len();
        self.sessions.retain(|known| known.session != session);
        if self.sessions.len() != before {
            self.keep_sessions(ctx)?;
        }
        Ok(())
    }
}

impl Account {
    /// Closes sessions with this turn, and says which.
    pub(super) fn close(&mut self, which: Which, why: SessionEnd, ctx: &mut Ctx<Self>) -> Result<Vec<Uuid>> {
        let is_meant = |known: &KnownSession| match which {
            Which::All => true,
            Which::Others(kept) => known.session != kept,
            Which::One(session) => known.session == session,
        };
        let closed: Vec<Uuid> = self
            .sessions
            .iter()
            .filter(|known| is_meant(known))
            .map(|known| known.session)
            .collect();
        for session in &closed {
            ctx.send(&ctx.get::<Session>(&session.to_string()), RevokeSession { why })?;
        }
        if !closed.is_empty() {
            self.sessions.retain(|known| !is_meant(known));
            self.keep_sessions(ctx)?;
        }
        Ok(closed)
    }
}
