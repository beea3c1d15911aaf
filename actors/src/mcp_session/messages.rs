//! What is asked of the session of an MCP client.

use cluster::prelude::Message;
use serde::{Deserialize, Serialize};

/// Opens the session. Again with the same content it changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Message)]
#[message(name = "mcp-session.open")]
pub struct OpenMcpSession {
    /// Who opens it: a user, or an API key.
    pub user: String,
    /// The server that the client talks to: its address below this one.
    pub endpoint: String,
    /// The parameters of `initialize` with the revision that was agreed on, as JSON; empty if the client has not said them yet.
    pub initialize: String,
}

/// Keeps what a client said when it came that had a session before it said anything. Again with the same content it changes
/// nothing.
///
/// Errors: `mcp.initialized` if it said something else before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Message)]
#[message(name = "mcp-session.agree")]
pub struct AgreeMcpSession {
    /// The parameters of `initialize` with the revision that was agreed on, as JSON.
    pub initialize: String,
}

/// Asks for the session. To whom it does not belong, it is not there.
///
/// Errors: `mcp.session`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Message)]
#[message(name = "mcp-session.show", reply = McpSessionView)]
pub struct ShowMcpSession {
    /// Who asks.
    pub user: String,
    /// The server that is asked.
    pub endpoint: String,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct McpSessionView {
    /// The parameters of `initialize`, as JSON; empty if the client has not said them yet.
    pub initialize: String,
    /// From which level on the client hears log messages.
    pub level: Option<String>,
    /// What it subscribed to.
    pub subscriptions: Vec<Subscription>,
    /// Number of the last event or message.
    pub last: u64,
}

/// A resource that a client hears changes of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Address of the resource.
    pub uri: String,
    /// The state of the resource that the client knows of.
    pub mark: String,
}

/// Sets the level from which on the client hears log messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Message)]
#[message(name = "mcp-session.set-level")]
pub struct SetMcpLevel {
    /// Name of the level.
    pub level: String,
}

/// Subscribes to a resource.
///
/// Errors: `mcp.subscriptions` at the bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Message)]
#[message(name = "mcp-session.subscribe")]
pub struct SubscribeMcp {
    /// Address of the resource.
    pub uri: String,
    /// Its present state.
    pub mark: String,
}

/// Ends a subscription; without one it changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Message)]
#[message(name = "mcp-session.unsubscribe")]
pub struct UnsubscribeMcp {
    /// Address of the resource.
    pub uri: String,
}

/// Keeps that a resource has changed, and the event that says so to the client. Of several who have seen the change one is told the
/// number of the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Message)]
#[message(name = "mcp-session.mark", reply = Option<u64>)]
pub struct MarkMcpSubscription {
    /// Address of the resource.
    pub uri: String,
    /// The state that the client knew of.
    pub before: String,
    /// The state now.
    pub now: String,
    /// Stream on which the client hears of it.
    pub stream: String,
    /// The message to the client.
    pub text: String,
}

/// Appends events to a stream, and answers the number of the first.
///
/// Errors: `mcp.stream-over` once the stream has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Message)]
#[message(name = "mcp-session.append", reply = u64)]
pub struct AppendMcpEvents {
    /// The stream.
    pub stream: String,
    /// Id of the request that the stream answers, as JSON.
    pub request: String,
    /// How many events the stream has before; with fewer than it has, nothing is appended again.
    pub at: u64,
    /// Messages to the client.
    pub events: Vec<String>,
    /// Whether the last one is the answer.
    pub ends: bool,
}

/// Reads a stream on behind an event, together with those whose name is its own, a dot and something else: what they say is heard on
/// one connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Message)]
#[message(name = "mcp-session.replay", reply = ReplayedMcpStream)]
pub struct ReplayMcpStream {
    /// The stream.
    pub stream: String,
    /// Number after which to begin.
    pub after: u64,
}

/// A part of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayedMcpStream {
    /// The events, in order.
    pub events: Vec<StoredMcpEvent>,
    /// Whether nothing comes behind them.
    pub is_over: bool,
}

/// An event of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredMcpEvent {
    /// Its number in the session.
    pub number: u64,
    /// The message to the client.
    pub text: String,
}

/// Hands a message of the client to whoever works on a request, wherever that is.
///
/// Errors: `mcp.inbox` while too much waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Message)]
#[message(name = "mcp-session.hand")]
pub struct HandMcpMessage {
    /// The stream of the request, or the id of the request as JSON.
    pub to: String,
    /// The message.
    pub text: String,
}

/// Says that a request is still worked on, and asks what the client has sent to it. What was read before is forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Message)]
#[message(name = "mcp-session.beat", reply = Vec<Handed>)]
pub struct BeatMcpStream {
    /// The stream of the request.
    pub stream: String,
    /// The id of the request as JSON.
    pub request: String,
    /// Number of the last message that was read.
    pub read: u64,
}

/// A message of the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handed {
    /// Its number.
    pub number: u64,
    /// The message.
    pub text: String,
}

/// Ends the session; nothing is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Message)]
#[message(name = "mcp-session.end")]
pub struct EndMcpSession;
