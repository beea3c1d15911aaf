//! Sessions as the gateway sees them: an actor in the tenant of whoever opened it.

use std::time::Duration;

use actix_web::http::StatusCode;
use actors::mcp_session::{McpSession, McpSessionView, OpenMcpSession, ShowMcpSession};
use cluster::prelude::{ActorId, ErrorKind, Handler, Message, Uuid};
use rmcp::model::InitializeRequestParams;
use tokio::time::Instant;

use crate::gateway::{caller::Caller, error::Problem, state::Gateway};

/// How long an owner that moves is waited for.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long is waited before it is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// A session. Cloning makes another reference to it.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(super) id: Uuid,
    gateway: Gateway,
    caller: Caller,
    endpoint: String,
}

impl Session {
    /// The session with an id, if there is one.
    pub(super) fn new(id: Uuid, gateway: &Gateway, caller: &Caller, endpoint: &str) -> Self {
        Self {
            id,
            gateway: gateway.clone(),
            caller: caller.clone(),
            endpoint: endpoint.to_owned(),
        }
    }

    /// Opens a session under a new id, which nobody can guess, with what the client said when it came, if it has.
    pub(super) async fn open(
        gateway: &Gateway,
        caller: &Caller,
        endpoint: &str,
        initialize: Option<&InitializeRequestParams>,
    ) -> Result<Self, Problem> {
        let session = Self::new(Uuid::new_v4(), gateway, caller, endpoint);
        let initialize = initialize.map(serde_json::to_string).transpose();
        let initialize = initialize.map_err(|_| Problem::internal())?.unwrap_or_default();
        let open = OpenMcpSession {
            user: caller.user.clone(),
            endpoint: endpoint.to_owned(),
            initialize,
        };
        session.ask_patiently(open).await?;
        Ok(session)
    }

    /// What the session knows. To another caller it is not there.
    pub(super) async fn view(&self) -> Result<McpSessionView, Problem> {
        let show = ShowMcpSession {
            user: self.caller.user.clone(),
            endpoint: self.endpoint.clone(),
        };
        Ok(self.ask_patiently(show).await?)
    }

    /// What the session knows, and what the client said when it came.
    pub(super) async fn show(&self) -> Result<(McpSessionView, InitializeRequestParams), Problem> {
        let view = self.view().await?;
        if view.initialize.is_empty() {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                "mcp.uninitialized",
                "the session has not been initialized",
            ));
        }
        let initialize = serde_json::from_str(&view.initialize).map_err(|error| {
            tracing::error!(%error, "a stored MCP session cannot be read");
            Problem::internal()
        })?;
        Ok((view, initialize))
    }

    /// Asks once.
    pub(super) async fn ask<M: Message>(&self, message: M) -> Result<M::Reply, cluster::prelude::ActorError>
    where
        McpSession: Handler<M>,
    {
        let actor = ActorId::from_name::<McpSession>(&self.caller.tenant, &self.id.to_string());
        let actor = self.gateway.cluster.get::<McpSession>(actor);
        self.gateway.on_behalf(&self.caller, actor.ask(message)).await
    }

    /// Asks what can be asked twice, and waits for an owner that moves.
    pub(super) async fn ask_patiently<M: Message + Clone>(
        &self,
        message: M,
    ) -> Result<M::Reply, cluster::prelude::ActorError>
    where
        McpSession: Handler<M>,
    {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.ask(message.clone()).await {
                Err(error) if is_passing(error.kind()) && Instant::now() < end => tokio::time::sleep(PAUSE).await,
                answer => return answer,
            }
        }
    }
}

fn is_passing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Retryable | ErrorKind::Unknown | ErrorKind::Deadline)
}
