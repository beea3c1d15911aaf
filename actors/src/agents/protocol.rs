//! What clients and agents say to each other: text frames with a JSON object, as the npm package `agents` has them.
//!
//! | who | frame | means |
//! |---|---|---|
//! | agent | `cf_agent_identity` | first: kind and name, and whether a state follows |
//! | agent | `cf_agent_state` | the state, whole; after the identity if there is one, and whenever it changes |
//! | agent | `cf_agent_mcp_servers` | the MCP servers that the agent is connected to |
//! | client | `cf_agent_state` | the state is to be this one |
//! | agent | `cf_agent_state_error` | it is not |
//! | client | `rpc` | calls a method, with an id and a list of arguments |
//! | agent | `rpc` | the answer: one, or several of which the last says `done` |
//!
//! Anything else, and what is no JSON, is for the agent itself.

use serde::Serialize;
use serde_json::{Value, json};

/// Type of frames with the state.
const STATE: &str = "cf_agent_state";
/// Type of calls and their answers.
const RPC: &str = "rpc";

/// What a client said.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    /// Calls a method.
    Call {
        id: String,
        method: String,
        args: Vec<Value>,
    },
    /// Sets the state.
    State(Value),
    /// Something else.
    Other,
}

impl Said {
    /// Reads a text frame.
    pub(super) fn read(text: &str) -> Self {
        let Ok(Value::Object(mut object)) = serde_json::from_str(text) else {
            return Self::Other;
        };
        let kind = object.get("type").and_then(Value::as_str);
        match kind {
            Some(STATE) => Self::State(object.remove("state").unwrap_or(Value::Null)),
            Some(RPC) => match (object.remove("id"), object.remove("method"), object.remove("args")) {
                (Some(Value::String(id)), Some(Value::String(method)), Some(Value::Array(args))) => {
                    Self::Call { id, method, args }
                }
                _ => Self::Other,
            },
            Some(_) | None => Self::Other,
        }
    }
}

/// Says which agent this is.
pub(super) fn identity(kind: &str, name: &str, state_follows: bool) -> String {
    let mut frame = json!({ "type": "cf_agent_identity", "name": name, "agent": kind });
    if state_follows {
        frame["stateFollows"] = Value::Bool(true);
    }
    frame.to_string()
}

/// Says that the agent is connected to no MCP server.
pub(super) fn no_mcp_servers() -> String {
    let none = json!({ "servers": {}, "tools": [], "prompts": [], "resources": [] });
    json!({ "type": "cf_agent_mcp_servers", "mcp": none }).to_string()
}

/// Tells the state, which is JSON already.
pub(super) fn state(json: &str) -> String {
    format!(r#"{{"type":"{STATE}","state":{json}}}"#)
}

/// Refuses a state.
pub(super) fn state_error(error: &str) -> String {
    json!({ "type": "cf_agent_state_error", "error": error }).to_string()
}

/// Answers a call, whole or in part.
pub(super) fn reply<T: Serialize>(id: &str, is_done: bool, result: &T) -> serde_json::Result<String> {
    let result = serde_json::to_value(result)?;
    Ok(json!({ "type": RPC, "id": id, "success": true, "done": is_done, "result": result }).to_string())
}

/// Refuses a call. The code is for programs.
pub(super) fn failure(id: &str, error: &str, code: &str) -> String {
    json!({ "type": RPC, "id": id, "success": false, "error": error, "code": code }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_whole_is_a_call() {
        let call = Said::read(r#"{"type":"rpc","id":"1","method":"add","args":[1,2]}"#);
        let args = vec![json!(1), json!(2)];
        assert_eq!(
            call,
            Said::Call {
                id: "1".to_owned(),
                method: "add".to_owned(),
                args
            }
        );
        for other in [
            "",
            "x",
            "[]",
            "{}",
            r#"{"type":1}"#,
            r#"{"type":"rpc"}"#,
            r#"{"type":"rpc","id":1,"method":"add","args":[]}"#,
            r#"{"type":"rpc","id":"1","method":"add","args":{}}"#,
            r#"{"type":"cf_agent_use_chat_request"}"#,
        ] {
            assert_eq!(Said::read(other), Said::Other, "{other}");
        }
    }

    #[test]
    fn every_json_value_can_be_a_state() {
        for value in ["null", "false", "0", r#""""#, "[]", r#"{"a":1}"#] {
            let said = Said::read(&state(value));
            assert_eq!(said, Said::State(serde_json::from_str(value).unwrap()), "{value}");
        }
        assert_eq!(Said::read(r#"{"type":"cf_agent_state"}"#), Said::State(Value::Null));
    }

    #[test]
    fn a_state_follows_only_where_it_is_said() {
        assert!(!identity("a", "b", false).contains("stateFollows"));
        assert!(identity("a", "b", true).contains(r#""stateFollows":true"#));
    }
}
