//! The MCP server of an agent.

use std::sync::Arc;

use actors::agents::{AgentAddress, AgentInfo, MethodInfo};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    handler::server::tool::IntoCallToolResult,
    model::{
        CallToolRequestParams, CallToolResponse, Implementation, ListResourcesResult, ListToolsResult,
        PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Resource,
        ResourceContents, ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use url::Url;

use super::{Conversation, tool};
use crate::gateway::{
    caller::Caller,
    error::Problem,
    mcp::{
        agent::McpAgent,
        call::McpCall,
        fault::{Fault, fault},
        level,
    },
    state::Gateway,
};

/// An agent of which a server is made.
#[derive(Debug)]
pub(in crate::gateway::mcp) struct AgentTools {
    agent: Arc<Named>,
    /// Over which changes of the state are heard, as long as somebody waits for them.
    listening: Mutex<Option<Conversation>>,
}

/// Which agent it is.
#[derive(Debug)]
struct Named {
    address: AgentAddress,
    info: AgentInfo,
}

impl Named {
    /// The address of the state.
    fn uri(&self) -> String {
        let mut uri = Url::parse("foundation://agents").ok();
        if let Some(mut path) = uri.as_mut().and_then(|uri| uri.path_segments_mut().ok()) {
            path.extend([self.address.kind(), self.address.name(), "state"]);
        }
        uri.map(String::from).unwrap_or_default()
    }

    fn method(&self, name: &str) -> Option<&MethodInfo> {
        self.info.methods.iter().find(|method| method.name == name)
    }
}

impl AgentTools {
    /// The agent that a caller means.
    pub(in crate::gateway::mcp) fn of(
        gateway: &Gateway,
        caller: &Caller,
        kind: &str,
        name: &str,
    ) -> Result<Self, Problem> {
        let address = crate::gateway::agents::address(gateway, caller, kind, name)?;
        let info = gateway.agents.info(kind).ok_or_else(Problem::internal)?;
        Ok(Self {
            agent: Arc::new(Named { address, info }),
            listening: Mutex::default(),
        })
    }

    /// What has been heard of the state by now.
    async fn hear(&self, call: &McpCall) -> Result<Option<String>, Problem> {
        let mut listening = self.listening.lock().await;
        if let Some(conversation) = &mut *listening {
            match conversation.newest() {
                Ok(state) => return Ok(state),
                // It is begun anew.
                Err(_) => *listening = None,
            }
        }
        let mut conversation = Conversation::open(call, &self.agent.address).await?;
        let state = conversation.introduction().await?;
        *listening = Some(conversation);
        Ok(state)
    }
}

impl McpAgent for AgentTools {
    type Handler = AgentServer;

    fn open(&self, call: &McpCall) -> AgentServer {
        AgentServer {
            agent: Arc::clone(&self.agent),
            call: call.clone(),
        }
    }

    async fn state(&self, call: &McpCall, uri: &str) -> Option<String> {
        if uri != self.agent.uri() {
            return None;
        }
        let state = self.hear(call).await.ok()??;
        Some(hex(&Sha256::digest(state)))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The server of an agent. It lives for one request.
#[derive(Debug)]
pub(in crate::gateway::mcp) struct AgentServer {
    agent: Arc<Named>,
    call: McpCall,
}

impl ServerHandler for AgentServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_resources_subscribe()
            .build();
        let info = &self.agent.info;
        let implementation = Implementation::new(format!("foundation/{}", info.name), env!("CARGO_PKG_VERSION"));
        ServerConfig::new(level::offered(capabilities))
            .with_server_info(implementation)
            .with_instructions(info.about)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.agent.method(name).map(tool::tool)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = self.agent.info.methods.iter().map(tool::tool);
        Ok(ListToolsResult::with_all_items(tools.collect()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(method) = self.agent.method(&request.name) else {
            let data = json!({ "code": "agent.method-unknown" });
            return Err(ErrorData::invalid_params("the agent has no such method", Some(data)));
        };
        let args = tool::arguments(method, request.arguments.unwrap_or_default());
        match super::call(&self.call, &self.agent.address, method, args, &context).await {
            Ok(answer) => Ok(tool::result(method, answer).into()),
            Err(problem) => Fault::from(problem).into_call_tool_result(),
        }
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let state = Resource::new(self.agent.uri(), "state")
            .with_title(format!("State of {}", self.agent.address.name()))
            .with_description("What everybody sees who is connected to the agent")
            .with_mime_type("application/json");
        Ok(ListResourcesResult::with_all_items(vec![state]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let state = self.state(&request.uri).await.map_err(|problem| fault(&problem))?;
        let contents = ResourceContents::text(state, request.uri).with_mime_type("application/json");
        Ok(ReadResourceResult::new(vec![contents]).into())
    }
}

impl AgentServer {
    /// The state as whoever is connected sees it.
    async fn state(&self, uri: &str) -> Result<String, Problem> {
        let unknown = || Problem::not_found("mcp.resource", "there is no resource at this address");
        if uri != self.agent.uri() {
            return Err(unknown());
        }
        let mut conversation = Conversation::open(&self.call, &self.agent.address).await?;
        conversation.introduction().await?.ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use actors::{agents::Scope, user::UserId};

    use super::*;

    #[test]
    fn the_address_of_a_state_takes_every_name() {
        let named = |name: &str| Named {
            address: AgentAddress::new("chat", Some(UserId::new("ann").unwrap()), name).unwrap(),
            info: AgentInfo {
                name: "chat",
                about: "",
                scope: Scope::User,
                methods: Vec::new(),
            },
        };
        assert_eq!(named("general").uri(), "foundation://agents/chat/general/state");
        assert_eq!(named("a b/ü").uri(), "foundation://agents/chat/a%20b%2F%C3%BC/state");
        assert_ne!(named("a/b").uri(), named("a%2Fb").uri());
    }
}
