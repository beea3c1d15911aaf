//! Plane 3, agents: actors that people and programs are connected to.
//!
//! An [`Agent`] has a state that all who are connected see, methods that they call, things that it does later
//! ([`AgentCtx::schedule`], [`AgentCtx::queue`]), and whatever else it says over its connections. It is written against
//! [`AgentCtx`], and everything below that is done once, here: what the clients of the npm package `agents` say and hear
//! ([`protocol`]), who they are ([`Connection`]), what is stored, and what happens when a node dies in between. MCP clients, too, have
//! every agent as a server whose tools are its methods and whose resource is its state.
//!
//! All kinds of agents are one class, [`AgentActor`], which finds the kind by its name in [`Agents`]; so a new kind is one
//! file and one line where it is registered, and needs no migration. An agent is found by kind, owner and name
//! ([`AgentAddress`]): unless its kind is shared in the tenant, each user has agents of their own, which nobody else can name.
//!
//! ```
//! use actors::agents::{Agent, AgentCtx, Callable, Method, Methods};
//! use cluster::prelude::Result;
//! use schemars::JsonSchema;
//! use serde::{Deserialize, Serialize};
//!
//! struct Counter;
//!
//! /// Adds to the counter.
//! #[derive(Debug, Serialize, Deserialize, JsonSchema)]
//! struct Add(i64);
//!
//! impl Method for Add {
//!     const NAME: &'static str = "add";
//!     type Reply = i64;
//! }
//!
//! impl Agent for Counter {
//!     const NAME: &'static str = "counter"; // clients: new AgentClient({ agent: "counter", name: "visits" })
//!     type State = i64; // all who are connected see it
//!     type Env = ();
//!
//!     fn methods(methods: Methods<Self>) -> Methods<Self> {
//!         methods.callable::<Add>()
//!     }
//!
//!     async fn start(_: &mut AgentCtx<'_, Self>) -> Result<Self> {
//!         Ok(Self)
//!     }
//! }
//!
//! impl Callable<Add> for Counter {
//!     async fn call(&mut self, Add(amount): Add, ctx: &mut AgentCtx<'_, Self>) -> Result<i64> {
//!         let count = ctx.state().copied().unwrap_or_default() + amount;
//!         ctx.set_state(count)?;
//!         Ok(count) // leaves, as the state does, when it is durable
//!     }
//! }
//! ```

mod actor;
mod address;
mod agenda;
mod agent;
pub mod chat;
mod connection;
mod ctx;
pub mod limiter;
mod live;
mod messages;
mod method;
pub mod protocol;
mod queue;
mod registry;
mod request;
mod rows;
mod schedule;
pub mod session;
mod stream;
pub mod task;
pub mod tenant;
#[cfg(test)]
mod tests;

pub use actor::AgentActor;
pub use address::AgentAddress;
pub use agent::{Admission, Agent, Scope};
pub use connection::{AgentCaller, Connection};
pub use ctx::AgentCtx;
pub use messages::{CallAgent, RequestAgent};
pub use method::{Callable, Method, MethodInfo, Methods, Streaming};
pub use queue::Queued;
pub use registry::{AgentInfo, Agents};
pub use request::{AgentRequest, AgentResponse};
pub use schedule::{Schedule, When};
pub use stream::ReplyStream;
