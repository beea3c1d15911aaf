//! What the author of an actor implements.

use std::future::Future;

use crate::{ActorError, Alarm, Ctx, Interface, Message, Result};

/// An actor that is addressed by name, activated by its first message and passivated when idle.
///
/// Fields are working memory: what must last is written through [`Ctx::storage`] and read back in
/// [`activate`](Self::activate).
pub trait VirtualActor: Sized + Send + 'static {
    /// Name of the class, part of every id. It is chosen once; a rename is a class migration.
    const CLASS: &'static str;

    /// Version of what the class stores. It is raised, together with an [`upgrade`](Self::upgrade), when the type or the
    /// meaning of a stored value changes.
    const VERSION: u32 = 1;

    /// What the host program gives to all actors of the class: ports, settings, clients.
    type Env: Clone + Send + Sync + 'static;

    /// Lists the messages the class answers.
    fn interface(interface: Interface<Self>) -> Interface<Self>;

    /// Builds the actor from its storage. Nothing is delivered before it returned.
    ///
    /// # Errors
    /// An error reaches the caller whose message caused the activation; the next message tries again.
    fn activate(ctx: &mut Ctx<Self>) -> impl Future<Output = Result<Self>> + Send;

    /// Brings what an earlier version of the code stored up to [`VERSION`](Self::VERSION).
    ///
    /// It runs before [`activate`](Self::activate), for an actor that stores something, whatever activates it. What it
    /// writes is one batch with the new version: all of it happens, once, or nothing. So it cannot ask other actors,
    /// and is bounded like a turn; a family of values that may exceed that is better upgraded where it is read.
    ///
    /// # Errors
    /// An error undoes the upgrade and fails the activation with `actor.upgrade`; the next message tries again, and
    /// alarms and durable messages wait. The default rejects.
    fn upgrade(from: u32, ctx: &mut Ctx<Self>) -> impl Future<Output = Result<()>> + Send {
        let _ = ctx;
        async move {
            Err(ActorError::unsupported(
                "class.upgrade",
                format!("class {} has no upgrade from version {from}", Self::CLASS),
            ))
        }
    }

    /// Runs when the alarm of the actor is due.
    ///
    /// # Errors
    /// An error makes the runtime try again, see [`Alarm`]. The default rejects, so that a forgotten handler is seen.
    fn alarm(&mut self, alarm: Alarm, ctx: &mut Ctx<Self>) -> impl Future<Output = Result<()>> + Send {
        let _ = (alarm, ctx);
        async {
            Err(ActorError::unsupported(
                "alarm.unsupported",
                format!("class {} has no alarm", Self::CLASS),
            ))
        }
    }
}

/// Answers one kind of message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no handler for the message `{M}`",
    label = "`{M}` is not handled by `{Self}`",
    note = "add `impl Handler<{M}> for {Self}` and list `.on::<{M}>()` in its `interface`"
)]
pub trait Handler<M: Message>: VirtualActor {
    /// Handles one message. Handlers of one actor never overlap, also across `.await`.
    ///
    /// # Errors
    /// An error goes to the caller; what was written before it stays written.
    fn handle(&mut self, message: M, ctx: &mut Ctx<Self>) -> impl Future<Output = Result<M::Reply>> + Send;
}
