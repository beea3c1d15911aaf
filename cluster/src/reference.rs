//! References to actors.

use std::{marker::PhantomData, time::Duration};

use crate::{ActorId, Handler, Message, Result, VirtualActor};

/// A reference to one actor.
pub struct ActorRef<A: VirtualActor>(PhantomData<fn(A)>);

impl<A: VirtualActor> Clone for ActorRef<A> {
    fn clone(&self) -> Self {
        Self(PhantomData)
    }
}

#[expect(clippy::unused_async, unused_variables, reason = "skeleton")]
impl<A: VirtualActor> ActorRef<A> {
    /// Address of the actor.
    pub fn id(&self) -> &ActorId {
        unimplemented!()
    }
    /// Asks with the default deadline.
    pub async fn ask<M: Message>(&self, message: M) -> Result<M::Reply>
    where
        A: Handler<M>,
    {
        unimplemented!()
    }
    /// Asks with a deadline.
    pub async fn ask_within<M: Message>(&self, deadline: Duration, message: M) -> Result<M::Reply>
    where
        A: Handler<M>,
    {
        unimplemented!()
    }
}
