//! References to actors.

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use crate::{
    ActorError, ActorId, Handler, IdempotencyKey, Message, Result, VirtualActor,
    address::Address,
    idempotency::Keyed,
    interface::{Codec, Payload, foreign_type},
    remote::Line,
    router::{Ask, Node},
};

/// A reference to one actor. Making one contacts nobody; the first message activates the actor.
///
/// Calls through one reference arrive in the order in which they were first polled, until one of them fails otherwise than
/// by an error that the actor itself returned: by `overloaded`, `retryable`, `unknown`, `deadline`, a panic, or an
/// activation that failed. Then an earlier call may be missing where a later one arrives, so the reference is broken:
/// every later call through it fails with `reference.broken` (kind [`Retryable`](crate::ErrorKind::Retryable)) and has no
/// effect. Calls that lie in the mailbox by then are handled. An error that the actor returned, a refusal before the call
/// left (`actor.class`, `actor.cycle`), one by a [`Gatekeeper`](crate::Gatekeeper) and a caller that goes away break nothing.
///
/// Whoever goes on makes a new reference; a clone is one. So a long-lived holder keeps one as a pattern, and calls
/// through clones of it.
pub struct ActorRef<A: VirtualActor> {
    node: Arc<Node>,
    target: Target,
    /// Its calls in order.
    line: Line,
    class: PhantomData<fn(A)>,
}

/// The address, or why there is none.
#[derive(Clone)]
enum Target {
    Valid(Arc<Address>),
    Invalid(Arc<(ActorId, ActorError)>),
}

impl<A: VirtualActor> ActorRef<A> {
    pub(crate) fn new(node: Arc<Node>, id: ActorId) -> Self {
        let target = match node.resolve::<A>(&id) {
            Ok(class) => Target::Valid(Address::new(class, id)),
            Err(error) => Target::Invalid(Arc::new((id, error))),
        };
        Self {
            node,
            target,
            line: Line::default(),
            class: PhantomData,
        }
    }

    pub(crate) fn address(&self) -> Result<&Arc<Address>> {
        match &self.target {
            Target::Valid(address) => Ok(address),
            Target::Invalid(fault) => Err(fault.1.clone()),
        }
    }

    /// Address of the actor.
    pub fn id(&self) -> &ActorId {
        match &self.target {
            Target::Valid(address) => &address.id,
            Target::Invalid(fault) => &fault.0,
        }
    }

    /// Asks, with the default deadline.
    ///
    /// In a handler prefer [`Ctx::ask`](crate::Ctx::ask): a message asked here does not wait until what the handler wrote
    /// is durable, and its effect does not count as one of the handler.
    ///
    /// # Errors
    /// What the handler returns, and of the runtime: `overloaded`, `retryable` (no effect), `unknown` (perhaps an
    /// effect), `deadline` (kind [`Unknown`](crate::ErrorKind::Unknown)), `internal` after a panic; `reference.broken`
    /// after one of these; `actor.cycle` from a handler for which the actor waits; an id of another class, of a class
    /// that is not registered, or with a name out of bounds is refused.
    pub async fn ask<M: Message>(&self, message: M) -> Result<M::Reply>
    where
        A: Handler<M>,
    {
        self.call(self.node.bounds.ask, message, None).await
    }

    /// Asks, with a deadline. When it passes, the call may or may not have taken effect.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub async fn ask_within<M: Message>(&self, deadline: Duration, message: M) -> Result<M::Reply>
    where
        A: Handler<M>,
    {
        self.call(deadline, message, None).await
    }

    /// Asks under an idempotency key, with the default deadline: however often the call is repeated with the same key and
    /// the same message, after whatever failure, crash or passivation, it is handled once, and each repetition is answered
    /// with the reply or the error of that one time.
    ///
    /// The actor keeps the outcome with the writes of the call, bounded by size, count and age (see
    /// [`Bounds`](crate::Bounds)); `delete_all` does not remove it. A call that had no effect has no outcome: after a
    /// panic, or a handler's error of a kind that may pass from a turn that wrote, sent and asked nothing, a repetition is
    /// handled anew. Messages are compared as they are encoded, so a message should not hold a `HashMap`.
    ///
    /// ```
    /// # use cluster::prelude::*;
    /// # async fn example<A: Handler<M>, M: Message + Clone>(cluster: Cluster, id: ActorId, transfer: M) -> Result<M::Reply> {
    /// let key = IdempotencyKey::new("transfer-7f2c")?;
    /// loop {
    ///     // A failure broke the reference of the last attempt.
    ///     match cluster.get::<A>(id.clone()).ask_idempotent(&key, transfer.clone()).await {
    ///         Err(error) if ["retryable", "unknown"].contains(&error.code()) => {}
    ///         outcome => return outcome,
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`ask`](Self::ask), and:
    /// - `idempotency.reused`: the key was used for another message;
    /// - `idempotency.interrupted` (kind [`Unknown`](crate::ErrorKind::Unknown)): the call asked others half-way and was
    ///   then cut off by a panic or a crash, or ended with a failure of the runtime, so a part of it took effect; it is
    ///   never run again;
    /// - `idempotency.reply-too-large`: the call was handled once, and its first caller may have had the reply, but it was
    ///   too large to be kept for this one;
    /// - `idempotency.encode`, `idempotency.decode`: likewise, but the reply could not be stored or read back, for example
    ///   because its type has changed since.
    pub async fn ask_idempotent<M: Message>(&self, key: &IdempotencyKey, message: M) -> Result<M::Reply>
    where
        A: Handler<M>,
    {
        self.ask_idempotent_within(self.node.bounds.ask, key, message).await
    }

    /// Asks under an idempotency key, with a deadline.
    ///
    /// # Errors
    /// As [`ask_idempotent`](Self::ask_idempotent).
    pub async fn ask_idempotent_within<M: Message>(
        &self,
        deadline: Duration,
        key: &IdempotencyKey,
        message: M,
    ) -> Result<M::Reply>
    where
        A: Handler<M>,
    {
        let keyed = Keyed::new(key, &message)?;
        self.call(deadline, message, Some(keyed)).await
    }

    async fn call<M: Message>(&self, deadline: Duration, message: M, keyed: Option<Box<Keyed>>) -> Result<M::Reply>
    where
        A: Handler<M>,
    {
        let ask = Ask {
            message: M::NAME,
            payload: Payload::Local(Box::new(message)),
            codec: Codec::of::<M>(),
            keyed,
            deadline,
        };
        let value = self.node.ask(self.address()?, ask, &self.line).await?;
        value.downcast().map(|reply| *reply).map_err(|_| foreign_type::<M>())
    }
}

/// A clone is a new reference: it has an order of its own, and is not broken.
impl<A: VirtualActor> Clone for ActorRef<A> {
    fn clone(&self) -> Self {
        Self {
            node: Arc::clone(&self.node),
            target: self.target.clone(),
            line: Line::default(),
            class: PhantomData,
        }
    }
}

impl<A: VirtualActor> fmt::Debug for ActorRef<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ActorRef").field(self.id()).finish()
    }
}
