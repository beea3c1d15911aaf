//! The messages a class answers, and the seam between the typed actor and the runtime, which knows no types.

use std::{any::Any, collections::BTreeMap, fmt, panic::AssertUnwindSafe, sync::Arc};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};

use crate::{
    ActorError, Alarm, Ctx, Handler, Message, Result, SocketActor, VirtualActor, activation::panic_text,
    mailbox::Fault, socket, turn::Turn, wire,
};

/// Code of the error when a class does not list a message.
pub(crate) const UNKNOWN: &str = "message.unknown";

/// Code of the error when a message cannot be read.
pub(crate) const UNREADABLE: &str = "message.decode";

/// A message on its way: as a value within the node, encoded where it is durable.
pub(crate) enum Payload {
    Local(Box<dyn Any + Send>),
    Encoded(Bytes),
}

/// A reply within the node.
pub(crate) type Value = Box<dyn Any + Send>;

/// How a message and its reply become bytes, for calls that leave the node.
pub(crate) struct Codec {
    encode_message: fn(&(dyn Any + Send)) -> Result<Bytes>,
    encode_reply: fn(&(dyn Any + Send)) -> Result<Bytes>,
    decode_reply: fn(&[u8]) -> Result<Value>,
}

impl Codec {
    /// That of a message.
    pub(crate) const fn of<M: Message>() -> &'static Self {
        const {
            &Self {
                encode_message: encode_message::<M>,
                encode_reply: encode_reply::<M>,
                decode_reply: decode_reply::<M>,
            }
        }
    }

    /// Encodes a message.
    pub(crate) fn encode_message(&self, message: &(dyn Any + Send)) -> Result<Bytes> {
        (self.encode_message)(message)
    }

    /// Encodes a reply to the message.
    pub(crate) fn encode_reply(&self, reply: &(dyn Any + Send)) -> Result<Bytes> {
        (self.encode_reply)(reply)
    }

    /// Decodes a reply to the message.
    pub(crate) fn decode_reply(&self, bytes: &[u8]) -> Result<Value> {
        (self.decode_reply)(bytes)
    }
}

fn encode_message<M: Message>(message: &(dyn Any + Send)) -> Result<Bytes> {
    let message = message.downcast_ref::<M>().ok_or_else(foreign_type::<M>)?;
    wire::encode(message)
        .map_err(|error| ActorError::internal("message.encode", format!("failed to encode {}: {error}", M::NAME)))
}

fn encode_reply<M: Message>(reply: &(dyn Any + Send)) -> Result<Bytes> {
    let reply = reply.downcast_ref::<M::Reply>().ok_or_else(foreign_type::<M>)?;
    wire::encode(reply).map_err(|error| {
        ActorError::internal(
            "reply.encode",
            format!("failed to encode the reply to {}: {error}", M::NAME),
        )
    })
}

fn decode_reply<M: Message>(bytes: &[u8]) -> Result<Value> {
    let reply = wire::decode::<M::Reply>(bytes).map_err(|error| {
        ActorError::internal(
            "reply.decode",
            format!("failed to decode the reply to {}: {error}", M::NAME),
        )
    })?;
    Ok(Box::new(reply))
}

/// How a class handles one kind of message.
pub(crate) type Call<A> = for<'a> fn(&'a mut A, Payload, &'a mut Ctx<A>) -> BoxFuture<'a, Result<Value>>;

/// The messages a class answers, listed in [`VirtualActor::interface`].
pub struct Interface<A: VirtualActor> {
    calls: BTreeMap<&'static str, (Call<A>, &'static Codec)>,
    /// The first name that was listed twice.
    duplicate: Option<&'static str>,
}

impl<A: VirtualActor> Interface<A> {
    pub(crate) fn of() -> Self {
        A::interface(Self {
            calls: BTreeMap::new(),
            duplicate: None,
        })
    }

    /// Adds a message. Without a handler for it the class does not compile:
    ///
    /// ```compile_fail,E0277
    /// use cluster::prelude::*;
    ///
    /// #[derive(serde::Serialize, serde::Deserialize, Message)]
    /// #[message(name = "door.open")]
    /// struct Open;
    ///
    /// struct Door;
    ///
    /// impl VirtualActor for Door {
    ///     const CLASS: &'static str = "door";
    ///     type Env = ();
    ///
    ///     fn interface(i: Interface<Self>) -> Interface<Self> {
    ///         i.on::<Open>() // `Door` has no handler for the message `Open`
    ///     }
    ///
    ///     async fn activate(_: &mut Ctx<Self>) -> Result<Self> {
    ///         Ok(Self)
    ///     }
    /// }
    /// ```
    ///
    /// Two messages of one name could not be told apart: a node with such a class does not open
    /// ([`OpenError::DuplicateMessage`](crate::OpenError::DuplicateMessage)).
    #[must_use]
    pub fn on<M: Message>(mut self) -> Self
    where
        A: Handler<M>,
    {
        let known = self.calls.insert(M::NAME, (call::<A, M>, Codec::of::<M>()));
        if known.is_some() {
            self.duplicate.get_or_insert(M::NAME);
        }
        self
    }

    /// Lets clients connect to actors of this class; see [`Cluster::connect`](crate::Cluster::connect).
    #[must_use]
    pub fn sockets(mut self) -> Self
    where
        A: SocketActor,
    {
        for (name, call, codec) in socket::calls::<A>() {
            if self.calls.insert(name, (call, codec)).is_some() {
                self.duplicate.get_or_insert(name);
            }
        }
        self
    }

