//! Agents, as they are reached from outside: `/agents/{agent}/{agent_name}`, and the same below `/api`.
//!
//! A request that wants to become a WebSocket is connected to the agent; every other one is for the agent to answer, with what
//! follows its name as the path. Only `mcp` behind the name is not: there MCP clients find the methods as tools (`mcp::agents`).

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use actors::{
    agents::{
        AgentActor, AgentAddress, AgentCaller, AgentInfo, AgentRequest, CallAgent, MethodInfo, RequestAgent, Scope,
    },
    user::UserId,
};
use cluster::prelude::ActorRef;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    answer::fresh,
    body::{self, Fields},
    caller::{Caller, Proof},
    error::Problem,
    openapi::AnyObject,
    permission::Permission,
    socket,
    state::Gateway,
};

type Shared = web::Data<Gateway>;
type Answer = Result<HttpResponse, Problem>;

/// The kinds of agents.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KindsBody {
    items: Vec<KindBody>,
}

/// A kind of agents.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct KindBody {
    /// The kind, as it stands in addresses.
    #[schema(example = "chat")]
    name: &'static str,
    /// What it is for.
    about: &'static str,
    /// Whether each user has agents of their own, or the tenant shares them.
    is_shared: bool,
    methods: Vec<MethodBody>,
}

/// A method of a kind.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MethodBody {
    /// What callers call it.
    #[schema(example = "members")]
    name: &'static str,
    /// What it is for.
    about: String,
    /// JSON schema of its arguments.
    #[schema(value_type = AnyObject)]
    args: serde_json::Value,
    /// JSON schema of its answer, or of each part.
    #[schema(value_type = AnyObject)]
    reply: serde_json::Value,
    /// Whether the answer comes in parts, which takes a WebSocket.
    is_streaming: bool,
}

impl From<AgentInfo> for KindBody {
    fn from(info: AgentInfo) -> Self {
        Self {
            name: info.name,
            about: info.about,
            is_shared: info.scope == Scope::Tenant,
            methods: info.methods.into_iter().map(MethodBody::from).collect(),
        }
    }
}

impl From<MethodInfo> for MethodBody {
    fn from(info: MethodInfo) -> Self {
        Self {
            name: info.name,
            about: info.about,
            args: info.args,
            reply: info.reply,
            is_streaming: info.is_streaming,
        }
    }
}

/// `GET /api/agents`.
pub(crate) async fn kinds(gateway: Shared) -> Answer {
    let items = gateway.agents.list().into_iter().map(KindBody::from);
    Ok(fresh(&KindsBody { items: items.collect() }))
}

/// Reads the arguments of a call.
pub(crate) fn arguments(fields: &mut Fields) {
    fields.anything();
}

/// What a method answered.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ResultBody {
    /// Whatever the method gives.
    #[schema(value_type = serde_json::Value)]
    result: Box<RawValue>,
}

/// `POST /api/agents/{agent}/{agent_name}/call/{method}`: arguments by their names.
pub(crate) async fn call(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: Shared,
    path: web::Path<(String, String, String)>,
) -> Answer {
    let (kind, name, method) = path.into_inner();
    let args = body::json_text(&request, payload, gateway.server.body_limit_bytes).await?;
    let agent = agent(&gateway, &caller, &kind, &name)?;
    let call = CallAgent {
        caller: Some(who(&caller)),
        method,
        args,
    };
    let result = RawValue::from_string(agent.ask(call).await?).map_err(|_| Problem::internal())?;
    Ok(fresh(&ResultBody { result }))
}

/// Everything at the address of an agent.
pub(crate) async fn reach(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: Shared,
    path: web::Path<(String, String)>,
) -> Answer {
    let (kind, name) = path.into_inner();
    answer(request, payload, caller, gateway, (&kind, &name, "")).await
}

/// Everything below the address of an agent.
pub(crate) async fn reach_below(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: Shared,
    path: web::Path<(String, String, String)>,
) -> Answer {
    let (kind, name, rest) = path.into_inner();
    answer(request, payload, caller, gateway, (&kind, &name, &rest)).await
}

async fn answer(
    request: HttpRequest,
    payload: web::Payload,
    caller: Caller,
    gateway: Shared,
    (kind, name, path): (&str, &str, &str),
) -> Answer {
    if socket::is_upgrade(&request) {
        let address = address(&gateway, &caller, kind, name)?;
        let opening = who(&caller).opening(&request.uri().to_string());
        let actor = address.actor(&caller.tenant);
        return socket::connect(&request, payload, &gateway, caller, actor, opening).await;
    }
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let asked = AgentRequest {
        caller: who(&caller),
        method: request.method().as_str().to_owned(),
        path: path.to_owned(),
        query: request.query_string().to_owned(),
        content_type: content_type.to_owned(),
        body: body::bytes(payload, gateway.server.body_limit_bytes).await?.to_vec(),
    };
    let answer = agent(&gateway, &caller, kind, name)?.ask(RequestAgent(asked)).await?;
    let status = StatusCode::from_u16(answer.status).ok().filter(StatusCode::is_success);
    let mut response = HttpResponse::build(status.ok_or_else(Problem::internal)?);
    if !answer.content_type.is_empty() {
        // Never a page: what an agent says might be what somebody else said to it.
        let is_page = answer.content_type.contains("html") || answer.content_type.contains("xml");
        let content_type = if is_page {
            "text/plain; charset=utf-8"
        } else {
            &answer.content_type
        };
        response.content_type(content_type);
    }
    Ok(response
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(answer.body))
}

fn agent(gateway: &Gateway, caller: &Caller, kind: &str, name: &str) -> Result<ActorRef<AgentActor>, Problem> {
    let address = address(gateway, caller, kind, name)?;
    Ok(gateway.cluster.get(address.actor(&caller.tenant)))
}

/// The agent that a caller means.
pub(crate) fn address(gateway: &Gateway, caller: &Caller, kind: &str, name: &str) -> Result<AgentAddress, Problem> {
    let user = UserId::new(&caller.user)?;
    let address = gateway.agents.address(kind, &user, name);
    address.map_err(|error| match error.code() {
        // What clients of such agents expect.
        "agent.unknown" => Problem::bad_request("agent.unknown", format!("Invalid request: {}", error.message())),
        _ => error.into(),
    })
}

/// What an agent is told of a caller.
pub(crate) fn who(caller: &Caller) -> AgentCaller {
    let who = AgentCaller {
        user: caller.user.clone(),
        permissions: Permission::names_within(&caller.scope, &caller.tenant),
    };
    match &caller.proof {
        Proof::Session(session) => who.by_session(*session),
        Proof::Key { .. } | Proof::Issuer { .. } | Proof::Local => who,
    }
}
