//! The addresses of MCP servers: POST for what a client says, GET for what it listens to, DELETE for the end of a session; and two more
//! for clients that still speak the transport before that ([`legacy`]).

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use actors::mcp_session::{AgreeMcpSession, EndMcpSession, HandMcpMessage};
use bytes::Bytes;
use cluster::prelude::Uuid;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, ErrorData, GetMeta, InitializeRequestParams, JsonRpcError,
    JsonRpcMessage, JsonRpcRequest, RequestId, ServerJsonRpcMessage, ServerResult,
};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::{
    agent::{Server, has_session},
    agents::AgentTools,
    bridge,
    call::McpCall,
    exchange, legacy, origin,
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
    /// The address of the server, which its sessions belong to.
    endpoint: String,
    /// The name of the instance, for a server that has several.
    name: Option<String>,
    gateway: Gateway,
    caller: Caller,
    /// The id that the client shows, if its revision has sessions.
    session: Option<String>,
    request: HttpRequest,
}

/// Which agent is asked.
type OfAgent = web::Path<(String, String)>;

/// `POST /mcp`.
pub(crate) async fn post(request: HttpRequest, payload: web::Payload, caller: Caller, gateway: Shared) -> Answer {
    let asked = Asked::read(request, caller, &gateway)?;
    asked.take(payload).await
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

/// `POST /agents/{agent}/{agent_name}/mcp`.
pub(crate) async fn post_to_agent(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: Shared,
    path: OfAgent,
) -> Answer {
    let asked = Asked::of_agent(request, caller, &gateway, &path)?;
    asked.take(payload).await
}

/// `GET /agents/{agent}/{agent_name}/mcp`.
pub(crate) async fn get_of_agent(request: HttpRequest, caller: Caller, gateway: Shared, path: OfAgent) -> Answer {
    let asked = Asked::of_agent(request, caller, &gateway, &path)?;
    asked.get().await
}

/// `DELETE /agents/{agent}/{agent_name}/mcp`.
pub(crate) async fn delete_of_agent(request: HttpRequest, caller: Caller, gateway: Shared, path: OfAgent) -> Answer {
    let asked = Asked::of_agent(request, caller, &gateway, &path)?;
    asked.delete().await
}

/// `GET /sse`.
pub(crate) async fn open(request: HttpRequest, caller: Caller, gateway: Shared) -> Answer {
    origin::check(&request, &gateway)?;
    accepts(&request, &["text/event-stream"])?;
    let call = McpCall::new(Gateway::clone(&gateway), caller, None, None);
    legacy::open(gateway.mcp.server.clone(), call).await
}

/// The query of a message to a stream.
#[derive(Debug, Deserialize)]
struct OfStream {
    #[serde(rename = "sessionId")]
    session: String,
}

/// `POST /messages`.
pub(crate) async fn send(request: HttpRequest, payload: web::Payload, caller: Caller, gateway: Shared) -> Answer {
    let asked = Asked::read(request, caller, &gateway)?;
    let query = web::Query::<OfStream>::from_query(asked.request.query_string());
    let session = query.map_err(|_| no_session())?.into_inner().session;
    let asked = Asked {
        endpoint: legacy::ENDPOINT.to_owned(),
        session: Some(session),
        ..asked
    };
    let body = body::bytes(payload, gateway.server.body_limit_bytes).await?;
    asked.send(&body).await
}

impl Asked {
    fn read(request: HttpRequest, caller: Caller, gateway: &Shared) -> Result<Self, Problem> {
        origin::check(&request, gateway)?;
        let version = header_text(&request, VERSION);
        let is_older = version.is_none_or(has_session);
        let session = header_text(&request, SESSION).filter(|_| is_older);
        Ok(Self {
            server: gateway.mcp.server.clone(),
            endpoint: OWN.to_owned(),
            name: None,
            gateway: Gateway::clone(gateway),
            caller,
            session: session.map(str::to_owned),
            request,
        })
    }

    fn of_agent(request: HttpRequest, caller: Caller, gateway: &Shared, path: &OfAgent) -> Result<Self, Problem> {
        let asked = Self::read(request, caller, gateway)?;
        let (kind, name) = &**path;
        let agent = AgentTools::of(gateway, &asked.caller, kind, name)?;
        Ok(Self {
            server: Server::new(agent),
            // The same below `/api`.
            endpoint: format!("/agents/{kind}/{name}/mcp"),
            name: Some(name.clone()),
            ..asked
        })
    }

    fn call(&self, session: Option<&Session>) -> McpCall {
        McpCall::new(
            self.gateway.clone(),
            self.caller.clone(),
            session.cloned(),
            self.name.clone(),
        )
    }

    async fn take(self, payload: web::Payload) -> Answer {
        let body = body::bytes(payload, self.gateway.server.body_limit_bytes).await?;
        self.post(body).await
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
        let call = self.call(None);
        Ok(self.server.answer(call, asked).await)
    }

    /// Opens a session, if the server agrees with the client.
    async fn initialize(self, request: JsonRpcRequest<ClientRequest>) -> Answer {
        let (said, agreed) = self.agree(request).await?;
        let mut answer = stream::json(&said)?;
        if let Some(peer) = agreed {
            let session = Session::open(&self.gateway, &self.caller, &self.endpoint, Some(&peer)).await?;
            let id = header::HeaderValue::from_str(&session.id.to_string()).map_err(|_| Problem::internal())?;
            answer
                .headers_mut()
                .insert(header::HeaderName::from_static(SESSION), id);
        }
        Ok(answer)
    }

    /// What the server says to a client that comes, and what they agreed on.
    async fn agree(
        &self,
        request: JsonRpcRequest<ClientRequest>,
    ) -> Result<(ServerJsonRpcMessage, Option<InitializeRequestParams>), Problem> {
        let ClientRequest::InitializeRequest(initialize) = &request.request else {
            return Err(Problem::internal());
        };
        let mut peer = initialize.params.clone();
        let (exchange, mut ends) = exchange::begin("".into(), JsonRpcMessage::Request(request));
        let service = self
            .server
            .serve(self.call(None), exchange, peer.clone(), CancellationToken::new());
        let said = ends.from_server.recv().await.ok_or_else(Problem::internal)?;
        drop(service);
        let version = match &said {
            JsonRpcMessage::Response(response) => match &response.result {
                ServerResult::InitializeResult(result) => Some(result.protocol_version.clone()),
                _ => None,
            },
            _ => None,
        };
        let agreed = version.map(|version| {
            peer.protocol_version = version;
            peer
        });
        Ok((said, agreed))
    }

    /// Takes what a client says that hears every answer on its one stream.
    async fn send(self, body: &[u8]) -> Answer {
        let message = match serde_json::from_slice::<ClientJsonRpcMessage>(body) {
            Ok(message) => message,
            Err(error) => return Ok(unreadable(body, &error)),
        };
        let session = self.session(self.session.as_deref().unwrap_or_default())?;
        match message {
            JsonRpcMessage::Request(request) if matches!(&request.request, ClientRequest::InitializeRequest(_)) => {
                session.view().await?;
                let (said, agreed) = self.agree(request).await?;
                if let Some(peer) = agreed {
                    let initialize = serde_json::to_string(&peer).map_err(|_| Problem::internal())?;
                    session.ask_patiently(AgreeMcpSession { initialize }).await?;
                }
                legacy::tell(&self.gateway, &session, &said).await?;
            }
            JsonRpcMessage::Request(request) => {
                let known = session.show().await?;
                stream::answer_elsewhere(&self.server, self.call(Some(&session)), session, known, request).await?;
            }
            message @ (JsonRpcMessage::Response(_) | JsonRpcMessage::Notification(_) | JsonRpcMessage::Error(_)) => {
                session.view().await?;
                self.hear(session, message).await?;
            }
        }
        Ok(HttpResponse::Accepted().finish())
    }

    /// Takes what a client says in its session.
    async fn say(self, session: Session, message: ClientJsonRpcMessage) -> Answer {
        let known = session.show().await?;
        match message {
            JsonRpcMessage::Request(request) => {
                let call = self.call(Some(&session));
                stream::answer(&self.server, call, session, known, request).await
            }
            message @ (JsonRpcMessage::Response(_) | JsonRpcMessage::Notification(_) | JsonRpcMessage::Error(_)) => {
                self.hear(session, message).await
            }
        }
    }

    /// Hands a message to the request that it is about, here or on another node.
    async fn hear(&self, session: Session, message: ClientJsonRpcMessage) -> Answer {
        let to = match &message {
            JsonRpcMessage::Response(response) => exchange::named(&response.id).map(|(stream, _)| stream.to_owned()),
            JsonRpcMessage::Error(error) => {
                let named = error.id.as_ref().and_then(exchange::named);
                named.map(|(stream, _)| stream.to_owned())
            }
            JsonRpcMessage::Notification(notification) => match &notification.notification {
                ClientNotification::CancelledNotification(cancelled) => {
                    let id = cancelled.params.request_id.as_ref();
                    id.and_then(|id| serde_json::to_string(id).ok())
                }
                _ => None,
            },
            JsonRpcMessage::Request(_) => None,
        };
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
        session.view().await?;
        let call = self.call(Some(&session));
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
        session.view().await?;
        session.ask(EndMcpSession).await?;
        Ok(HttpResponse::NoContent().finish())
    }

    fn session(&self, id: &str) -> Result<Session, Problem> {
        let id = Uuid::try_parse(id).map_err(|_| no_session())?;
        Ok(Session::new(id, &self.gateway, &self.caller, &self.endpoint))
    }
}

fn no_session() -> Problem {
    Problem::not_found("mcp.session", "there is no such session; initialize anew")
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
