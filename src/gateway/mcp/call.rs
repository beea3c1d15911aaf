//! A call of an MCP client: who asks, in which session, and how long the answer may be waited for.

use std::{future::Future, sync::Arc};

use cluster::prelude::{Cluster, TenantId};
use tokio::sync::Notify;

use crate::gateway::{caller::Caller, error::Problem, permission::Permission, state::Gateway};

use super::sessions::Session;

/// For whom a server is made. Cloning shares it.
#[derive(Debug, Clone)]
pub struct McpCall {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    gateway: Gateway,
    caller: Caller,
    session: Option<Session>,
    name: Option<String>,
}

impl McpCall {
    pub(super) fn new(gateway: Gateway, caller: Caller, session: Option<Session>, name: Option<String>) -> Self {
        let inner = Inner {
            gateway,
            caller,
            session,
            name,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The tenant of whoever asks.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.inner.caller.tenant
    }

    /// The user, or the API key, that asks.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.inner.caller.user
    }

    /// The name of the instance, for a server that has several.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.inner.name.as_deref()
    }

    /// The actors.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.inner.gateway.cluster
    }

    /// Does `work`, which calls actors, on behalf of whoever asks. Handlers run so; what goes on for longer than a minute asks anew.
    pub fn on_behalf<F: Future>(&self, work: F) -> impl Future<Output = F::Output> {
        self.inner.gateway.on_behalf(&self.inner.caller, work)
    }

    /// Whether whoever asks has a permission.
    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        self.inner.caller.may(permission)
    }

    /// Refuses whoever lacks a permission.
    pub(super) fn needs(&self, permission: Permission) -> Result<(), Problem> {
        if self.may(permission) {
            return Ok(());
        }
        let detail = format!("this needs the permission {permission}, which you do not have");
        Err(Problem::permission_denied(permission, detail))
    }

    pub(super) fn gateway(&self) -> &Gateway {
        &self.inner.gateway
    }

    pub(super) fn caller(&self) -> &Caller {
        &self.inner.caller
    }

    pub(super) fn session(&self) -> Option<&Session> {
        self.inner.session.as_ref()
    }
}

/// The stream on which a request is answered; a handler finds it among the extensions of the request if the client has a session.
#[derive(Debug, Clone, Default)]
pub struct McpStream {
    closing: Arc<Notify>,
}

impl McpStream {
    /// Closes the connection before the answer is there. The client comes back for it, or asks elsewhere.
    pub fn close(&self) {
        self.closing.notify_one();
    }

    /// Waits until a handler wants the connection closed.
    pub(super) async fn closed(&self) {
        self.closing.notified().await;
    }
}
