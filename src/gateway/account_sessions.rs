//! The sessions of people, for the agents of their tenants.
//!
//! Agents live in tenants, sessions and accounts do not, and no actor reaches another tenant. So they are asked from here, under
//! the context token that the server has for that, in the name of whoever the session belongs to.

use std::{
    future::Future,
    sync::{Arc, OnceLock, Weak},
};

use actors::{
    account::{KnownSession, Which},
    ports::OwnSessions,
    role::system_tenant,
    session::SessionState,
};
use cluster::prelude::{ActorError, Result, Uuid};
use futures_util::{FutureExt, future::BoxFuture};

use super::{
    callers::NO_PLAN,
    state::{Gateway, Parts},
};

/// The way from agents to sessions, once there is a gateway. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct AccountSessions(Arc<OnceLock<Weak<Parts>>>);

impl AccountSessions {
    /// Says which gateway it is; the first one counts. It is not held: the gateway holds the cluster, whose agents hold this.
    pub fn attach(&self, gateway: &Gateway) {
        self.0.get_or_init(|| gateway.downgrade());
    }

    fn parts(&self) -> Result<Arc<Parts>> {
        let parts = self.0.get().and_then(Weak::upgrade);
        parts.ok_or_else(|| ActorError::retryable("session.starting", "this node does not answer for sessions now"))
    }
}

impl OwnSessions for AccountSessions {
    fn look(&self, session: Uuid) -> BoxFuture<'static, Result<SessionState>> {
        let parts = self.parts();
        async move { look(&*parts?, session).await }.boxed()
    }

    fn list(&self, session: Uuid) -> BoxFuture<'static, Result<Vec<KnownSession>>> {
        let parts = self.parts();
        async move {
            let parts = parts?;
            let list = parts.callers.identity().own_sessions(session);
            for_owner(&parts, session, list).await
        }
        .boxed()
    }

    fn close(&self, session: Uuid, which: Which) -> BoxFuture<'static, Result<Vec<Uuid>>> {
        let parts = self.parts();
        async move {
            let parts = parts?;
            let identity = parts.callers.identity();
            let closed = for_owner(&parts, session, identity.close_own(session, which)).await?;
            for session in &closed {
                parts.callers.forget(*session);
            }
            Ok(closed)
        }
        .boxed()
    }
}

async fn look(parts: &Parts, session: Uuid) -> Result<SessionState> {
    let look = parts.callers.identity().own_session(session);
    parts.context.as_system(&system_tenant(), look).await
}

/// Does `work` in the name of whoever the session belongs to.
async fn for_owner<T>(parts: &Parts, session: Uuid, work: impl Future<Output = Result<T>>) -> Result<T> {
    let owner = look(parts, session).await?.user;
    let tenant = system_tenant();
    parts.context.on_behalf(&tenant, owner.as_str(), NO_PLAN, work).await
}
