//! The addresses of an MCP server: POST for what a client says, GET for what it listens to, DELETE for the end of a session.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use actors::mcp_session::{EndMcpSession, HandMcpMessage};
use bytes::Bytes;
use cluster::prelude::Uuid;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, ErrorData, GetMeta, JsonRpcError, JsonRpcMessage,
    JsonRpcRequest, RequestId, ServerJsonRpcMessage, ServerResult,
};
use tokio_util::sync::CancellationToken;

use super::{
    agent::{Server, has_session},
    bridge,
    call::McpCall,
    exchange, origin,
    sessions::Session,
    stream, watch,
};
use crate::gateway::{body, caller::Caller, error::Problem, state::Gateway};

/// Header with the id of the session.
const SESSION: &str = "mcp-session-id";
/// Header with the revision.
const VERSION: &str = "mcp-protocol-version";
/// Header with the last event that a client has heard.
const LAST_EVENT_ID: &str = "last-event-id";
/// The address of this server's own tools.
const OWN: &str = "/mcp";

type Shared = web::Data<Gateway>;
type Answer = Result<HttpResponse, Problem>;

/// What is asked, and whom.
struct Asked {
    server: Server,
    endpoint: &'static str,
    gateway: Gateway,
    caller: Caller,
    /// The id that the client shows, if its revision has sessions.
    session: Option<String>,
    request: HttpRequest,
}

/// `POST /mcp`.
pub(crate) async fn post(request: HttpRequest, payload: web::Payload, caller: Caller, gateway: Shared) -> Answer {
    let asked = Asked::read(request, caller, &gateway)?;
    let body = body::bytes(payload, gateway.server.body_limit_bytes).await?;
    asked.post(body).await
}

/// `GET /mcp`.
pub(crate) async fn get(request: HttpRequest, caller: Caller, gateway: Shared) -> Answer {
    let asked = Asked::read(request, caller, &gateway)?;
    asked.get().await
}

/// `DELETE /mcp`.
pub(crate) async fn delete(request: HttpRequest, caller: Caller, gateway: Shared) -> Answer {
    let asked = Asked::read(request, caller, &gateway)?;
    asked.delete().await
}

impl Asked {
    fn read(request: HttpRequest, caller: Caller, gateway: &Shared) -> Result<Self, Problem> {
        origin::check(&request, gateway)?;
        let version = header_text(&request, VERSION);
        let is_older = version.is_none_or(has_session);
        let session = header_text(&request, SESSION).filter(|_| is_older);
        Ok(Self {
            server: gateway.mcp.server.clone(),
            endpoint: OWN,
            gateway: Gateway::clone(gateway),
            caller,
            session: session.map(str::to_owned),
            request,
        })
    }

