//! Sessions without the credentials that a server needs to reach them.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use cluster::prelude::{ActorError, Cluster, Result, Uuid};
use futures_util::{FutureExt, future::BoxFuture};

use super::{FakePasswords, lock};
use crate::{
    account::{KnownSession, Which},
    identity::Identity,
    ports::OwnSessions,
    session::SessionState,
};

/// The sessions of a cluster that asks nobody who calls, once it is known. Cloning shares it.
#[derive(Clone, Default)]
pub struct FakeSessions(Arc<Mutex<Option<Identity>>>);

impl FakeSessions {
    /// Says which cluster it is, at first and after a restart.
    pub fn attach(&self, cluster: Cluster) {
        *lock(&self.0) = Some(Identity::new(cluster, Arc::new(FakePasswords::default())));
    }

    fn identity(&self) -> Result<Identity> {
        let identity = lock(&self.0).clone();
        identity.ok_or_else(|| ActorError::retryable("session.starting", "no cluster is attached"))
    }
}

impl OwnSessions for FakeSessions {
    fn look(&self, session: Uuid) -> BoxFuture<'static, Result<SessionState>> {
        let identity = self.identity();
        async move { identity?.own_session(session).await }.boxed()
    }

    fn list(&self, session: Uuid) -> BoxFuture<'static, Result<Vec<KnownSession>>> {
        let identity = self.identity();
        async move { identity?.own_sessions(session).await }.boxed()
    }

    fn close(&self, session: Uuid, which: Which) -> BoxFuture<'static, Result<Vec<Uuid>>> {
        let identity = self.identity();
        async move { identity?.close_own(session, which).await }.boxed()
    }
}

impl fmt::Debug for FakeSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeSessions").finish_non_exhaustive()
    }
}
