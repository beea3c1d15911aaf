//! A server whose every method acts on behalf of whoever asks. What belongs to the session it leaves to the session: the level of log
//! messages and subscriptions.
#![expect(
    deprecated,
    reason = "revisions before 2026-07-28 have methods that it has not, and are served too"
)]

use std::{borrow::Cow, collections::HashMap, sync::Arc, time::Duration};

use actors::mcp_session::{SetMcpLevel, SubscribeMcp, UnsubscribeMcp};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CancelledNotificationParam, CompleteRequestParams, CompleteResult,
        CustomNotification, CustomRequest, CustomResult, DiscoverResult, GetPromptRequestParams, GetPromptResponse,
        InitializeRequestParams, InitializeResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
        ListToolsResult, PaginatedRequestParams, ProgressNotificationParam, ProtocolVersion, ReadResourceRequestParams,
        ReadResourceResponse, ServerConfig, SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter, Tool,
        UnsubscribeRequestParams,
    },
    service::{NotificationContext, RequestContext, SubscriptionContext},
};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{agent::McpAgent, call::McpCall, fault::fault, sessions::Session};

/// How often is looked for changes of what a client listens to.
const LOOK: Duration = Duration::from_secs(1);

/// The server that an agent made for a call.
pub(super) struct Acting<A: McpAgent> {
    agent: Arc<A>,
    handler: A::Handler,
    call: McpCall,
}

impl<A: McpAgent> Acting<A> {
    pub(super) fn new(agent: Arc<A>, call: McpCall) -> Self {
        let handler = agent.open(&call);
        Self { agent, handler, call }
    }

    fn session(&self) -> Result<&Session, ErrorData> {
        self.call.session().ok_or_else(|| {
            let data = json!({ "code": "mcp.no-session" });
            ErrorData::invalid_request("this needs a session; initialize first", Some(data))
        })
    }

    /// The present state of a resource that can be subscribed to.
    async fn state(&self, uri: &str) -> Option<String> {
        self.call.on_behalf(self.agent.state(&self.call, uri)).await
    }
}

/// Methods that a handler has, on behalf of the caller.
macro_rules! delegate {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)*) => {
        $(async fn $name(&self, $($argument: $kind),*) -> $answer {
            self.call.on_behalf(self.handler.$name($($argument),*)).await
        })*
    };
}

impl<A: McpAgent> ServerHandler for Acting<A> {
    delegate! {
        ping(context: RequestContext<RoleServer>) -> Result<(), ErrorData>;
        initialize(request: InitializeRequestParams, context: RequestContext<RoleServer>)
            -> Result<InitializeResult, ErrorData>;
        discover(context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData>;
        complete(request: CompleteRequestParams, context: RequestContext<RoleServer>)
            -> Result<CompleteResult, ErrorData>;
        get_prompt(request: GetPromptRequestParams, context: RequestContext<RoleServer>)
            -> Result<GetPromptResponse, ErrorData>;
        list_prompts(request: Option<PaginatedRequestParams>, context: RequestContext<RoleServer>)
            -> Result<ListPromptsResult, ErrorData>;
        list_resources(request: Option<PaginatedRequestParams>, context: RequestContext<RoleServer>)
            -> Result<ListResourcesResult, ErrorData>;
        list_resource_templates(request: Option<PaginatedRequestParams>, context: RequestContext<RoleServer>)
            -> Result<ListResourceTemplatesResult, ErrorData>;
        read_resource(request: ReadResourceRequestParams, context: RequestContext<RoleServer>)
            -> Result<ReadResourceResponse, ErrorData>;
        call_tool(request: CallToolRequestParams, context: RequestContext<RoleServer>)
            -> Result<CallToolResponse, ErrorData>;
        list_tools(request: Option<PaginatedRequestParams>, context: RequestContext<RoleServer>)
            -> Result<ListToolsResult, ErrorData>;
        on_custom_request(request: CustomRequest, context: RequestContext<RoleServer>)
            -> Result<CustomResult, ErrorData>;
        on_cancelled(notification: CancelledNotificationParam, context: NotificationContext<RoleServer>) -> ();
        on_progress(notification: ProgressNotificationParam, context: NotificationContext<RoleServer>) -> ();
        on_initialized(context: NotificationContext<RoleServer>) -> ();
        on_roots_list_changed(context: NotificationContext<RoleServer>) -> ();
        on_custom_notification(notification: CustomNotification, context: NotificationContext<RoleServer>) -> ();
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.handler.supported_protocol_versions()
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.handler.get_tool(name)
    }

    fn get_info(&self) -> ServerConfig {
        self.handler.get_info()
    }

    async fn set_level(&self, request: SetLevelRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        let level = match serde_json::to_value(request.level) {
            Ok(Value::String(level)) => level,
            Ok(_) | Err(_) => return Err(ErrorData::invalid_params("there is no such level", None)),
        };
        let set = self.session()?.ask(SetMcpLevel { level }).await;
        set.map_err(|error| fault(&error.into()))
    }

    async fn subscribe(&self, request: SubscribeRequestParams, _: RequestContext<RoleServer>) -> Result<(), ErrorData> {
        let session = self.session()?;
        let Some(mark) = self.state(&request.uri).await else {
            let data = json!({ "code": "mcp.resource", "uri": request.uri });
            let text = "there is no such resource, or it never changes";
            return Err(ErrorData::resource_not_found(text, Some(data)));
        };
        let uri = request.uri;
        let subscribed = session.ask(SubscribeMcp { uri, mark }).await;
        subscribed.map_err(|error| fault(&error.into()))
    }

    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let ended = self.session()?.ask(UnsubscribeMcp { uri: request.uri }).await;
        ended.map_err(|error| fault(&error.into()))
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let uris = context.accepted().resource_subscriptions.clone().unwrap_or_default();
        let mut known: HashMap<&String, Option<String>> = HashMap::new();
        for uri in &uris {
            known.insert(uri, self.state(uri).await);
        }
        loop {
            tokio::select! {
                () = sleep(LOOK) => {}
                () = context.cancelled() => return Ok(()),
                () = self.call.gateway().readiness.streams().cancelled() => return Ok(()),
            }
            for (uri, before) in &mut known {
                let now = self.state(uri).await;
                if now.is_some() && now != *before {
                    *before = now;
                    if context.sink().notify_resource_updated(*uri).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }
}
