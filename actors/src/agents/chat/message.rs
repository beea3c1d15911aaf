//! Messages as clients and the AI SDK have them.

use cluster::prelude::{ActorError, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Longest id of a message, in bytes.
const ID_BYTES_MAX: usize = 128;
/// Longest message of a person, as JSON.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Most parts of a message of a person.
const PARTS_MAX: usize = 64;

/// A message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct UiMessage {
    pub(super) id: String,
    pub(super) role: Speaker,
    pub(super) parts: Vec<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) metadata: Option<Value>,
}

/// Whose message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Speaker {
    User,
    Assistant,
}

impl UiMessage {
    /// An answer of which nothing was said yet.
    pub(super) fn answer(id: String) -> Self {
        Self {
            id,
            role: Speaker::Assistant,
            parts: Vec::new(),
            metadata: None,
        }
    }

    /// Something that the agent says by itself.
    pub(super) fn own(id: String, text: &str, metadata: Value) -> Self {
        Self {
            parts: vec![text_part(text)],
            metadata: Some(metadata),
            ..Self::answer(id)
        }
    }

    /// Reads what a client sent.
    ///
    /// # Errors
    /// `chat.message` if it is no message, or one out of bounds.
    pub(super) fn read(value: &Value) -> Result<Self> {
        let refused = |why: &str| ActorError::invalid("chat.message", format!("a message {why}"));
        let message = Self::deserialize(value).map_err(|error| refused(&format!("is not as expected: {error}")))?;
        if message.id.is_empty() || message.id.len() > ID_BYTES_MAX {
            return Err(refused(&format!("has an id of 1 to {ID_BYTES_MAX} bytes")));
        }
        Ok(message)
    }

    /// Checks what a person says.
    ///
    /// # Errors
    /// `chat.message` if it is out of bounds.
    pub(super) fn check(&self) -> Result<()> {
        let is_part = |part: &Value| part.get("type").is_some_and(Value::is_string);
        if self.parts.is_empty() || self.parts.len() > PARTS_MAX || !self.parts.iter().all(is_part) {
            return Err(ActorError::invalid(
                "chat.message",
                format!("a message has 1 to {PARTS_MAX} parts, each with a type"),
            ));
        }
        if self.to_json()?.len() > MESSAGE_BYTES_MAX {
            return Err(ActorError::too_large(
                "chat.message",
                format!("a message has at most {MESSAGE_BYTES_MAX} bytes"),
            ));
        }
        Ok(())
    }

    pub(super) fn to_json(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|error| ActorError::internal("chat.encode", format!("failed to encode a message: {error}")))
    }

    /// The part of a call.
    pub(super) fn call_mut(&mut self, call: &str) -> Option<&mut Value> {
        self.parts.iter_mut().find(|part| call_of(part) == Some(call))
    }
}

/// The id of the call that a part is about.
pub(super) fn call_of(part: &Value) -> Option<&str> {
    part.get("toolCallId").and_then(Value::as_str)
}

/// The text of a part, if it is one.
pub(super) fn text_of(part: &Value) -> Option<&str> {
    (part["type"] == "text").then(|| part["text"].as_str()).flatten()
}

/// A finished text.
pub(super) fn text_part(text: &str) -> Value {
    json!({ "type": "text", "text": text, "state": "done" })
}

/// A call of a tool that has begun.
pub(super) fn call_part(tool: &str, call: &str, input: &Value) -> Value {
    json!({ "type": format!("tool-{tool}"), "toolCallId": call, "state": "input-available", "input": input })
}

/// The chunks that tell of a call as its part stands.
pub(super) fn call_chunks(part: &Value) -> Vec<Value> {
    let tool = part["type"].as_str().and_then(|kind| kind.strip_prefix("tool-"));
    let Some((tool, call)) = tool.zip(call_of(part)) else {
        return Vec::new();
    };
    let mut chunks = vec![json!({
        "type": "tool-input-available", "toolCallId": call, "toolName": tool, "input": part["input"]
    })];
    match part["state"].as_str() {
        Some("output-denied") => {
            let approval = &part["approval"]["id"];
            chunks.push(json!({ "type": "tool-approval-request", "approvalId": approval, "toolCallId": call }));
            chunks.push(json!({ "type": "tool-output-denied", "toolCallId": call }));
        }
        Some("output-available") => {
            let output = &part["output"];
            chunks.push(json!({ "type": "tool-output-available", "toolCallId": call, "output": output }));
        }
        Some("output-error") => {
            let error = &part["errorText"];
            chunks.push(json!({ "type": "tool-output-error", "toolCallId": call, "errorText": error }));
        }
        _ => {}
    }
    chunks
}

/// Whether a part is a call that has no result yet.
pub(super) fn is_open(part: &Value) -> bool {
    let open = ["input-available", "approval-requested", "approval-responded"];
    call_of(part).is_some() && part["state"].as_str().is_some_and(|state| open.contains(&state))
}

/// Writes into a part that its call came to nothing.
pub(super) fn set_error(part: &mut Value, error: &str) {
    part["state"] = "output-error".into();
    part["errorText"] = error.into();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_keeps_what_the_client_has_in_it() {
        let value = json!({
            "id": "m1", "role": "user", "parts": [{ "type": "text", "text": "hi" }, { "type": "data-x", "data": [1] }],
            "metadata": { "a": 1 }
        });
        let message = UiMessage::read(&value).unwrap();
        message.check().unwrap();
        assert_eq!(serde_json::to_value(&message).unwrap(), value);
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for value in [
            json!(1),
            json!({ "id": "a", "role": "system", "parts": [] }),
            json!({ "id": "", "role": "user", "parts": [] }),
            json!({ "id": "a", "role": "user" }),
        ] {
            assert_eq!(UiMessage::read(&value).unwrap_err().code(), "chat.message", "{value}");
        }
        let much = "x".repeat(MESSAGE_BYTES_MAX);
        for parts in [
            json!([]),
            json!([{ "text": "x" }]),
            json!([{ "type": "text", "text": much }]),
        ] {
            let message = UiMessage::read(&json!({ "id": "a", "role": "user", "parts": parts })).unwrap();
            assert_eq!(message.check().unwrap_err().code(), "chat.message");
        }
    }
}
