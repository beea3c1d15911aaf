//! What a client shows, by the rules of the one that people have.

use std::collections::BTreeMap;

use serde_json::Value;

/// The messages as they are shown.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) messages: Vec<Value>,
    /// The message that an answer is, by its request.
    answers: BTreeMap<String, String>,
    /// The greatest number that was applied, by the request.
    applied: BTreeMap<String, u64>,
}

impl View {
    pub(super) fn texts(&self) -> Vec<String> {
        self.messages.iter().map(super::text).collect()
    }

    pub(super) fn see(&mut self, frame: &Value) {
        match frame["type"].as_str().unwrap_or_default() {
            "cf_agent_chat_messages" => self.messages = frame["messages"].as_array().unwrap().clone(),
            "cf_agent_chat_clear" => self.messages.clear(),
            "cf_agent_message_updated" => {
                let updated = &frame["message"];
                let mut shown = self.messages.iter_mut();
                if let Some(message) = shown.find(|message| message["id"] == updated["id"]) {
                    *message = updated.clone();
                }
            }
            "cf_agent_use_chat_response" => self.hear(frame),
            _ => {}
        }
    }

    fn hear(&mut self, frame: &Value) {
        let request = frame["id"].as_str().unwrap().to_owned();
        if frame["done"] == true {
            self.applied.remove(&request);
            return;
        }
        let body = frame["body"].as_str().unwrap();
        let Ok(chunk) = serde_json::from_str::<Value>(body) else {
            return;
        };
        let number = frame["seq"].as_u64().unwrap();
        let is_continuation = frame["continuation"] == true;
        let applied = self.applied.get(&request).copied();
        if frame["replay"] == true && is_continuation && applied.is_some_and(|applied| number <= applied) {
            return;
        }
        self.applied
            .insert(request.clone(), number.max(applied.unwrap_or_default()));
        if chunk["type"] == "start" {
            let id = chunk["messageId"].as_str().unwrap().to_owned();
            let shown = self.messages.iter_mut().find(|message| message["id"] == *id);
            match shown {
                Some(message) if frame["replay"] == true && !is_continuation => message["parts"] = Value::Array(vec![]),
                Some(_) => {}
                None => self
                    .messages
                    .push(serde_json::json!({ "id": id, "role": "assistant", "parts": [] })),
            }
            self.answers.insert(request, id);
            return;
        }
        let id = self.answers.get(&request).expect("an answer begins with its beginning");
        let mut shown = self.messages.iter_mut();
        let message = shown
            .find(|message| message["id"] == **id)
            .expect("the answer is shown");
        apply(message["parts"].as_array_mut().unwrap(), &chunk);
    }
}

fn apply(parts: &mut Vec<Value>, chunk: &Value) {
    match chunk["type"].as_str().unwrap() {
        "text-start" => parts.push(serde_json::json!({ "type": "text", "id": chunk["id"], "text": "" })),
        "text-delta" => {
            let open = parts.last_mut().expect("a text begins before it goes on");
            assert_eq!(open["id"], chunk["id"]);
            let text = format!("{}{}", open["text"].as_str().unwrap(), chunk["delta"].as_str().unwrap());
            open["text"] = text.into();
        }
        "tool-input-available" => {
            let known = parts.iter().any(|part| part["toolCallId"] == chunk["toolCallId"]);
            if !known {
                let kind = format!("tool-{}", chunk["toolName"].as_str().unwrap());
                parts.push(serde_json::json!({ "type": kind, "toolCallId": chunk["toolCallId"] }));
            }
        }
        "tool-approval-request" | "tool-output-available" | "tool-output-error" => {
            let mut shown = parts.iter_mut();
            let part = shown
                .find(|part| part["toolCallId"] == chunk["toolCallId"])
                .expect("the call is shown");
            part["state"] = chunk["type"].clone();
        }
        _ => {}
    }
}
