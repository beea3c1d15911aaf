//! An MCP agent as authors write one: tools that talk to the client while they work, resources, prompts, completion. Its names are those
//! that the conformance suite of the protocol asks for.
#![expect(
    deprecated,
    reason = "the suite also asks for what the revision of 2026-07-28 has given up"
)]

use std::time::Duration;

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    handler::server::{tool::Extension, wrapper::Parameters},
    model::{
        CallToolResult, ClientResult, CompleteRequestParams, CompleteResult, CompletionInfo, ContentBlock,
        CreateMessageRequestParams, ElicitRequest, ElicitRequestParams, ListResourceTemplatesResult,
        ListResourcesResult, LoggingLevel, LoggingMessageNotificationParam, PaginatedRequestParams,
        ProgressNotificationParam, PromptMessage, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult,
        Resource, ResourceContents, ResourceTemplate, Role, SamplingMessage, ServerCapabilities, ServerConfig,
        ServerRequest,
    },
    prompt, prompt_handler, prompt_router,
    service::RequestContext,
    tool, tool_handler, tool_router,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::gateway::{McpAgent, McpCall, McpStream};

/// A red point.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
/// Silence.
const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";
/// Between two things that a tool says.
const PAUSE: Duration = Duration::from_millis(50);

/// Makes [`Example`].
#[derive(Debug, Clone, Copy)]
pub(in crate::gateway::tests) struct ExampleAgent;

impl McpAgent for ExampleAgent {
    type Handler = Example;

    fn open(&self, _: &McpCall) -> Example {
        Example
    }

    async fn state(&self, _: &McpCall, uri: &str) -> Option<String> {
        (uri == "test://watched-resource").then(|| "1".to_owned())
    }
}

/// A server that lives for one request.
#[derive(Debug)]
pub(in crate::gateway::tests) struct Example;

#[derive(Debug, Deserialize, JsonSchema)]
struct Ask {
    /// What the model is asked.
    prompt: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Question {
    /// What the person is asked.
    message: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Wait {
    /// How long, in milliseconds.
    milliseconds: u64,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Two {
    /// The first argument.
    arg1: String,
    /// The second argument.
    arg2: String,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct OfResource {
    /// The resource that is shown.
    resource_uri: String,
}

fn text(text: impl Into<String>) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}

fn failed(error: impl std::fmt::Display) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(error.to_string())])
}

/// Asks the person at the client.
async fn elicit(context: &RequestContext<RoleServer>, message: &str, schema: Value) -> Result<(String, Value), String> {
    let params = json!({ "mode": "form", "message": message, "requestedSchema": schema });
    let params: ElicitRequestParams = serde_json::from_value(params).map_err(|error| error.to_string())?;
    let answer = context
        .peer
        .send_request(ServerRequest::ElicitRequest(ElicitRequest::new(params)))
        .await;
    match answer.map_err(|error| error.to_string())? {
        ClientResult::ElicitResult(result) => {
            let action = serde_json::to_value(&result.action).map_err(|error| error.to_string())?;
            let action = action.as_str().unwrap_or_default().to_owned();
            Ok((action, result.content.unwrap_or_default()))
        }
        other => Err(format!("{other:?}")),
    }
}

#[tool_router]
impl Example {
    /// Says a text.
    #[tool]
    async fn test_simple_text(&self) -> CallToolResult {
        text("This is a simple text response for testing.")
    }

    /// Shows an image.
    #[tool]
    async fn test_image_content(&self) -> CallToolResult {
        CallToolResult::success(vec![ContentBlock::image(PNG, "image/png")])
    }

    /// Plays a sound.
    #[tool]
    async fn test_audio_content(&self) -> CallToolResult {
        CallToolResult::success(vec![ContentBlock::audio(WAV, "audio/wav")])
    }

    /// Shows a resource.
    #[tool]
    async fn test_embedded_resource(&self) -> CallToolResult {
        let resource = ResourceContents::text("This is an embedded resource content.", "test://embedded-resource");
        CallToolResult::success(vec![ContentBlock::resource(resource.with_mime_type("text/plain"))])
    }

