//! The list of messages a class answers.

use std::marker::PhantomData;

use crate::{Handler, Message, VirtualActor};

/// The messages a class answers, listed in [`VirtualActor::interface`].
pub struct Interface<A: VirtualActor>(PhantomData<fn(A)>);

impl<A: VirtualActor> Interface<A> {
    /// Adds a message.
    #[must_use]
    pub fn on<M: Message>(self) -> Self
    where
        A: Handler<M>,
    {
        self
    }
}
