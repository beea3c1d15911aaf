//! What is asked of an agent by HTTP, and what it answers.

use cluster::prelude::{ActorError, Result};
use serde::{Deserialize, Serialize};

use super::AgentCaller;

/// A request to a path below the address of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentRequest {
    /// Who asks.
    pub caller: AgentCaller,
    /// The method, in capitals.
    pub method: String,
    /// What follows the name of the agent, without a slash at its beginning.
    pub path: String,
    /// What follows the question mark.
    pub query: String,
    /// Media type of the body.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
}

/// What an agent answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentResponse {
    /// The status, 200 to 299.
    pub status: u16,
    /// Media type of the body.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
}

impl AgentResponse {
    /// Answers with JSON.
    ///
    /// # Errors
    /// `agent.encode` if serde refuses.
    pub fn json<T: Serialize>(value: &T) -> Result<Self> {
        let body = serde_json::to_vec(value)
            .map_err(|error| ActorError::internal("agent.encode", format!("failed to encode an answer: {error}")))?;
        Ok(Self {
            status: 200,
            content_type: "application/json".to_owned(),
            body,
        })
    }
}
