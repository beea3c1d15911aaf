//! The MCP server: tools, resources and prompts for the programs that language models use.
//!
//! There is one at `/mcp`, and one of each agent. An author gives a [`McpAgent`], which makes a `ServerHandler` of rmcp for each call; what is around it is here: the transport over
//! HTTP in all revisions, who asks, and sessions that outlive their node. The revision of 2026-07-28 has no sessions, and rmcp serves it;
//! what came before goes through an [`exchange`] for each request, and what must be kept from one to the next is in the actor of
//! the session. So nothing runs between two requests.

mod acting;
mod agent;
mod agents;
mod bridge;
mod call;
mod exchange;
mod fault;
mod http;
mod legacy;
mod level;
mod live;
mod metadata;
mod origin;
mod server;
mod sessions;
mod stream;
mod watch;

pub use agent::Mcp;
pub use agent::McpAgent;
pub use call::{McpCall, McpStream};
pub(crate) use http::{delete, delete_of_agent, get, get_of_agent, open, post, post_to_agent, send};
pub(crate) use metadata::{WELL_KNOWN, challenge, show as metadata};