    /// Says a text, and shows an image and a resource.
    #[tool]
    async fn test_multiple_content_types(&self) -> CallToolResult {
        let resource = ResourceContents::text(r#"{"test":"data","value":123}"#, "test://mixed-content-resource");
        CallToolResult::success(vec![
            ContentBlock::text("Multiple content types test:"),
            ContentBlock::image(PNG, "image/png"),
            ContentBlock::resource(resource.with_mime_type("application/json")),
        ])
    }

    /// Logs while it works.
    #[tool]
    async fn test_tool_with_logging(&self, context: RequestContext<RoleServer>) -> CallToolResult {
        for said in [
            "Tool execution started",
            "Tool processing data",
            "Tool execution completed",
        ] {
            let log = LoggingMessageNotificationParam::new(LoggingLevel::Info, Value::from(said));
            if let Err(error) = context.peer.notify_logging_message(log).await {
                return failed(error);
            }
            sleep(PAUSE).await;
        }
        text("Tool with logging executed")
    }

    /// Tells how far it is.
    #[tool]
    async fn test_tool_with_progress(&self, context: RequestContext<RoleServer>) -> CallToolResult {
        let token = context.meta.get_progress_token();
        for done in [0.0, 50.0, 100.0] {
            if let Some(token) = &token {
                let progress = ProgressNotificationParam::new(token.clone(), done).with_total(100.0);
                if let Err(error) = context.peer.notify_progress(progress).await {
                    return failed(error);
                }
            }
            sleep(PAUSE).await;
        }
        text("Tool with progress executed")
    }

    /// Fails.
    #[tool]
    async fn test_error_handling(&self) -> CallToolResult {
        failed("This tool intentionally returns an error for testing")
    }

    /// Asks the model of the client.
    #[tool]
    async fn test_sampling(
        &self,
        Parameters(Ask { prompt }): Parameters<Ask>,
        context: RequestContext<RoleServer>,
    ) -> CallToolResult {
        let message = SamplingMessage::user_text(prompt);
        match context
            .peer
            .create_message(CreateMessageRequestParams::new(vec![message], 100))
            .await
        {
            Ok(answer) => {
                let said = serde_json::to_value(&answer.message.content).unwrap_or_default();
                text(format!("LLM response: {}", said["text"].as_str().unwrap_or_default()))
            }
            Err(error) => failed(error),
        }
    }

    /// Asks the person at the client.
    #[tool]
    async fn test_elicitation(
        &self,
        Parameters(Question { message }): Parameters<Question>,
        context: RequestContext<RoleServer>,
    ) -> CallToolResult {
        let schema = json!({
            "type": "object",
            "properties": {
                "username": { "type": "string", "description": "User's response" },
                "email": { "type": "string", "description": "User's email address" },
            },
            "required": ["username", "email"],
        });
        match elicit(&context, &message, schema).await {
            Ok((action, content)) => text(format!("User response: action={action}, content={content}")),
            Err(error) => failed(error),
        }
    }

    /// Asks with an answer for each field at hand.
    #[tool]
    async fn test_elicitation_sep1034_defaults(&self, context: RequestContext<RoleServer>) -> CallToolResult {
        let schema = json!({
            "type": "object",
            "properties": {
                "name": { "type": "string", "description": "User name", "default": "John Doe" },
                "age": { "type": "integer", "description": "User age", "default": 30 },
                "score": { "type": "number", "description": "User score", "default": 95.5 },
                "status": {
                    "type": "string",
                    "description": "User status",
                    "enum": ["active", "inactive", "pending"],
                    "default": "active",
                },
                "verified": { "type": "boolean", "description": "Verification status", "default": true },
            },
            "required": [],
        });
        match elicit(&context, "Please review the defaults", schema).await {
            Ok((action, content)) => text(format!("Elicitation completed: action={action}, content={content}")),
            Err(error) => failed(error),
        }
    }

    /// Asks for a choice in each way there is.
    #[tool]
    async fn test_elicitation_sep1330_enums(&self, context: RequestContext<RoleServer>) -> CallToolResult {
        let titled = |kind: &str| {
            json!([
                { "const": "value1", "title": format!("First {kind}") },
                { "const": "value2", "title": format!("Second {kind}") },
                { "const": "value3", "title": format!("Third {kind}") },
            ])
        };
        let plain = json!(["option1", "option2", "option3"]);
        let schema = json!({
            "type": "object",
            "properties": {
                "untitledSingle": { "type": "string", "description": "Select one", "enum": plain },
                "titledSingle": { "type": "string", "description": "Select one", "oneOf": titled("Option") },
                "legacyEnum": {
                    "type": "string",
                    "description": "Select one",
                    "enum": ["opt1", "opt2", "opt3"],
                    "enumNames": ["Option One", "Option Two", "Option Three"],
                },
                "untitledMulti": {
                    "type": "array",
                    "description": "Select some",
                    "items": { "type": "string", "enum": plain },
                },
                "titledMulti": {
                    "type": "array",
                    "description": "Select some",
                    "items": { "anyOf": titled("Choice") },
                },
            },
            "required": [],
        });
        match elicit(&context, "Please select", schema).await {
            Ok((action, content)) => text(format!("Elicitation completed: action={action}, content={content}")),
            Err(error) => failed(error),
        }
    }

    /// Closes the connection before it has answered.
    #[tool]
    async fn test_reconnection(&self, Extension(stream): Extension<McpStream>) -> CallToolResult {
        stream.close();
        sleep(2 * PAUSE).await;
        text("Reconnection test completed successfully")
    }

    /// Waits, unless it is told not to.
    #[tool]
    async fn wait(
        &self,
        Parameters(Wait { milliseconds }): Parameters<Wait>,
        context: RequestContext<RoleServer>,
    ) -> CallToolResult {
        tokio::select! {
            () = sleep(Duration::from_millis(milliseconds)) => text("waited"),
            () = context.ct.cancelled() => failed("was told not to wait"),
        }
    }

    /// Has a schema with definitions.
    #[tool(input_schema = address())]
    async fn json_schema_2020_12_tool(&self) -> CallToolResult {
        text("ok")
    }
}

fn address() -> std::sync::Arc<rmcp::model::JsonObject> {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "type": "object",
                "properties": { "street": { "type": "string" }, "city": { "type": "string" } },
            },
        },
        "properties": { "name": { "type": "string" }, "address": { "$ref": "#/$defs/address" } },
        "additionalProperties": false,
    });
    let Value::Object(schema) = schema else { unreachable!() };
    std::sync::Arc::new(schema)
}

