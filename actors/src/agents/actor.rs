//! The class of all agents.

#[cfg(test)]
mod golden;

use std::fmt;

use cluster::prelude::{
    ActorError, Alarm, Closing, Ctx, Frame, Handler, Interface, Opening, Result, SocketActor, SocketId, VirtualActor,
};

use super::{AgentAddress, AgentResponse, Agents, CallAgent, RequestAgent, Scope, live::Live, messages::OwnCall};

/// An agent of whatever kind.
pub struct AgentActor {
    live: Box<dyn Live>,
}

impl VirtualActor for AgentActor {
    const CLASS: &'static str = "agent";
    type Env = Agents;

    fn interface(i: Interface<Self>) -> Interface<Self> {
        i.sockets().on::<CallAgent>().on::<RequestAgent>().on::<OwnCall>()
    }

    async fn activate(ctx: &mut Ctx<Self>) -> Result<Self> {
        let address = AgentAddress::of_actor(ctx.name());
        let address = address.ok_or_else(|| ActorError::invalid("agent.name", "an agent has a kind and a name"))?;
        let agents = ctx.env().clone();
        let kind = agents.find(address.kind())?;
        // An address that somebody made by hand must not lead to what is another one's.
        if address.owner().is_none() != (kind.scope() == Scope::Tenant) {
            return Err(ActorError::not_found("agent.unknown", "there is no such agent"));
        }
        let live = kind.start(address, ctx).await?;
        Ok(Self { live })
    }

    async fn alarm(&mut self, alarm: Alarm, ctx: &mut Ctx<Self>) -> Result<()> {
        self.live.alarm(alarm, ctx).await
    }
}

impl SocketActor for AgentActor {
    async fn connect(&mut self, socket: SocketId, opening: Opening, ctx: &mut Ctx<Self>) -> Result<Vec<String>> {
        self.live.connect(socket, opening, ctx).await
    }

    async fn frame(&mut self, socket: SocketId, frame: Frame, ctx: &mut Ctx<Self>) -> Result<()> {
        self.live.frame(socket, frame, ctx).await
    }

    async fn close(&mut self, socket: SocketId, closing: Closing, ctx: &mut Ctx<Self>) -> Result<()> {
        self.live.close(socket, closing, ctx).await
    }

    async fn gap(&mut self, socket: SocketId, ctx: &mut Ctx<Self>) -> Result<()> {
        self.live.gap(socket, ctx).await
    }
}

impl Handler<CallAgent> for AgentActor {
    async fn handle(&mut self, call: CallAgent, ctx: &mut Ctx<Self>) -> Result<String> {
        self.live.call(call, ctx).await
    }
}

impl Handler<RequestAgent> for AgentActor {
    async fn handle(&mut self, RequestAgent(request): RequestAgent, ctx: &mut Ctx<Self>) -> Result<AgentResponse> {
        self.live.request(request, ctx).await
    }
}

impl Handler<OwnCall> for AgentActor {
    async fn handle(&mut self, call: OwnCall, ctx: &mut Ctx<Self>) -> Result<()> {
        self.live.own_call(call, ctx).await
    }
}

impl fmt::Debug for AgentActor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentActor").finish_non_exhaustive()
    }
}
