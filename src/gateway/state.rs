//! What all handlers share.

use std::{
    future::Future,
    path::PathBuf,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use actors::{agents::Agents, email::Email, ports::Objects};
use cluster::{Clock, prelude::Cluster};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::{
    backups::Backups,
    caller::Caller,
    callers::Callers,
    context_token::ContextTokens,
    limits::Limits,
    mcp::Mcp,
    planning::Planning,
    socket::{SocketCounts, SocketsConfig},
    token::Signer,
    turnstile::Turnstile,
};
use crate::{
    config::{AuthConfig, ServerConfig},
    planes::{communication::MailQueue, events::Watchers},
    telemetry::Telemetry,
};

/// The gateway's view of the server: who it asks and by which rules. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Gateway {
    inner: Arc<Parts>,
}

/// What a gateway is made of.
#[derive(Debug)]
pub struct Parts {
    /// Where the actors are.
    pub cluster: Cluster,
    /// The operations of the planning API.
    pub planning: Planning,
    /// Makes and reads tokens.
    pub signer: Signer,
    /// Finds out who asks.
    pub callers: Callers,
    /// Says to actors for whom a request acts.
    pub context: ContextTokens,
    /// Counts requests.
    pub limits: Limits,
    /// Hears of run events.
    pub watchers: Watchers,
    /// Whether requests are taken.
    pub readiness: Readiness,
    /// Renders metrics.
    pub telemetry: Telemetry,
    /// The model that writes.
    pub model: ModelStatus,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Takes mails that are to be sent.
    pub mail: MailQueue,
    /// Who gets what people write to us.
    pub contact: Option<Email>,
    /// Asks whether somebody is a person.
    pub turnstile: Turnstile,
    /// Directory of the mails, if whoever reads the pages is at the machine where they are files.
    pub mail_folder: Option<PathBuf>,
    /// Backups and restores.
    pub backups: Backups,
    /// What MCP clients talk to.
    pub mcp: Mcp,
    /// The kinds of agents.
    pub agents: Agents,
    /// Rules of WebSockets.
    pub sockets: SocketsConfig,
    /// How many WebSockets there are.
    pub socket_counts: SocketCounts,
    /// Rules of the server.
    pub server: ServerConfig,
    /// Rules of sign-in.
    pub auth: AuthConfig,
}

/// What `/ready` tells of the model that writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ModelStatus {
    /// Identifier of the model.
    pub id: String,
    /// Whether it is the small one inside this program, which pages must say.
    pub is_embedded: bool,
    /// What operators must know about the models, missing files included. Names paths, so `/ready`, which is public,
    /// leaves it out; the start of the server and `foundation doctor` print it.
    #[serde(skip)]
    pub notices: Vec<String>,
}

impl Gateway {
    /// Puts a gateway together.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { inner: Arc::new(parts) }
    }

    /// The gateway for as long as it is there, for what it is itself made over.
    pub(crate) fn downgrade(&self) -> Weak<Parts> {
        Arc::downgrade(&self.inner)
    }

    /// The object store.
    pub(crate) fn objects(&self) -> Arc<dyn Objects> {
        Arc::clone(&self.planning.env().objects)
    }

    /// Does `work`, which calls actors, on behalf of a caller. Handlers run so; what goes on after the answer has to ask.
    pub(crate) fn on_behalf<F: Future>(&self, caller: &Caller, work: F) -> impl Future<Output = F::Output> {
        self.context
            .on_behalf(&caller.tenant, &caller.user, caller.plan.as_str(), work)
    }
}

impl std::ops::Deref for Gateway {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.inner
    }
}

/// Whether requests are taken. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    is_draining: Arc<AtomicBool>,
    lacks_stores: Arc<AtomicBool>,
    streams: CancellationToken,
}

impl Readiness {
    /// Tells load balancers to look elsewhere.
    pub fn drain(&self) {
        self.is_draining.store(true, Ordering::Release);
    }

    /// Ends all event streams; clients connect again elsewhere, or here after the restart.
    pub fn close_streams(&self) {
        self.streams.cancel();
    }

    /// Says whether the server is stopping.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    /// Tells whether the stores can be reached.
    pub(crate) fn reaches_stores(&self, reaches: bool) {
        self.lacks_stores.store(!reaches, Ordering::Release);
    }

    /// Says whether the stores could be reached when they were last looked at.
    pub(crate) fn has_stores(&self) -> bool {
        !self.lacks_stores.load(Ordering::Acquire)
    }

    pub(crate) fn streams(&self) -> &CancellationToken {
        &self.streams
    }
}