    async fn post(self, body: Bytes) -> Answer {
        let message = match serde_json::from_slice::<ClientJsonRpcMessage>(&body) {
            Ok(message) => message,
            Err(error) => return Ok(unreadable(&body, &error)),
        };
        let is_older = match &message {
            JsonRpcMessage::Request(request) => {
                let version = request.request.get_meta().protocol_version();
                version.is_none_or(|version| has_session(version.as_str()))
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Notification(_) | JsonRpcMessage::Error(_) => true,
        };
        match (&self.session, message) {
            (Some(id), message) if is_older => {
                let session = self.session(id)?;
                accepts(&self.request, &["application/json", "text/event-stream"])?;
                self.say(session, message).await
            }
            (None, JsonRpcMessage::Request(request))
                if matches!(&request.request, ClientRequest::InitializeRequest(_)) =>
            {
                accepts(&self.request, &["application/json", "text/event-stream"])?;
                self.initialize(request).await
            }
            (Some(_) | None, _) => self.pass(body).await,
        }
    }

    /// Hands a request that belongs to no session to rmcp.
    async fn pass(self, body: Bytes) -> Answer {
        let asked = bridge::over(&self.request, body).ok_or_else(Problem::internal)?;
        let call = McpCall::new(self.gateway, self.caller, None, None);
        Ok(self.server.answer(call, asked).await)
    }

    /// Opens a session, if the server agrees with the client.
    async fn initialize(self, request: JsonRpcRequest<ClientRequest>) -> Answer {
        let ClientRequest::InitializeRequest(initialize) = &request.request else {
            return Err(Problem::internal());
        };
        let mut peer = initialize.params.clone();
        let call = McpCall::new(self.gateway.clone(), self.caller.clone(), None, None);
        let (exchange, mut ends) = exchange::begin("".into(), JsonRpcMessage::Request(request));
        let service = self
            .server
            .serve(call, exchange, peer.clone(), CancellationToken::new());
        let said = ends.from_server.recv().await.ok_or_else(Problem::internal)?;
        drop(service);
        let agreed = match &said {
            JsonRpcMessage::Response(response) => match &response.result {
                ServerResult::InitializeResult(result) => Some(result.protocol_version.clone()),
                _ => None,
            },
            _ => None,
        };
        let mut answer = stream::json(&said)?;
        if let Some(agreed) = agreed {
            peer.protocol_version = agreed;
            let session = Session::open(&self.gateway, &self.caller, self.endpoint, &peer).await?;
            let id = header::HeaderValue::from_str(&session.id.to_string()).map_err(|_| Problem::internal())?;
            answer
                .headers_mut()
                .insert(header::HeaderName::from_static(SESSION), id);
        }
        Ok(answer)
    }

    /// Takes what a client says in its session.
    async fn say(self, session: Session, message: ClientJsonRpcMessage) -> Answer {
        let (view, initialize) = session.show().await?;
        match message {
            JsonRpcMessage::Request(request) => {
                let call = McpCall::new(self.gateway, self.caller, Some(session.clone()), None);
                stream::answer(&self.server, call, session, (view, initialize), request).await
            }
            JsonRpcMessage::Response(response) => {
                let to = exchange::named(&response.id).map(|(stream, _)| stream.to_owned());
                self.hand(session, to, JsonRpcMessage::Response(response)).await
            }
            JsonRpcMessage::Error(error) => {
                let named = error.id.as_ref().and_then(exchange::named);
                let to = named.map(|(stream, _)| stream.to_owned());
                self.hand(session, to, JsonRpcMessage::Error(error)).await
            }
            JsonRpcMessage::Notification(notification) => {
                let to = match &notification.notification {
                    ClientNotification::CancelledNotification(cancelled) => cancelled
                        .params
                        .request_id
                        .as_ref()
                        .and_then(|id| serde_json::to_string(id).ok()),
                    _ => None,
                };
                self.hand(session, to, JsonRpcMessage::Notification(notification)).await
            }
        }
    }

    /// Hands a message to the request that it is about, here or on another node.
    async fn hand(self, session: Session, to: Option<String>, message: ClientJsonRpcMessage) -> Answer {
        if let Some(to) = to
            && let Err(message) = self.gateway.mcp.live.hand(session.id, &to, message)
        {
            let text = serde_json::to_string(&message).map_err(|_| Problem::internal())?;
            session.ask(HandMcpMessage { to, text }).await?;
        }
        Ok(HttpResponse::Accepted().finish())
    }

    async fn get(self) -> Answer {
        let Some(id) = &self.session else {
            return self.pass(Bytes::new()).await;
        };
        accepts(&self.request, &["text/event-stream"])?;
        let session = self.session(id)?;
        session.show().await?;
        let call = McpCall::new(self.gateway, self.caller, Some(session.clone()), None);
        let last = header_text(&self.request, LAST_EVENT_ID).map(|id| {
            let (stream, number) = id.rsplit_once('-')?;
            Some((stream.to_owned(), number.parse::<u64>().ok()?))
        });
        match last {
            None => watch::open(self.server, call, session, None).await,
            Some(Some((stream, after))) if stream == watch::STANDALONE => {
                watch::open(self.server, call, session, Some(after)).await
            }
            Some(Some((stream, after))) => stream::resume(call, session, stream, after).await,
            Some(None) => Err(Problem::bad_request(
                "events.last-event-id",
                "the Last-Event-ID header must be the id of an event",
            )),
        }
    }

    async fn delete(self) -> Answer {
        let Some(id) = &self.session else {
            return self.pass(Bytes::new()).await;
        };
        let session = self.session(id)?;
        session.show().await?;
        session.ask(EndMcpSession).await?;
        Ok(HttpResponse::NoContent().finish())
    }

    fn session(&self, id: &str) -> Result<Session, Problem> {
        let id = Uuid::try_parse(id)
            .map_err(|_| Problem::not_found("mcp.session", "there is no such session; initialize anew"))?;
        Ok(Session::new(id, &self.gateway, &self.caller, self.endpoint))
    }
}

fn header_text<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

/// Refuses a client that does not take the answers of these media types.
fn accepts(request: &HttpRequest, kinds: &[&str]) -> Result<(), Problem> {
    let accepted = request.headers().get_all(header::ACCEPT);
    let accepted: Vec<_> = accepted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|part| part.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
        .collect();
    let takes = |kind: &&str| {
        let (family, _) = kind.split_once('/').unwrap_or_default();
        accepted
            .iter()
            .any(|accepted| accepted == kind || accepted == "*/*" || *accepted == format!("{family}/*"))
    };
    if kinds.iter().all(takes) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::NOT_ACCEPTABLE,
        "mcp.accept",
        format!("the Accept header must name {}", kinds.join(" and ")),
    ))
}

/// The answer to what is no message, or one that does not fit its method.
fn unreadable(body: &[u8], error: &serde_json::Error) -> HttpResponse {
    let value: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let id = value.as_ref().and_then(|value| value.get("id")).cloned();
    let id: Option<RequestId> = id.and_then(|id| serde_json::from_value(id).ok());
    let error = match value {
        None => ErrorData::parse_error(format!("the body is not JSON: {error}"), None),
        Some(_) => ErrorData::invalid_request("the body is no message that this server knows", None),
    };
    let error: ServerJsonRpcMessage = JsonRpcMessage::Error(JsonRpcError::new(id, error));
    let mut response = HttpResponse::BadRequest().json(error);
    response.extensions_mut().insert(crate::gateway::request::Spoken);
    response
}
