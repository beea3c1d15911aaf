//! An agent as an MCP server of its own: what can be called is its tools, its state is its resource.
//!
//! Nothing is done here that a WebSocket client cannot do too. A method that answers once is called as over HTTP; one whose answer comes
//! in parts is called over a socket, and its parts are progress; the state is what the agent tells whoever is connected, on the terms on
//! which it lets them in.

mod conversation;
mod server;
mod tool;

use actix_web::http::StatusCode;
use actors::agents::{AgentActor, AgentAddress, CallAgent, MethodInfo};
use rmcp::{
    RoleServer,
    model::{ProgressNotificationParam, ProgressToken},
    service::RequestContext,
};
use serde_json::Value;

pub(super) use server::AgentTools;

use self::conversation::Conversation;
use super::call::McpCall;
use crate::gateway::{agents::who, error::Problem};

/// Longest text of a part that is told while a tool works, in bytes; what is longer is in the result.
const TOLD_BYTES_MAX: usize = 4096;
/// Most parts of an answer.
const PARTS_MAX: usize = 10_000;
/// Most bytes of the parts of an answer.
const PARTS_BYTES_MAX: usize = 1 << 20;

/// Calls a method of an agent. The parts of an answer are told as they come, and are all of what is returned.
pub(super) async fn call(
    call: &McpCall,
    address: &AgentAddress,
    method: &MethodInfo,
    args: Vec<Value>,
    context: &RequestContext<RoleServer>,
) -> Result<Value, Problem> {
    if !method.is_streaming {
        let args = serde_json::to_string(&args).map_err(|_| Problem::internal())?;
        let ask = CallAgent {
            caller: Some(who(call.caller())),
            method: method.name.to_owned(),
            args,
        };
        let agent = call.cluster().get::<AgentActor>(address.actor(call.tenant()));
        let answer = call.on_behalf(agent.ask(ask)).await?;
        return serde_json::from_str(&answer).map_err(|_| Problem::internal());
    }
    let mut conversation = Conversation::open(call, address).await?;
    conversation.begin(method.name, &args).await;
    let token = context.meta.get_progress_token();
    let (mut parts, mut count, mut bytes) = (Vec::new(), 0.0, 0);
    loop {
        let part = tokio::select! {
            part = conversation.part() => part?,
            // Nobody hears the answer; the socket closes with the conversation.
            () = context.ct.cancelled() => None,
        };
        let Some(part) = part else {
            return Ok(Value::Array(parts));
        };
        let text = part.to_string();
        bytes += text.len();
        if parts.len() >= PARTS_MAX || bytes > PARTS_BYTES_MAX {
            return Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "mcp.parts",
                format!("a result has up to {PARTS_MAX} parts, of up to {PARTS_BYTES_MAX} bytes together"),
            ));
        }
        count += 1.0;
        if let Some(token) = &token {
            tell(context, token, count, text).await;
        }
        parts.push(part);
    }
}

/// Tells a part of an answer.
async fn tell(context: &RequestContext<RoleServer>, token: &ProgressToken, count: f64, text: String) {
    let mut progress = ProgressNotificationParam::new(token.clone(), count);
    if text.len() <= TOLD_BYTES_MAX {
        progress = progress.with_message(text);
    }
    context.peer.notify_progress(progress).await.ok();
}
