//! An agent in memory: what happens around each of its handlers.

use std::sync::Arc;

use cluster::prelude::{ActorError, Alarm, Closing, Ctx, Frame, Opening, Result, SocketId};
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::{
    Agent, AgentActor, AgentAddress, AgentCtx, AgentRequest, AgentResponse, CallAgent, Connection, Methods,
    agenda::Item,
    connection::Attached,
    ctx::{Core, HEARS, connection},
    messages::OwnCall,
    method::{Answer, Args},
    protocol::{self, Said},
    rows::{QueuedCall, StoredSchedule},
    schedule::pause,
    stream::ReplyStream,
};

/// Most tags that an agent gives to a connection.
const TAGS_MAX: usize = 8;

type Context<'a> = &'a mut Ctx<AgentActor>;

/// An agent without its type.
pub(super) trait Live: Send {
    fn connect<'a>(
        &'a mut self,
        socket: SocketId,
        opening: Opening,
        ctx: Context<'a>,
    ) -> BoxFuture<'a, Result<Vec<String>>>;
    fn frame<'a>(&'a mut self, socket: SocketId, frame: Frame, ctx: Context<'a>) -> BoxFuture<'a, Result<()>>;
    fn close<'a>(&'a mut self, socket: SocketId, closing: Closing, ctx: Context<'a>) -> BoxFuture<'a, Result<()>>;
    fn gap<'a>(&'a mut self, socket: SocketId, ctx: Context<'a>) -> BoxFuture<'a, Result<()>>;
    fn alarm<'a>(&'a mut self, alarm: Alarm, ctx: Context<'a>) -> BoxFuture<'a, Result<()>>;
    fn call<'a>(&'a mut self, call: CallAgent, ctx: Context<'a>) -> BoxFuture<'a, Result<String>>;
    fn own_call<'a>(&'a mut self, call: OwnCall, ctx: Context<'a>) -> BoxFuture<'a, Result<()>>;
    fn request<'a>(&'a mut self, request: AgentRequest, ctx: Context<'a>) -> BoxFuture<'a, Result<AgentResponse>>;
}

/// An agent of a kind.
pub(super) struct Running<A: Agent> {
    agent: A,
    core: Core<A>,
    env: A::Env,
    methods: Arc<Methods<A>>,
}

impl<A: Agent> Running<A> {
    pub(super) async fn start(
        address: AgentAddress,
        env: A::Env,
        methods: Arc<Methods<A>>,
        ctx: Context<'_>,
    ) -> Result<Self> {
        let mut core = Core::load(address, ctx).await?;
        let agent = A::start(&mut AgentCtx::new(ctx, &mut core, &env)).await?;
        Ok(Self {
            agent,
            core,
            env,
            methods,
        })
    }

