//! What an author gives: a value that makes the server for a call.

use std::{any::Any, future::Future, pin::Pin, sync::Arc};

use actix_web::HttpResponse;
use rmcp::{
    ServerHandler,
    model::{InitializeRequestParams, ProtocolVersion},
    service::serve_directly_with_ct,
    transport::{
        StreamableHttpServerConfig, StreamableHttpService, streamable_http_server::session::never::NeverSessionManager,
    },
};
use tokio_util::sync::CancellationToken;

use super::{
    acting::Acting,
    bridge::{self, Asked},
    call::McpCall,
    exchange::Exchange,
    live::Live,
    server::Platform,
};

/// Makes the server that a caller talks to. It lives for one request; what has to last is in actors.
pub trait McpAgent: Send + Sync + 'static {
    /// The server.
    type Handler: ServerHandler;

    /// Makes the server for a call. It acts on behalf of the caller.
    fn open(&self, call: &McpCall) -> Self::Handler;

    /// The present state of a resource, as a text that differs when the resource has changed; none if nobody can subscribe to it.
    fn state(&self, call: &McpCall, uri: &str) -> impl Future<Output = Option<String>> + Send {
        let _ = (call, uri);
        std::future::ready(None)
    }
}

/// A future of any kind.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A server of any kind. Cloning shares it.
#[derive(Clone)]
pub(super) struct Server(Arc<dyn Serve>);

impl std::fmt::Debug for Server {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Server").finish_non_exhaustive()
    }
}

impl Server {
    pub(super) fn new(agent: impl McpAgent) -> Self {
        Self(Arc::new(Agent(Arc::new(agent))))
    }

    /// Serves one request of a session. It ends when what is returned is dropped.
    pub(super) fn serve(
        &self,
        call: McpCall,
        exchange: Exchange,
        peer: InitializeRequestParams,
        cancel: CancellationToken,
    ) -> Box<dyn Any + Send> {
        self.0.serve(call, exchange, peer, cancel)
    }

    /// Answers a request that belongs to no session.
    pub(super) async fn answer(&self, call: McpCall, asked: Asked) -> HttpResponse {
        self.0.answer(call, asked).await
    }

    /// The present state of a resource.
    pub(super) async fn state(&self, call: &McpCall, uri: &str) -> Option<String> {
        self.0.state(call, uri).await
    }
}

/// The MCP servers of a node.
#[derive(Debug, Clone)]
pub struct Mcp {
    pub(super) server: Server,
    pub(super) live: Live,
}

impl Mcp {
    /// What stands at `/mcp`.
    #[must_use]
    pub fn new(agent: impl McpAgent) -> Self {
        Self {
            server: Server::new(agent),
            live: Live::default(),
        }
    }
}

impl Default for Mcp {
    fn default() -> Self {
        Self::new(Platform::default())
    }
}

/// What is asked of a server whatever the type of its handler.
trait Serve: Send + Sync {
    fn serve(
        &self,
        call: McpCall,
        exchange: Exchange,
        peer: InitializeRequestParams,
        cancel: CancellationToken,
    ) -> Box<dyn Any + Send>;

    fn answer(&self, call: McpCall, asked: Asked) -> Pin<Box<dyn Future<Output = HttpResponse>>>;

    fn state<'a>(&'a self, call: &'a McpCall, uri: &'a str) -> Boxed<'a, Option<String>>;
}

/// An agent behind it.
struct Agent<A>(Arc<A>);

impl<A: McpAgent> Serve for Agent<A> {
    fn serve(
        &self,
        call: McpCall,
        exchange: Exchange,
        peer: InitializeRequestParams,
        cancel: CancellationToken,
    ) -> Box<dyn Any + Send> {
        let acting = Acting::new(Arc::clone(&self.0), call);
        Box::new(serve_directly_with_ct(acting, exchange, Some(peer), cancel))
    }

    fn answer(&self, call: McpCall, asked: Asked) -> Pin<Box<dyn Future<Output = HttpResponse>>> {
        let agent = Arc::clone(&self.0);
        let made = call.clone();
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_max_request_body_bytes(call.gateway().server.body_limit_bytes)
            .with_cancellation_token(call.gateway().readiness.streams().child_token())
            // Both are checked before.
            .disable_allowed_hosts()
            .disable_allowed_origins();
        let open = move || Ok(Acting::new(Arc::clone(&agent), made.clone()));
        let service = StreamableHttpService::new(open, Arc::new(NeverSessionManager::default()), config);
        Box::pin(async move { bridge::back(service.handle(asked).await, call) })
    }

    fn state<'a>(&'a self, call: &'a McpCall, uri: &'a str) -> Boxed<'a, Option<String>> {
        Box::pin(self.0.state(call, uri))
    }
}

/// The revisions in which clients open sessions.
pub(super) fn has_session(version: &str) -> bool {
    ProtocolVersion::KNOWN_VERSIONS
        .iter()
        .any(|known| known.as_str() == version && known.has_initialize())
}
