//! What an agent may do in a handler.

use std::{fmt, future::Future};

use cluster::prelude::{
    ActorError, ActorRef, Ctx, Frame, Handler, Key, Keys, List, Message, Result, SocketId, TenantId, Timestamp, Uuid,
    VirtualActor,
};
use futures_util::{Stream, StreamExt};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Agent, AgentActor, AgentAddress, AgentCaller, Callable, Connection, Method, Queued, Schedule, When,
    agenda::Agenda,
    connection::Attached,
    messages::OwnCall,
    protocol,
    queue::QUEUE_MAX,
    rows::{QUEUE, QueuedCall, STATE, StoredSchedule},
    schedule::{ARGS_BYTES_MAX, SCHEDULES_MAX},
};

/// Tag of the connections that are told the state.
pub(super) const HEARS: &str = "agent:hears";

/// What keys of authors do not begin with.
const RESERVED: &str = "agent/";

/// What is kept in memory of every agent.
pub(super) struct Core<A: Agent> {
    pub(super) address: AgentAddress,
    /// Tells what this activation started from what another one did.
    pub(super) activation: Uuid,
    pub(super) state: Option<A::State>,
    pub(super) agenda: Agenda,
}

impl<A: Agent> Core<A> {
    pub(super) async fn load(address: AgentAddress, ctx: &mut Ctx<AgentActor>) -> Result<Self> {
        let stored = ctx.storage().get(&STATE).await?;
        let stored = stored.map(|json| {
            serde_json::from_str(&json).map_err(|error| {
                ActorError::internal(
                    "agent.state-decode",
                    format!("the stored state is none of {}: {error}", A::NAME),
                )
            })
        });
        Ok(Self {
            address,
            activation: ctx.uuid(),
            state: stored.transpose()?.or_else(A::initial_state),
            agenda: Agenda::load(ctx).await?,
        })
    }

    /// The state as JSON.
    pub(super) fn state_json(&self) -> Result<Option<String>> {
        self.state.as_ref().map(encode).transpose()
    }
}

/// What an agent may do: read and write, speak to its clients, set its state, and begin what goes on later or beside it.
///
/// What is written, sent and set leaves when the turn is durable.
pub struct AgentCtx<'c, A: Agent> {
    ctx: &'c mut Ctx<AgentActor>,
    core: &'c mut Core<A>,
    env: &'c A::Env,
    connection: Option<Connection>,
    caller: Option<AgentCaller>,
}

impl<'c, A: Agent> AgentCtx<'c, A> {
    pub(super) fn new(ctx: &'c mut Ctx<AgentActor>, core: &'c mut Core<A>, env: &'c A::Env) -> Self {
        Self {
            ctx,
            core,
            env,
            connection: None,
            caller: None,
        }
    }

    /// On behalf of a client.
    pub(super) fn of(mut self, connection: &Connection) -> Self {
        self.connection = Some(connection.clone());
        self.caller = Some(connection.caller.clone());
        self
    }

    /// On behalf of somebody who is not connected.
    pub(super) fn asked_by(mut self, caller: Option<AgentCaller>) -> Self {
        self.caller = caller;
        self
    }

    /// What the agent is called by its owner.
    #[must_use]
    pub fn name(&self) -> &str {
        self.core.address.name()
    }

