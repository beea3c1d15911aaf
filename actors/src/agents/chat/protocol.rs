//! What clients and chats say to each other, as the npm packages `@cloudflare/ai-chat` and `agents` have it.
//!
//! | who | frame | means |
//! |---|---|---|
//! | client | `cf_agent_use_chat_request` | the messages it has; the last one is to be answered |
//! | client | `cf_agent_chat_request_cancel` | stop |
//! | client | `cf_agent_chat_clear` | forget everything; the others are told the same |
//! | client | `cf_agent_chat_messages` | these are to be the messages |
//! | client | `cf_agent_stream_resume_request` | is anything being said? |
//! | client | `cf_agent_stream_resume_ack` | let me hear it from its beginning |
//! | client | `cf_agent_tool_approval` | a tool may do what it was to do, or not |
//! | chat | `cf_agent_use_chat_response` | a chunk of an answer, or its end |
//! | chat | `cf_agent_chat_messages` | these are the messages |
//! | chat | `cf_agent_message_updated` | this is the message |
//! | chat | `cf_agent_stream_resuming` | an answer is on its way: acknowledge, and you hear it from its beginning |
//! | chat | `cf_agent_stream_resume_none` | nothing is being said |
//! | chat | `cf_agent_stream_pending` | it will be said when another answer has ended |
//! | chat | `cf_agent_chat_recovering` | an answer was interrupted and begins anew, or not any more |
//!
//! A client that was told `cf_agent_stream_resuming` hears nothing of the answer before it acknowledges: what it would hear
//! has no beginning.

use serde_json::{Value, json};

use super::{message::UiMessage, rows::Outcome};

/// Longest id that a client may give, in bytes.
const ID_BYTES_MAX: usize = 128;

/// What a client said.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    Request {
        id: String,
        body: String,
    },
    Cancel(String),
    Clear,
    Messages(Vec<Value>),
    Resume {
        probe: Option<String>,
    },
    Acknowledge(String),
    Approval {
        call: String,
        is_approved: bool,
        goes_on: bool,
    },
    /// The result of a tool that the client has: there is none.
    Result {
        call: String,
    },
    Other,
}

impl Said {
    /// Reads a text frame.
    pub(super) fn read(text: &str) -> Self {
        let Ok(Value::Object(mut said)) = serde_json::from_str(text) else {
            return Self::Other;
        };
        let kind = said.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut string = |key: &str| match said.remove(key) {
            Some(Value::String(text)) if !text.is_empty() && text.len() <= ID_BYTES_MAX => Some(text),
            _ => None,
        };
        match kind.as_str() {
            "cf_agent_use_chat_request" => {
                let id = string("id");
                let body = said.remove("init").and_then(|mut init| match init["body"].take() {
                    Value::String(body) => Some(body),
                    _ => None,
                });
                id.zip(body)
                    .map_or(Self::Other, |(id, body)| Self::Request { id, body })
            }
            "cf_agent_chat_request_cancel" => string("id").map_or(Self::Other, Self::Cancel),
            "cf_agent_chat_clear" => Self::Clear,
            "cf_agent_chat_messages" => match said.remove("messages") {
                Some(Value::Array(messages)) => Self::Messages(messages),
                _ => Self::Other,
            },
            "cf_agent_stream_resume_request" => Self::Resume {
                probe: string("probeId"),
            },
            "cf_agent_stream_resume_ack" => string("id").map_or(Self::Other, Self::Acknowledge),
            "cf_agent_tool_approval" => {
                let call = string("toolCallId");
                let decision = said.get("approved").and_then(Value::as_bool);
                let goes_on = said.get("autoContinue").and_then(Value::as_bool).unwrap_or_default();
                call.zip(decision)
                    .map_or(Self::Other, |(call, is_approved)| Self::Approval {
                        call,
                        is_approved,
                        goes_on,
                    })
            }
            "cf_agent_tool_result" => string("toolCallId").map_or(Self::Other, |call| Self::Result { call }),
            _ => Self::Other,
        }
    }
}

/// How a chunk reaches a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Manner {
    pub(super) is_continuation: bool,
    pub(super) is_replay: bool,
}

fn response(request: &str, body: &str, is_done: bool, manner: Manner) -> Value {
    let mut frame = json!({ "type": "cf_agent_use_chat_response", "id": request, "body": body, "done": is_done });
    if manner.is_continuation {
        frame["continuation"] = true.into();
    }
    if manner.is_replay {
        frame["replay"] = true.into();
    }
    frame
}