    /// The agent, and what its handlers use on behalf of a client.
    fn on_behalf<'s>(&'s mut self, of: &Connection, ctx: Context<'s>) -> (&'s mut A, AgentCtx<'s, A>) {
        let ctx = AgentCtx::new(ctx, &mut self.core, &self.env).of(of);
        (&mut self.agent, ctx)
    }

    fn by_itself<'s>(&'s mut self, ctx: Context<'s>) -> (&'s mut A, AgentCtx<'s, A>) {
        (&mut self.agent, AgentCtx::new(ctx, &mut self.core, &self.env))
    }

    async fn connect_client(&mut self, socket: SocketId, opening: Opening, ctx: Context<'_>) -> Result<Vec<String>> {
        let mut connection = Connection::new(socket, opening)?;
        let (agent, mut within) = self.on_behalf(&connection, ctx);
        let admission = agent.admit(&connection, &mut within)?;
        if admission.tags.len() > TAGS_MAX {
            return Err(ActorError::internal(
                "agent.tags",
                format!("an agent gives a connection at most {TAGS_MAX} tags"),
            ));
        }
        connection.is_readonly = admission.is_readonly;
        ctx.sockets().attach(socket, &connection.attached())?;
        let mut tags = vec![connection.id.clone()];
        tags.extend(admission.tags);
        if !admission.is_quiet {
            tags.push(HEARS.to_owned());
            self.introduce(socket, ctx)?;
        }
        let (agent, mut within) = self.on_behalf(&connection, ctx);
        agent.connect(&connection, &mut within).await?;
        Ok(tags)
    }

    /// Says who the agent is and what its state is.
    fn introduce(&self, socket: SocketId, ctx: Context<'_>) -> Result<()> {
        let state = self.core.state_json()?;
        let identity = protocol::identity(A::NAME, self.core.address.name(), state.is_some());
        ctx.sockets().send(socket, identity)?;
        if let Some(state) = state {
            ctx.sockets().send(socket, protocol::state(&state))?;
        }
        ctx.sockets().send(socket, protocol::no_mcp_servers())
    }

    async fn hear(&mut self, socket: SocketId, frame: Frame, ctx: Context<'_>) -> Result<()> {
        let Some(connection) = connection(ctx, socket)? else {
            return Ok(());
        };
        let said = match &frame {
            Frame::Text(text) => Said::read(text),
            Frame::Binary(_) => Said::Other,
        };
        match said {
            Said::Call { id, method, args } => self.answer(&connection, id, &method, args, ctx).await,
            Said::State(state) => self.take_state(&connection, state, ctx).await,
            Said::Other => {
                let (agent, mut within) = self.on_behalf(&connection, ctx);
                agent.message(&connection, frame, &mut within).await
            }
        }
    }

    async fn answer(
        &mut self,
        connection: &Connection,
        id: String,
        method: &str,
        args: Vec<Value>,
        ctx: Context<'_>,
    ) -> Result<()> {
        let socket = connection.socket;
        let stream = ReplyStream { socket, id: id.clone() };
        let answer = match self.methods.find_public(method) {
            Ok(method) => {
                let (agent, mut within) = self.on_behalf(connection, ctx);
                method.call(agent, Args::List(args), Some(stream), &mut within).await
            }
            Err(error) => Err(error),
        };
        let reply = match answer {
            Ok(Answer::InParts) => return Ok(()),
            Ok(Answer::Whole(value)) => protocol::reply(&id, true, &value)
                .map_err(|error| ActorError::internal("agent.encode", error.to_string())),
            Err(error) => Err(error),
        };
        let sent = reply.and_then(|reply| ctx.sockets().send(socket, reply));
        match sent {
            Ok(()) => Ok(()),
            // Also where the answer is too large to be sent.
            Err(error) => {
                tracing::debug!(method, %error, "a call has failed");
                let failure = protocol::failure(&id, error.message(), error.code());
                ctx.sockets().send(socket, failure)
            }
        }
    }

    async fn take_state(&mut self, connection: &Connection, state: Value, ctx: Context<'_>) -> Result<()> {
        let socket = connection.socket;
        let (agent, mut within) = self.on_behalf(connection, ctx);
        let taken = match serde_json::from_value::<A::State>(state) {
            _ if connection.is_readonly => Err("Connection is readonly"),
            _ if !A::CLIENTS_SET_STATE => Err("State update rejected"),
            Ok(state) => A::validate(&state, Some(connection))
                .and_then(|()| within.replace_state(state, Some(socket)))
                .map_err(|_| "State update rejected"),
            Err(_) => Err("State update rejected"),
        };
        match taken {
            Ok(()) => agent.state_changed(connection, &mut within).await,
            Err(refusal) => {
                within.send(socket, protocol::state_error(refusal))?;
                // What the client shows already is not the state.
                match self.core.state_json()? {
                    Some(state) => ctx.sockets().send(socket, protocol::state(&state)),
                    None => Ok(()),
                }
            }
        }
    }

    /// Does the first thing that is due; the alarm comes again for the next.
    async fn do_due(&mut self, alarm: Alarm, ctx: Context<'_>) -> Result<()> {
        let now = ctx.now();
        // An alarm that failed is one whose turn was brought down, by what is still the first.
        let is_hopeless = alarm.is_retry && pause(alarm.retry_count).is_none();
        match self.core.agenda.first_due(now) {
            Some(item) if is_hopeless => self.give_up(item, ctx).await?,
            Some(Item::Schedule(stored)) => self.do_scheduled(stored, ctx).await?,
            Some(Item::Queued(number, call)) => self.do_queued(number, call, ctx).await?,
            None => {}
        }
        self.core.agenda.arm(ctx);
        Ok(())
    }

    /// Leaves out what has brought its turn down each time, so that the rest is done.
    async fn give_up(&mut self, item: Item, ctx: Context<'_>) -> Result<()> {
        let method = match &item {
            Item::Schedule(stored) => &stored.schedule.method,
            Item::Queued(_, call) => &call.method,
        };
        tracing::error!(agent = %ctx.id(), method, "what has brought its turn down each time is left out");
        match item {
            Item::Queued(number, _) => self.core.agenda.pop(number, ctx).await,
            Item::Schedule(mut stored) => {
                let next = stored.schedule.when.next(stored.schedule.due, ctx.now());
                let Some(due) = next else {
                    return self.core.agenda.remove(stored.schedule.id, ctx).map(drop);
                };
                stored.failures = 0;
                stored.schedule.due = due;
                self.core.agenda.put(stored, ctx)
            }
        }
    }

    async fn do_scheduled(&mut self, stored: StoredSchedule, ctx: Context<'_>) -> Result<()> {
        let id = stored.schedule.id;
        self.core.agenda.doing = Some(id);
        let done = self.do_own(&stored.schedule.method, &stored.schedule.args, ctx).await;
        self.core.agenda.doing = None;
        if !self.core.agenda.schedules.contains_key(&id) {
            // It has taken itself back.
            return Ok(());
        }
        let (mut next, now) = (stored, ctx.now());
        let again = done.err().and_then(|error| {
            let method = &next.schedule.method;
            tracing::warn!(agent = %ctx.id(), method, %error, "what was scheduled has failed");
            next.failures += 1;
            pause(next.failures)
        });
        let due = match again {
            Some(pause) => Some(now.plus(pause)),
            None => {
                next.failures = 0;
                next.schedule.when.next(next.schedule.due, now)
            }
        };
        match due {
            Some(due) => {
                next.schedule.due = due;
                self.core.agenda.put(next, ctx)
            }
            None => self.core.agenda.remove(id, ctx).map(drop),
        }
    }

    async fn do_queued(&mut self, number: u64, mut call: QueuedCall, ctx: Context<'_>) -> Result<()> {
        let done = self.do_own(&call.method, &call.args, ctx).await;
        let again = done.err().and_then(|error| {
            tracing::warn!(agent = %ctx.id(), method = call.method, %error, "what was queued has failed");
            call.failures += 1;
            pause(call.failures)
        });
        let is_there = self.core.agenda.head.as_ref().is_some_and(|(head, _)| *head == number);
        match again {
            Some(pause) if is_there => {
                call.due = ctx.now().plus(pause);
                self.core.agenda.put_head(number, call, ctx)
            }
            Some(_) => Ok(()),
            None => self.core.agenda.pop(number, ctx).await,
        }
    }

    async fn do_own(&mut self, method: &str, args: &str, ctx: Context<'_>) -> Result<()> {
        let args = serde_json::from_str(args)
            .map_err(|error| ActorError::internal("agent.arguments", format!("arguments are no JSON: {error}")))?;
        let method = self.methods.find(method)?;
        let (agent, mut within) = self.by_itself(ctx);
        method.call(agent, Args::Whole(args), None, &mut within).await.map(drop)
    }
}

