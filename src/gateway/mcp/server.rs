//! This server's own tools, resources and prompts.

mod prompts;
mod question;
mod resources;
mod tools;

use std::sync::Arc;

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    handler::server::router::{prompt::PromptRouter, tool::ToolRouter},
    model::{
        CompleteRequestParams, CompleteResult, Implementation, ListResourceTemplatesResult, ListResourcesResult,
        PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig,
    },
    prompt_handler,
    service::RequestContext,
    tool_handler,
};

use super::{agent::McpAgent, call::McpCall, fault::fault, level};

/// What a model is told of the server.
const INSTRUCTIONS: &str = "Plans of products and businesses: start a run for an idea, follow it, read what its phases wrote, and \
                            have the person approve or reject the finished plan.";

/// Makes the server of this server's own tools.
#[derive(Debug, Clone)]
pub(super) struct Platform {
    tools: Arc<ToolRouter<PlatformServer>>,
    prompts: Arc<PromptRouter<PlatformServer>>,
}

impl Default for Platform {
    fn default() -> Self {
        Self {
            tools: Arc::new(tools::router()),
            prompts: Arc::new(prompts::router()),
        }
    }
}

impl McpAgent for Platform {
    type Handler = PlatformServer;

    fn open(&self, call: &McpCall) -> PlatformServer {
        PlatformServer {
            call: call.clone(),
            tools: Arc::clone(&self.tools),
            prompts: Arc::clone(&self.prompts),
        }
    }

    async fn state(&self, call: &McpCall, uri: &str) -> Option<String> {
        self.open(call).state_of(uri).await
    }
}

/// The server of this server's own tools. It lives for one request.
#[derive(Debug)]
pub(super) struct PlatformServer {
    call: McpCall,
    tools: Arc<ToolRouter<Self>>,
    prompts: Arc<PromptRouter<Self>>,
}

#[tool_handler(router = self.tools)]
#[prompt_handler(router = self.prompts)]
impl ServerHandler for PlatformServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_prompts()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_completions()
            .build();
        ServerConfig::new(level::offered(capabilities))
            .with_server_info(Implementation::new("foundation", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let after = request.and_then(|request| request.cursor);
        self.resources(after).await.map_err(|problem| fault(&problem))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(resources::templates())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let read = self.read(&request.uri).await;
        read.map(Into::into).map_err(|problem| fault(&problem))
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let completed = self.completions(&request.argument.name, &request.argument.value).await;
        completed.map(CompleteResult::new).map_err(|problem| fault(&problem))
    }
}