    /// Names of the messages, in order.
    pub fn messages(&self) -> impl Iterator<Item = &'static str> {
        self.calls.keys().copied()
    }
}

impl<A: VirtualActor> fmt::Debug for Interface<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interface")
            .field("class", &A::CLASS)
            .field("messages", &self.calls.keys())
            .finish()
    }
}

fn call<'a, A: Handler<M>, M: Message>(
    actor: &'a mut A,
    payload: Payload,
    ctx: &'a mut Ctx<A>,
) -> BoxFuture<'a, Result<Value>> {
    Box::pin(async move {
        let message: M = received(payload)?;
        let reply = actor.handle(message, ctx).await?;
        Ok(Box::new(reply) as Value)
    })
}

/// The message that has arrived.
pub(crate) fn received<M: Message>(payload: Payload) -> Result<M> {
    match payload {
        Payload::Local(value) => Ok(*value.downcast().map_err(|_| foreign_type::<M>())?),
        Payload::Encoded(bytes) => wire::decode(&bytes)
            .map_err(|error| ActorError::invalid(UNREADABLE, format!("failed to decode {}: {error}", M::NAME))),
    }
}

/// Two message types of the same name met.
pub(crate) fn foreign_type<M: Message>() -> ActorError {
    ActorError::internal("message.type", format!("two types go by the message name {}", M::NAME))
}

/// A registered class, without its types.
pub(crate) trait Class: Send + Sync {
    fn name(&self) -> &'static str;

    /// Names of its messages, in order; a message is called by its place among them.
    fn messages(&self) -> &[&'static str];

    /// How the message at this place of [`messages`](Self::messages), and its reply, become bytes.
    fn codec(&self, message: usize) -> &'static Codec;

    /// A name that two of its messages share.
    fn duplicate(&self) -> Option<&'static str>;

    /// Builds an actor; the turn stays with it.
    fn activate(&self, turn: Turn) -> BoxFuture<'static, Result<Box<dyn Instance>>>;
}

/// A live actor, without its type.
pub(crate) trait Instance: Send {
    /// Handles the message at this place of [`Class::messages`].
    fn call(&mut self, message: usize, payload: Payload) -> BoxFuture<'_, Result<Value>>;

    fn alarm(&mut self, alarm: Alarm) -> BoxFuture<'_, Result<()>>;

    fn turn(&mut self) -> &mut Turn;
}

/// A class with the environment it was registered with.
pub(crate) struct Registered<A: VirtualActor> {
    env: A::Env,
    names: Vec<&'static str>,
    calls: Arc<[Call<A>]>,
    codecs: Vec<&'static Codec>,
    duplicate: Option<&'static str>,
}

impl<A: VirtualActor> Registered<A> {
    pub(crate) fn new(env: A::Env) -> Self {
        let Interface { calls, duplicate } = Interface::<A>::of();
        let (names, calls): (_, Vec<_>) = calls.into_iter().unzip();
        let (calls, codecs): (Vec<_>, _) = calls.into_iter().unzip();
        Self {
            env,
            names,
            calls: calls.into(),
            codecs,
            duplicate,
        }
    }
}

impl<A: VirtualActor> Class for Registered<A> {
    fn name(&self) -> &'static str {
        A::CLASS
    }

    fn messages(&self) -> &[&'static str] {
        &self.names
    }

    fn codec(&self, message: usize) -> &'static Codec {
        self.codecs[message]
    }

    fn duplicate(&self) -> Option<&'static str> {
        self.duplicate
    }

    fn activate(&self, turn: Turn) -> BoxFuture<'static, Result<Box<dyn Instance>>> {
        let (env, calls) = (self.env.clone(), Arc::clone(&self.calls));
        Box::pin(async move {
            let mut ctx = Ctx::new(turn, env);
            if let Some(from) = ctx.turn().outdated(A::VERSION)? {
                tracing::debug!(actor = %ctx.id(), from, to = A::VERSION, "upgrading");
                ctx.turn().upgrading = true;
                let upgrade = AssertUnwindSafe(A::upgrade(from, &mut ctx)).catch_unwind().await;
                let outcome = upgrade.unwrap_or_else(|panic| {
                    tracing::error!(actor = %ctx.id(), panic = panic_text(&*panic), "an upgrade panicked");
                    Err(Fault::Panic.into())
                });
                ctx.turn().upgraded(from, A::VERSION, outcome)?;
            }
            let actor = A::activate(&mut ctx).await?;
            Ok(Box::new(Live { actor, ctx, calls }) as Box<dyn Instance>)
        })
    }
}

struct Live<A: VirtualActor> {
    actor: A,
    ctx: Ctx<A>,
    calls: Arc<[Call<A>]>,
}

impl<A: VirtualActor> Instance for Live<A> {
    fn call(&mut self, message: usize, payload: Payload) -> BoxFuture<'_, Result<Value>> {
        self.calls[message](&mut self.actor, payload, &mut self.ctx)
    }

    fn alarm(&mut self, alarm: Alarm) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.actor.alarm(alarm, &mut self.ctx))
    }

    fn turn(&mut self) -> &mut Turn {
        self.ctx.turn()
    }
}

/// The class does not list the message.
pub(crate) fn unknown_message(class: &str, message: &str) -> ActorError {
    ActorError::unsupported(UNKNOWN, format!("class {class} does not list the message {message}"))
}
