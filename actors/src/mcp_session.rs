//! Sessions of MCP clients: what has to outlive the node that a client talks to, an actor for each, named by the id that the client
//! shows.
//!
//! It keeps what the client said when it came, its logging level, what it subscribed to, the events of its streams for those who come
//! back to them, and what the client answered to a node that asked. Nobody uses a session for a day, and it is gone.

mod actor;
mod messages;
#[cfg(test)]
mod tests;

pub use actor::{EVENT_BYTES_MAX, McpSession};
pub use messages::{
    AgreeMcpSession, AppendMcpEvents, BeatMcpStream, EndMcpSession, HandMcpMessage, Handed, MarkMcpSubscription,
    McpSessionView, OpenMcpSession, ReplayMcpStream, ReplayedMcpStream, SetMcpLevel, ShowMcpSession, StoredMcpEvent,
    SubscribeMcp, Subscription, UnsubscribeMcp,
};
