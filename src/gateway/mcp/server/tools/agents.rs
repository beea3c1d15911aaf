//! Tools: agents.

use actors::agents::{MethodInfo, Scope};
use rmcp::{Json, RoleServer, handler::server::wrapper::Parameters, service::RequestContext, tool, tool_router};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Answer, PlatformServer};
use crate::gateway::{agents::address, error::Problem, mcp::agents, permission::Permission};

/// The kinds of agents.
#[derive(Debug, Serialize, JsonSchema)]
struct Kinds {
    kinds: Vec<Kind>,
}

/// A kind of agents.
#[derive(Debug, Serialize, JsonSchema)]
struct Kind {
    name: &'static str,
    /// What it is for.
    about: &'static str,
    /// Whether the tenant shares its agents, or each user has agents of their own.
    is_shared: bool,
    methods: Vec<Callable>,
}

/// A method of a kind.
#[derive(Debug, Serialize, JsonSchema)]
struct Callable {
    name: &'static str,
    /// What it is for.
    about: String,
    /// JSON schema of its arguments.
    args: Value,
    /// JSON schema of its answer, or of each part.
    reply: Value,
    /// Whether the answer comes in parts.
    is_streaming: bool,
}

impl From<MethodInfo> for Callable {
    fn from(method: MethodInfo) -> Self {
        Self {
            name: method.name,
            about: method.about,
            args: method.args,
            reply: method.reply,
            is_streaming: method.is_streaming,
        }
    }
}

/// What an agent is asked to do.
#[derive(Debug, Deserialize, JsonSchema)]
struct Ask {
    /// The kind of the agent, as list_agents names it.
    agent: String,
    /// What the agent is called. One that nobody has called before begins now.
    name: String,
    /// The method.
    method: String,
    /// The arguments by their names, or a list of them.
    args: Option<Value>,
}

/// What a method answered.
#[derive(Debug, Serialize, JsonSchema)]
struct Answered {
    /// The answer; a list of its parts if it comes in parts.
    result: Value,
}

#[tool_router(router = agent_tools, vis = "pub(super)")]
impl PlatformServer {
    /// Lists the kinds of agents, with their methods.
    #[tool(annotations(read_only_hint = true, open_world_hint = false))]
    async fn list_agents(&self) -> Answer<Kinds> {
        self.call.needs(Permission::AgentUse)?;
        let kinds = self.call.gateway().agents.list().into_iter().map(|info| Kind {
            name: info.name,
            about: info.about,
            is_shared: info.scope == Scope::Tenant,
            methods: info.methods.into_iter().map(Callable::from).collect(),
        });
        Ok(Json(Kinds { kinds: kinds.collect() }))
    }

    /// Calls a method of an agent. The parts of an answer that comes in parts are told as progress, too.
    #[tool(annotations(destructive_hint = true, open_world_hint = true))]
    async fn call_agent(
        &self,
        Parameters(ask): Parameters<Ask>,
        context: RequestContext<RoleServer>,
    ) -> Answer<Answered> {
        self.call.needs(Permission::AgentUse)?;
        let (gateway, caller) = (self.call.gateway(), self.call.caller());
        let address = address(gateway, caller, &ask.agent, &ask.name)?;
        let known = gateway.agents.info(&ask.agent).ok_or_else(Problem::internal)?;
        let method = known.methods.into_iter().find(|method| method.name == ask.method);
        let method =
            method.ok_or_else(|| Problem::not_found("agent.method-unknown", "the agent has no such method"))?;
        let args = match ask.args {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(args)) => args,
            Some(whole) => vec![whole],
        };
        let result = agents::call(&self.call, &address, &method, args, &context).await?;
        Ok(Json(Answered { result }))
    }
}