impl<A: Agent> Live for Running<A> {
    fn connect<'a>(
        &'a mut self,
        socket: SocketId,
        opening: Opening,
        ctx: Context<'a>,
    ) -> BoxFuture<'a, Result<Vec<String>>> {
        Box::pin(self.connect_client(socket, opening, ctx))
    }

    fn frame<'a>(&'a mut self, socket: SocketId, frame: Frame, ctx: Context<'a>) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.hear(socket, frame, ctx))
    }

    fn close<'a>(&'a mut self, socket: SocketId, _: Closing, ctx: Context<'a>) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let Some(connection) = connection(ctx, socket)? else {
                return Ok(());
            };
            let (agent, mut within) = self.on_behalf(&connection, ctx);
            agent.close(&connection, &mut within).await
        })
    }

    fn gap<'a>(&'a mut self, socket: SocketId, ctx: Context<'a>) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let attached: Option<Attached> = ctx.sockets().attachment(socket)?;
            let Some(attached) = attached else { return Ok(()) };
            let connection = Connection::of(socket, attached);
            let hears = ctx.sockets().tags(socket)?.iter().any(|tag| tag == HEARS);
            if let Some(state) = self.core.state_json()?.filter(|_| hears) {
                ctx.sockets().send(socket, protocol::state(&state))?;
            }
            let (agent, mut within) = self.on_behalf(&connection, ctx);
            agent.gap(&connection, &mut within).await
        })
    }

    fn alarm<'a>(&'a mut self, alarm: Alarm, ctx: Context<'a>) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.do_due(alarm, ctx))
    }

    fn call<'a>(&'a mut self, call: CallAgent, ctx: Context<'a>) -> BoxFuture<'a, Result<String>> {
        Box::pin(async move {
            let args = Args::read(&call.args)?;
            let method = self.methods.find_public(&call.method)?;
            let mut within = AgentCtx::new(ctx, &mut self.core, &self.env).asked_by(call.caller);
            match method.call(&mut self.agent, args, None, &mut within).await? {
                Answer::Whole(value) => Ok(value.to_string()),
                Answer::InParts => Ok(Value::Null.to_string()),
            }
        })
    }

    fn own_call<'a>(&'a mut self, call: OwnCall, ctx: Context<'a>) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            if call.activation != self.core.activation {
                return Err(ActorError::conflict(
                    "agent.other-activation",
                    "what this belongs to is not in memory any more",
                ));
            }
            match call.call {
                Some((method, args)) => self.do_own(&method, &args, ctx).await,
                None => Ok(()),
            }
        })
    }

    fn request<'a>(&'a mut self, request: AgentRequest, ctx: Context<'a>) -> BoxFuture<'a, Result<AgentResponse>> {
        Box::pin(async move {
            let mut within = AgentCtx::new(ctx, &mut self.core, &self.env).asked_by(Some(request.caller.clone()));
            self.agent.request(request, &mut within).await
        })
    }
}