#[prompt_router]
impl Example {
    /// A prompt without arguments.
    #[prompt]
    async fn test_simple_prompt(&self) -> Vec<PromptMessage> {
        vec![PromptMessage::new_text(
            Role::User,
            "This is a simple prompt for testing.",
        )]
    }

    /// A prompt with two arguments.
    #[prompt]
    async fn test_prompt_with_arguments(&self, Parameters(Two { arg1, arg2 }): Parameters<Two>) -> Vec<PromptMessage> {
        let said = format!("Prompt with arguments: arg1='{arg1}', arg2='{arg2}'");
        vec![PromptMessage::new_text(Role::User, said)]
    }

    /// A prompt with a resource.
    #[prompt]
    async fn test_prompt_with_embedded_resource(
        &self,
        Parameters(OfResource { resource_uri }): Parameters<OfResource>,
    ) -> Vec<PromptMessage> {
        let resource = ResourceContents::text("Embedded resource content for testing.", resource_uri);
        vec![
            PromptMessage::new(
                Role::User,
                ContentBlock::resource(resource.with_mime_type("text/plain")),
            ),
            PromptMessage::new_text(Role::User, "Please process the embedded resource above."),
        ]
    }

    /// A prompt with an image.
    #[prompt]
    async fn test_prompt_with_image(&self) -> Vec<PromptMessage> {
        vec![
            PromptMessage::new(Role::User, ContentBlock::image(PNG, "image/png")),
            PromptMessage::new_text(Role::User, "Please analyze the image above."),
        ]
    }
}

#[tool_handler]
#[prompt_handler]
impl ServerHandler for Example {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_prompts()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_completions()
            .enable_logging()
            .build();
        ServerConfig::new(capabilities)
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let resource = |uri: &str, kind: &str| Resource::new(uri, uri).with_description("A test").with_mime_type(kind);
        Ok(ListResourcesResult::with_all_items(vec![
            resource("test://static-text", "text/plain"),
            resource("test://static-binary", "image/png"),
            resource("test://watched-resource", "text/plain"),
        ]))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let template = ResourceTemplate::new("test://template/{id}/data", "template").with_description("A test");
        Ok(ListResourceTemplatesResult::with_all_items(vec![template]))
    }

    async fn read_resource(
        &self,
        ReadResourceRequestParams { uri, .. }: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let id = uri
            .strip_prefix("test://template/")
            .and_then(|rest| rest.strip_suffix("/data"));
        let contents = match (uri.as_str(), id) {
            ("test://static-text", _) => {
                ResourceContents::text("This is the content of the static text resource.", uri)
                    .with_mime_type("text/plain")
            }
            ("test://static-binary", _) => ResourceContents::blob(PNG, uri).with_mime_type("image/png"),
            ("test://watched-resource", _) => ResourceContents::text("1", uri).with_mime_type("text/plain"),
            (_, Some(id)) => {
                let data = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
                ResourceContents::text(data.to_string(), uri.clone()).with_mime_type("application/json")
            }
            (_, None) => return Err(ErrorData::resource_not_found("there is no such resource", None)),
        };
        Ok(ReadResourceResult::new(vec![contents]).into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let all = ["paris", "park", "party", "porto"].into_iter();
        let values = all
            .filter(|value| value.starts_with(&request.argument.value))
            .map(str::to_owned);
        let info = CompletionInfo::with_all_values(values.collect());
        info.map(CompleteResult::new)
            .map_err(|error| ErrorData::internal_error(error, None))
    }
}