/// A chunk.
pub(super) fn chunk(request: &str, chunk: &str, number: u64, manner: Manner) -> String {
    let mut frame = response(request, chunk, false, manner);
    frame["seq"] = number.into();
    frame.to_string()
}

/// All that was said so far has been repeated.
pub(super) fn repeated(request: &str, is_continuation: bool) -> String {
    let manner = Manner {
        is_continuation,
        is_replay: true,
    };
    let mut frame = response(request, "", false, manner);
    frame["replayComplete"] = true.into();
    frame.to_string()
}

/// The end of an answer.
pub(super) fn end(request: &str, outcome: Outcome, error: Option<&str>, manner: Manner) -> String {
    let mut frame = response(request, error.unwrap_or_default(), true, manner);
    if error.is_some() {
        frame["error"] = true.into();
    }
    frame["outcome"] = outcome.as_str().into();
    frame.to_string()
}

/// A request is refused.
pub(super) fn refusal(request: &str, error: &str) -> String {
    let manner = Manner {
        is_continuation: false,
        is_replay: false,
    };
    end(request, Outcome::Error, Some(error), manner)
}

/// The answer was interrupted: what was heard of it does not count.
pub(super) fn interruption(request: &str) -> String {
    let manner = Manner {
        is_continuation: false,
        is_replay: false,
    };
    let mut frame = response(request, "", true, manner);
    frame["outcome"] = "recovering".into();
    frame.to_string()
}

/// There was an answer of this name once, or never.
pub(super) fn over(request: &str) -> String {
    let manner = Manner {
        is_continuation: false,
        is_replay: true,
    };
    response(request, "", true, manner).to_string()
}

pub(super) fn recovering(request: &str, is_recovering: bool) -> String {
    json!({ "type": "cf_agent_chat_recovering", "recovering": is_recovering, "id": request }).to_string()
}

/// The messages, which are JSON already.
pub(super) fn messages(json: &str, is_connect: bool) -> String {
    let connect = if is_connect { r#","connect":true"# } else { "" };
    format!(r#"{{"type":"cf_agent_chat_messages","messages":{json}{connect}}}"#)
}

pub(super) fn updated(message: &UiMessage) -> String {
    json!({ "type": "cf_agent_message_updated", "message": message }).to_string()
}

pub(super) fn cleared() -> String {
    json!({ "type": "cf_agent_chat_clear" }).to_string()
}

pub(super) fn resuming(request: &str, probe: Option<&str>) -> String {
    probed(json!({ "type": "cf_agent_stream_resuming", "id": request }), probe)
}

pub(super) fn pending(request: &str, probe: Option<&str>) -> String {
    probed(json!({ "type": "cf_agent_stream_pending", "id": request }), probe)
}

pub(super) fn idle(probe: Option<&str>) -> String {
    probed(
        json!({ "type": "cf_agent_stream_resume_none", "reason": "idle" }),
        probe,
    )
}

fn probed(mut frame: Value, probe: Option<&str>) -> String {
    if let Some(probe) = probe {
        frame["probeId"] = probe.into();
    }
    frame.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &Value) -> Said {
        Said::read(&value.to_string())
    }

    #[test]
    fn what_clients_send_is_understood() {
        let request = json!({
            "id": "r1", "init": { "method": "POST", "body": "{}" }, "type": "cf_agent_use_chat_request"
        });
        assert_eq!(
            read(&request),
            Said::Request {
                id: "r1".to_owned(),
                body: "{}".to_owned()
            }
        );
        let approval = json!({ "type": "cf_agent_tool_approval", "toolCallId": "c", "approved": false });
        assert_eq!(
            read(&approval),
            Said::Approval {
                call: "c".to_owned(),
                is_approved: false,
                goes_on: false
            }
        );
        let resume = json!({ "type": "cf_agent_stream_resume_request", "probeId": "p" });
        assert_eq!(
            read(&resume),
            Said::Resume {
                probe: Some("p".to_owned())
            }
        );
    }

    #[test]
    fn what_is_not_whole_is_nothing() {
        for value in [
            json!([]),
            json!({ "type": "cf_agent_use_chat_request", "id": "r1" }),
            json!({ "type": "cf_agent_use_chat_request", "init": { "body": "{}" } }),
            json!({ "type": "cf_agent_chat_request_cancel", "id": 1 }),
            json!({ "type": "cf_agent_chat_messages", "messages": {} }),
            json!({ "type": "cf_agent_tool_approval", "toolCallId": "c" }),
            json!({ "type": "cf_agent_stream_resume_ack", "id": "x".repeat(129) }),
        ] {
            assert_eq!(read(&value), Said::Other, "{value}");
        }
    }
}
