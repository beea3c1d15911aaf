//! What is said to agents from within the cluster.

use cluster::prelude::{Message, Uuid};
use serde::{Deserialize, Serialize};

use super::{AgentCaller, AgentRequest, AgentResponse};

/// Calls a method that clients may call, and that answers once.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "agent.call", reply = String)]
pub struct CallAgent {
    /// Who calls; none if another actor of the tenant does.
    pub caller: Option<AgentCaller>,
    /// Name of the method.
    pub method: String,
    /// A JSON array of arguments, or an object with the arguments by their names. The reply is JSON too.
    pub args: String,
}

/// Asks by HTTP.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "agent.request", reply = AgentResponse)]
pub struct RequestAgent(pub AgentRequest);

/// What an agent has started beside its mailbox has come to something: a call of one of its own methods.
#[derive(Debug, Clone, Serialize, Deserialize, Message)]
#[message(name = "agent.own")]
pub(super) struct OwnCall {
    /// The activation that started it; another one has not.
    pub(super) activation: Uuid,
    /// The method and its arguments, as JSON; none if the work has only ended.
    pub(super) call: Option<(String, String)>,
}