    /// Where the agent is found.
    #[must_use]
    pub fn address(&self) -> &AgentAddress {
        &self.core.address
    }

    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        self.ctx.tenant()
    }

    /// What the host program gave to the kind.
    #[must_use]
    pub fn env(&self) -> &A::Env {
        self.env
    }

    /// The present moment by the clock of the owner.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.ctx.now()
    }

    /// A fresh UUID.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.ctx.uuid()
    }

    /// The client on whose behalf this is, if it is connected.
    #[must_use]
    pub fn connection(&self) -> Option<&Connection> {
        self.connection.as_ref()
    }

    /// On whose behalf this is; none for what the agent does by itself.
    #[must_use]
    pub fn caller(&self) -> Option<&AgentCaller> {
        self.caller.as_ref()
    }

    // Storage.

    /// Reads a value.
    ///
    /// # Errors
    /// As [`cluster::Storage::get`].
    pub async fn get<T: DeserializeOwned>(&mut self, key: &Key<T>) -> Result<Option<T>> {
        self.ctx.storage().get(key).await
    }

    /// Lists a page of a family of values.
    ///
    /// # Errors
    /// As [`cluster::Storage::list`].
    pub async fn list<T: DeserializeOwned>(&mut self, keys: &Keys<T>, list: List) -> Result<Vec<(String, T)>> {
        self.ctx.storage().list(keys, list).await
    }

    /// Writes a value.
    ///
    /// # Errors
    /// `agent.key` for a key that begins with `agent/`; otherwise as [`cluster::Storage::put`].
    pub fn put<T: Serialize>(&mut self, key: &Key<T>, value: &T) -> Result<()> {
        check_key(key.name())?;
        self.ctx.storage().put(key, value)
    }

    /// Removes a value.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn delete<T>(&mut self, key: &Key<T>) -> Result<()> {
        check_key(key.name())?;
        self.ctx.storage().delete(key)
    }

    // State.

    /// The state.
    #[must_use]
    pub fn state(&self) -> Option<&A::State> {
        self.core.state.as_ref()
    }

    /// Sets the state, and tells all who are connected.
    ///
    /// # Errors
    /// `agent.readonly` on behalf of a client that cannot change it; what [`Agent::validate`] returns; `too-large`.
    pub fn set_state(&mut self, state: A::State) -> Result<()> {
        A::validate(&state, self.connection.as_ref())?;
        self.replace_state(state, None)
    }

    /// Sets the state, and tells all but one.
    pub(super) fn replace_state(&mut self, state: A::State, except: Option<SocketId>) -> Result<()> {
        if self
            .connection
            .as_ref()
            .is_some_and(|connection| connection.is_readonly)
        {
            return Err(ActorError::forbidden("agent.readonly", "Connection is readonly"));
        }
        let json = encode(&state)?;
        self.ctx.storage().put(&STATE, &json)?;
        self.core.state = Some(state);
        let mut hearers = self.ctx.sockets().tagged(HEARS)?;
        hearers.retain(|socket| Some(*socket) != except);
        self.ctx.sockets().broadcast(hearers, protocol::state(&json))
    }

    // Connections.

    /// All who are connected.
    ///
    /// # Errors
    /// As [`cluster::Sockets::all`].
    pub fn connections(&mut self) -> Result<Vec<Connection>> {
        let sockets = self.ctx.sockets().all()?;
        let connections = sockets.into_iter().map(|socket| connection(self.ctx, socket));
        connections.filter_map(Result::transpose).collect()
    }

    /// Those who are connected under a tag.
    ///
    /// # Errors
    /// As [`cluster::Sockets::tagged`].
    pub fn tagged(&mut self, tag: &str) -> Result<Vec<SocketId>> {
        self.ctx.sockets().tagged(tag)
    }

    /// Sends something to a client.
    ///
    /// # Errors
    /// As [`cluster::Sockets::send`].
    pub fn send(&mut self, to: SocketId, frame: impl Into<Frame>) -> Result<()> {
        self.ctx.sockets().send(to, frame)
    }

    /// Sends something to several clients. It counts once against what a turn may send.
    ///
    /// # Errors
    /// As [`cluster::Sockets::broadcast`].
    pub fn send_to_all(&mut self, to: impl IntoIterator<Item = SocketId>, frame: impl Into<Frame>) -> Result<()> {
        self.ctx.sockets().broadcast(to, frame)
    }

    /// Sends something to all but one of those who hear the protocol.
    ///
    /// # Errors
    /// As [`cluster::Sockets::broadcast`].
    pub fn broadcast(&mut self, frame: impl Into<Frame>, except: Option<SocketId>) -> Result<()> {
        let mut hearers = self.ctx.sockets().tagged(HEARS)?;
        hearers.retain(|socket| Some(*socket) != except);
        self.ctx.sockets().broadcast(hearers, frame)
    }

    /// Closes a connection. Clients do not come back after 1008 and 4000 to 4999.
    ///
    /// # Errors
    /// As [`cluster::Sockets::close`].
    pub fn close(&mut self, socket: SocketId, code: u16, reason: &str) -> Result<()> {
        self.ctx.sockets().close(socket, code, reason)
    }

    /// Lets a client change the state, or not.
    ///
    /// # Errors
    /// As [`cluster::Sockets::attach`].
    pub fn set_readonly(&mut self, socket: SocketId, is_readonly: bool) -> Result<()> {
        let attached: Option<Attached> = self.ctx.sockets().attachment(socket)?;
        let Some(attached) = attached else {
            return Ok(());
        };
        if let Some(connection) = self
            .connection
            .as_mut()
            .filter(|connection| connection.socket == socket)
        {
            connection.is_readonly = is_readonly;
        }
        self.ctx.sockets().attach(
            socket,
            &Attached {
                is_readonly,
                ..attached
            },
        )
    }

    // Other actors.

    /// Reference to an actor of the tenant.
    #[must_use]
    pub fn get_actor<B: VirtualActor>(&self, name: &str) -> ActorRef<B> {
        self.ctx.get(name)
    }

    /// Reference to another agent of the tenant.
    #[must_use]
    pub fn get_agent(&self, address: &AgentAddress) -> ActorRef<AgentActor> {
        self.ctx.get(address.actor(self.ctx.tenant()).name())
    }

    /// The agent of a kind that whoever this one belongs to calls so.
    ///
    /// # Errors
    /// `agent.unknown` if there is no such kind, or if each user has agents of that kind and this one belongs to none;
    /// `agent.name` if the name is none.
    pub fn agent_called(&self, kind: &str, name: &str) -> Result<AgentAddress> {
        self.ctx.env().address_of(kind, self.core.address.owner(), name)
    }

    /// Asks another actor; see [`Ctx::ask`].
    ///
    /// # Errors
    /// As [`Ctx::ask`].
    pub async fn ask<B: Handler<M>, M: Message>(&mut self, to: &ActorRef<B>, message: M) -> Result<M::Reply> {
        self.ctx.ask(to, message).await
    }

    /// Sends to another actor, exactly once in effect; see [`Ctx::send`].
    ///
    /// # Errors
    /// As [`Ctx::send`].
    pub fn send_actor<B: Handler<M>, M: Message>(&mut self, to: &ActorRef<B>, message: M) -> Result<()> {
        self.ctx.send(to, message)
    }

    // Later, and beside.

    /// Calls a method of this agent at a time. What is scheduled already with the same arguments for the same time is not
    /// scheduled again, and is what is returned.
    ///
    /// It is done at least once, and once unless the method asks others. If it fails, it is tried twice more.
    ///
    /// # Errors
    /// `agent.schedule` for a time that is none; `agent.schedules` if there are too many; `too-large`.
    pub fn schedule<M: Method>(&mut self, when: When, args: &M) -> Result<Schedule>
    where
        A: Callable<M>,
    {
        let json = encode_args(args)?;
        let agenda = &self.core.agenda;
        // What is being done once is over with this turn: it does not stand in for what comes after it.
        let is_over = |known: &Schedule| agenda.doing == Some(known.id) && known.when.is_once();
        let schedules = agenda.schedules.values().map(|stored| &stored.schedule);
        let mut same = schedules
            .filter(|known| (known.method.as_str(), &known.args, &known.when) == (M::NAME, &json, &when))
            .filter(|known| !is_over(known));
        match same.next() {
            Some(known) => Ok(known.clone()),
            None => self.schedule_another(when, args),
        }
    }

    /// Calls a method of this agent at a time, also if that is scheduled already.
    ///
    /// # Errors
    /// As [`schedule`](Self::schedule).
    pub fn schedule_another<M: Method>(&mut self, when: When, args: &M) -> Result<Schedule>
    where
        A: Callable<M>,
    {
        if self.core.agenda.schedules.len() >= SCHEDULES_MAX {
            return Err(ActorError::overloaded(
                "agent.schedules",
                format!("an agent has at most {SCHEDULES_MAX} schedules"),
            ));
        }
        let schedule = Schedule {
            id: self.ctx.uuid(),
            method: M::NAME.to_owned(),
            args: encode_args(args)?,
            due: when.first(self.ctx.now())?,
            when,
        };
        let stored = StoredSchedule {
            schedule: schedule.clone(),
            failures: 0,
        };
        self.core.agenda.put(stored, self.ctx)?;
        Ok(schedule)
    }

    /// What is scheduled.
    pub fn schedules(&self) -> impl Iterator<Item = &Schedule> {
        self.core.agenda.schedules.values().map(|stored| &stored.schedule)
    }

    /// Takes a schedule back. Says whether it was there.
    ///
    /// # Errors
    /// As [`cluster::Storage::delete`].
    pub fn cancel(&mut self, schedule: Uuid) -> Result<bool> {
        self.core.agenda.remove(schedule, self.ctx)
    }

    /// Calls a method of this agent after all that was queued before. If it fails, it is tried twice more, and then left out.
    ///
    /// # Errors
    /// `agent.queue` if too many wait; `too-large`.
    pub fn queue<M: Method>(&mut self, args: &M) -> Result<u64>
    where
        A: Callable<M>,
    {
        let agenda = &mut self.core.agenda;
        let waiting = agenda.head.as_ref().map_or(0, |(head, _)| agenda.next_number - head);
        if waiting >= QUEUE_MAX {
            return Err(ActorError::overloaded(
                "agent.queue",
                format!("at most {QUEUE_MAX} calls wait in the queue of an agent"),
            ));
        }
        let call = QueuedCall {
            method: M::NAME.to_owned(),
            args: encode_args(args)?,
            due: self.ctx.now(),
            failures: 0,
        };
        agenda.push(call, self.ctx)
    }

    /// A page of what waits in the queue, behind a number.
    ///
    /// # Errors
    /// As [`cluster::Storage::list`].
    pub async fn queued(&mut self, after: Option<u64>, limit: usize) -> Result<Vec<Queued>> {
        let list = List {
            after: after.map(super::queue::key),
            limit,
            ..List::default()
        };
        let rows = self.ctx.storage().list(&QUEUE, list).await?;
        let read = |(key, call): (String, QueuedCall)| {
            Some(Queued {
                number: key.parse().ok()?,
                method: call.method,
                args: call.args,
                due: call.due,
            })
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    /// Takes a call out of the queue.
    ///
    /// # Errors
    /// As [`cluster::Storage::delete`].
    pub async fn dequeue(&mut self, number: u64) -> Result<()> {
        self.core.agenda.pop(number, self.ctx).await
    }

    /// Begins work beside the mailbox, when the turn is durable. What it comes to is a call of a method of this agent. It is
    /// lost with the activation: who must not lose it has [scheduled](Self::schedule) to look after it.
    pub fn spawn<M: Method>(&mut self, work: impl Future<Output = M> + Send + 'static)
    where
        A: Callable<M>,
    {
        let activation = self.core.activation;
        self.ctx
            .pipe_to_self(async move { own_call(activation, Some(&work.await)) });
    }

    /// Begins work that comes to something again and again: each item is a call of a method of this agent, one after another.
    pub fn spawn_stream<M: Method>(&mut self, work: impl Stream<Item = M> + Send + 'static)
    where
        A: Callable<M>,
    {
        let (activation, own) = (self.core.activation, self.ctx.self_ref());
        self.ctx.pipe_to_self(async move {
            let mut work = std::pin::pin!(work);
            while let Some(item) = work.next().await {
                if let Err(error) = own.ask(own_call(activation, Some(&item))).await {
                    tracing::debug!(method = M::NAME, %error, "what an agent had begun has ended with it");
                    break;
                }
            }
            own_call::<M>(activation, None)
        });
    }
}

impl<A: Agent> fmt::Debug for AgentCtx<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentCtx")
            .field("address", &self.core.address)
            .finish_non_exhaustive()
    }
}

/// The connection of a socket, if it is one of an agent.
pub(super) fn connection(ctx: &mut Ctx<AgentActor>, socket: SocketId) -> Result<Option<Connection>> {
    let attached: Option<Attached> = ctx.sockets().attachment(socket)?;
    Ok(attached.map(|attached| Connection::of(socket, attached)))
}

fn own_call<M: Method>(activation: Uuid, args: Option<&M>) -> OwnCall {
    let call = args.and_then(|args| {
        serde_json::to_string(args)
            .inspect_err(|error| tracing::error!(method = M::NAME, %error, "arguments cannot be encoded"))
            .ok()
    });
    OwnCall {
        activation,
        call: call.map(|args| (M::NAME.to_owned(), args)),
    }
}

fn check_key(key: &str) -> Result<()> {
    if key.starts_with(RESERVED) {
        return Err(ActorError::invalid(
            "agent.key",
            format!("keys that begin with {RESERVED} are not the author's"),
        ));
    }
    Ok(())
}

fn encode<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| ActorError::internal("agent.encode", format!("failed to encode: {error}")))
}

fn encode_args<M: Method>(args: &M) -> Result<String> {
    let json = encode(args)?;
    if json.len() > ARGS_BYTES_MAX {
        return Err(ActorError::too_large(
            "too-large",
            format!("the arguments of a call that waits have at most {ARGS_BYTES_MAX} bytes"),
        ));
    }
    Ok(json)
}
