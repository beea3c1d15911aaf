//! Answers in parts.

use cluster::prelude::{ActorError, Result, SocketId};
use serde::{Deserialize, Serialize};

use super::{Agent, AgentCtx, protocol};

/// The way back to whoever called a method whose answer comes in parts. It can be stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyStream {
    pub(super) socket: SocketId,
    pub(super) id: String,
}

impl ReplyStream {
    /// Sends a part of the answer. To a client that has gone nothing is sent.
    ///
    /// # Errors
    /// `agent.encode` if serde refuses; otherwise as [`cluster::Sockets::send`].
    pub fn send<A: Agent, T: Serialize>(&self, ctx: &mut AgentCtx<'_, A>, part: &T) -> Result<()> {
        self.reply(ctx, false, part)
    }

    /// Sends the last part.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn end<A: Agent, T: Serialize>(&self, ctx: &mut AgentCtx<'_, A>, last: &T) -> Result<()> {
        self.reply(ctx, true, last)
    }

    /// Ends the answer with an error.
    ///
    /// # Errors
    /// As [`cluster::Sockets::send`].
    pub fn fail<A: Agent>(&self, ctx: &mut AgentCtx<'_, A>, error: &ActorError) -> Result<()> {
        ctx.send(self.socket, protocol::failure(&self.id, error.message(), error.code()))
    }

    fn reply<A: Agent, T: Serialize>(&self, ctx: &mut AgentCtx<'_, A>, is_done: bool, part: &T) -> Result<()> {
        let frame = protocol::reply(&self.id, is_done, part)
            .map_err(|error| ActorError::internal("agent.encode", format!("failed to encode an answer: {error}")))?;
        ctx.send(self.socket, frame)
    }
}
