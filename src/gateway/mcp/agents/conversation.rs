//! What is said with an agent over a socket, as its WebSocket clients do.

use std::time::Duration;

use actix_web::http::StatusCode;
use actors::agents::AgentAddress;
use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::gateway::{agents::who, catalogue, error::Problem, mcp::call::McpCall, socket::Link};

/// The id of the only call of a conversation.
const ID: &str = "mcp";
/// How long an agent is waited for that has let a client in and does not say who it is.
const INTRODUCTION: Duration = Duration::from_secs(5);

/// A socket to an agent.
#[derive(Debug)]
pub(super) struct Conversation {
    link: Link,
    /// What the agent has told of its state, as JSON; none if it tells nothing to whoever this is.
    state: Option<String>,
    /// Whether the last part of the answer has come.
    is_over: bool,
}

/// What an agent says.
enum Said {
    /// Its state.
    State(String),
    /// Who it is, and what belongs to that.
    Introduced,
    /// A part of an answer, and whether it is the last.
    Part(Value, bool),
    /// That a call has failed.
    Failure(Problem),
    Other,
}

impl Conversation {
    /// Connects the caller to an agent, which says who it is, unless it lets them in quietly.
    pub(super) async fn open(call: &McpCall, address: &AgentAddress) -> Result<Self, Problem> {
        let uri = format!("/agents/{}/{}/mcp", address.kind(), address.name());
        let opening = who(call.caller()).opening(&uri);
        let actor = address.actor(call.tenant());
        let link = Link::open(call.gateway(), call.caller(), actor, opening).await?;
        Ok(Self {
            link,
            state: None,
            is_over: true,
        })
    }

    /// The present state, as JSON: `null` for an agent that has none yet. None for whoever is told no state.
    pub(super) async fn introduction(&mut self) -> Result<Option<String>, Problem> {
        let introduced = timeout(INTRODUCTION, async {
            let mut state = Value::Null.to_string();
            loop {
                match self.hear().await? {
                    Said::State(told) => state = told,
                    Said::Introduced => return Ok::<_, Problem>(state),
                    Said::Part(..) | Said::Failure(_) | Said::Other => {}
                }
            }
        });
        self.state = introduced.await.ok().transpose()?;
        Ok(self.state.clone())
    }

    /// The state that was told last, after everything that has been said by now.
    pub(super) fn newest(&mut self) -> Result<Option<String>, Problem> {
        while let Some(said) = self.hear().now_or_never() {
            if let Said::State(told) = said? {
                self.state = Some(told);
            }
        }
        Ok(self.state.clone())
    }

    /// Calls a method whose answer comes in parts.
    pub(super) async fn begin(&mut self, method: &str, args: &[Value]) {
        let call = json!({ "type": "rpc", "id": ID, "method": method, "args": args });
        self.is_over = false;
        self.link.say(call.to_string()).await;
    }

    /// The next part of the answer; none behind the last one.
    pub(super) async fn part(&mut self) -> Result<Option<Value>, Problem> {
        while !self.is_over {
            match self.hear().await? {
                Said::Part(part, is_last) => {
                    self.is_over = is_last;
                    // The end may say nothing.
                    if !(is_last && part.is_null()) {
                        return Ok(Some(part));
                    }
                }
                Said::Failure(problem) => return Err(problem),
                Said::State(_) | Said::Introduced | Said::Other => {}
            }
        }
        Ok(None)
    }

    async fn hear(&mut self) -> Result<Said, Problem> {
        match self.link.next().await {
            Some(cluster::Frame::Text(text)) => Ok(read(&text)),
            Some(cluster::Frame::Binary(_)) => Ok(Said::Other),
            None => Err(Problem::unavailable(
                "mcp.agent-left",
                "the agent has ended the conversation",
            )),
        }
    }
}

fn read(text: &str) -> Said {
    let Ok(mut frame) = serde_json::from_str::<Value>(text) else {
        return Said::Other;
    };
    match frame["type"].as_str() {
        Some("cf_agent_state") => Said::State(frame["state"].to_string()),
        // What an agent says last of itself.
        Some("cf_agent_mcp_servers") => Said::Introduced,
        Some("rpc") if frame["id"] == ID => match frame["success"].as_bool() {
            Some(true) => Said::Part(frame["result"].take(), frame["done"] == true),
            Some(false) | None => Said::Failure(failure(&frame)),
        },
        Some(_) | None => Said::Other,
    }
}

/// Why a call has failed.
fn failure(frame: &Value) -> Problem {
    let code = frame["code"].as_str().unwrap_or("internal").to_owned();
    let status = catalogue::find(&code).and_then(|known| StatusCode::from_u16(*known.statuses.first()?).ok());
    let detail = frame["error"].as_str().unwrap_or("the call has failed");
    Problem::new(status.unwrap_or(StatusCode::UNPROCESSABLE_ENTITY), code, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_agent_says_is_told_apart() {
        assert!(
            matches!(read(r#"{"type":"cf_agent_state","state":{"a":1}}"#), Said::State(state) if state == r#"{"a":1}"#)
        );
        assert!(matches!(
            read(r#"{"type":"cf_agent_mcp_servers","mcp":{}}"#),
            Said::Introduced
        ));
        let part = r#"{"type":"rpc","id":"mcp","success":true,"done":false,"result":7}"#;
        assert!(matches!(read(part), Said::Part(part, false) if part == 7));
        let end = r#"{"type":"rpc","id":"mcp","success":true,"done":true}"#;
        assert!(matches!(read(end), Said::Part(Value::Null, true)));
        for other in [
            "",
            "[]",
            r#"{"type":"rpc","id":"of another","success":true,"done":true,"result":7}"#,
        ] {
            assert!(matches!(read(other), Said::Other), "{other}");
        }
    }

    #[test]
    fn a_failure_keeps_its_code() {
        let Said::Failure(problem) =
            read(r#"{"type":"rpc","id":"mcp","success":false,"error":"no","code":"agent.method-unknown"}"#)
        else {
            panic!("it is a failure")
        };
        assert_eq!(
            (problem.status().as_u16(), problem.code()),
            (404, "agent.method-unknown")
        );
        let Said::Failure(problem) =
            read(r#"{"type":"rpc","id":"mcp","success":false,"error":"no","code":"room.full"}"#)
        else {
            panic!("it is a failure")
        };
        assert_eq!((problem.status().as_u16(), problem.code()), (422, "room.full"));
    }
}
