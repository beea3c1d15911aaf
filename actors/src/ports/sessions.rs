//! The sessions of people, for actors of their tenants: they live in a tenant of their own, which no other actor reaches.

use cluster::prelude::{Result, Uuid};
use futures_util::future::BoxFuture;

use crate::{
    account::{KnownSession, Which},
    session::SessionState,
};

/// Sees to the sessions of one account, for whoever shows one of them. Nobody is reached by it whose session is not shown.
pub trait OwnSessions: Send + Sync + 'static {
    /// Who shows the session, since when, and where. Fails as [`CheckSession`](crate::session::CheckSession).
    fn look(&self, session: Uuid) -> BoxFuture<'static, Result<SessionState>>;

    /// The open sessions of the same account, the latest first; `account.unknown` where there is none.
    fn list(&self, session: Uuid) -> BoxFuture<'static, Result<Vec<KnownSession>>>;

    /// Closes sessions of the same account, and says which, when they are closed everywhere within a second.
    fn close(&self, session: Uuid, which: Which) -> BoxFuture<'static, Result<Vec<Uuid>>>;
}
