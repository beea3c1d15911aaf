//! References to actors.

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use crate::{
    ActorError, ActorId, Handler, Message, Result, VirtualActor,
    address::Address,
    interface::{Payload, foreign_type},
    mailbox::Chain,
    router::Node,
};

/// A reference to one actor. Making one contacts nobody; the first message activates the actor.
///
/// Calls through one reference arrive in the order in which they were first polled, until one of them errs.
pub struct ActorRef<A: VirtualActor> {
    node: Arc<Node>,
    target: Target,
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
    /// # Errors
    /// What the handler returns, and of the runtime: `overloaded`, `retryable` (no effect), `unknown` (perhaps an
    /// effect), `deadline` (kind [`Unknown`](crate::ErrorKind::Unknown)), `internal` after a panic; an id of another
    /// class, of a class that is not registered, or with a name out of bounds is refused.
    pub async fn ask<M: Message>(&self, message: M) -> Result<M::Reply>
    where
        A: Handler<M>,
    {
        self.ask_in_chain(self.node.bounds.ask, message, None).await
    }

    /// Asks, with a deadline. When it passes, the call may or may not have taken effect.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub async fn ask_within<M: Message>(&self, deadline: Duration, message: M) -> Result<M::Reply>
    where
        A: Handler<M>,
    {
        self.ask_in_chain(deadline, message, None).await
    }

    pub(crate) async fn ask_in_chain<M: Message>(
        &self,
        deadline: Duration,
        message: M,
        chain: Option<Arc<Chain>>,
    ) -> Result<M::Reply>
    where
        A: Handler<M>,
    {
        let payload = Payload::Local(Box::new(message));
        let value = self
            .node
            .ask(self.address()?, M::NAME, payload, chain, deadline)
            .await?;
        value.downcast().map(|reply| *reply).map_err(|_| foreign_type::<M>())
    }
}

impl<A: VirtualActor> Clone for ActorRef<A> {
    fn clone(&self) -> Self {
        Self {
            node: Arc::clone(&self.node),
            target: self.target.clone(),
            class: PhantomData,
        }
    }
}

impl<A: VirtualActor> fmt::Debug for ActorRef<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ActorRef").field(self.id()).finish()
    }
}
