//! What a handler may do.

use std::{fmt, future::Future, sync::Arc};

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    ActorError, ActorId, ActorRef, Credential, ErrorKind, Handler, IdempotencyKey, Message, RequestId, Result, Sockets,
    Storage, TenantId, Timestamp, VirtualActor,
    caller::Running,
    gate::Broken,
    interface::Payload,
    mailbox::Fault,
    outbox::Envelope,
    turn::{Commit, Pipe, Turn, UPGRADE},
    wire,
};

/// What a handler may do: read and write, set the alarm, speak to other actors, start work.
///
/// Writes, alarm changes and sends are buffered and commit as one batch when the handler returns.
pub struct Ctx<A: VirtualActor> {
    turn: Turn,
    env: A::Env,
}

impl<A: VirtualActor> Ctx<A> {
    pub(crate) fn new(turn: Turn, env: A::Env) -> Self {
        Self { turn, env }
    }

    pub(crate) fn turn(&mut self) -> &mut Turn {
        &mut self.turn
    }

    /// Address of this actor.
    pub fn id(&self) -> &ActorId {
        &self.turn.address().id
    }

    /// Tenant of this actor.
    pub fn tenant(&self) -> &TenantId {
        self.id().tenant()
    }

    /// Name of this actor.
    pub fn name(&self) -> &str {
        self.id().name()
    }

    /// What the host program gave to the class.
    pub fn env(&self) -> &A::Env {
        &self.env
    }

    /// The present moment by the clock of the owner.
    pub fn now(&self) -> Timestamp {
        self.turn.now()
    }

    /// A fresh UUID, version 7.
    pub fn uuid(&self) -> Uuid {
        self.turn.uuid()
    }

    /// What the present call was let in with, if it is made on somebody's account. Alarms, durable sends, work that comes
    /// back from beside the mailbox and activations are the actor's own and have none, nor have calls that other actors
    /// make from there.
    pub fn credential(&self) -> Option<&Credential> {
        self.turn.credential.as_ref()
    }

    /// Storage of this actor.
    pub fn storage(&mut self) -> &mut Storage {
        self.turn.touch();
        &mut self.turn.storage
    }

    /// The sockets of this actor: the clients that are connected to it.
    pub fn sockets(&mut self) -> Sockets<'_> {
        self.turn.touch();
        Sockets::new(&mut self.turn)
    }

    /// Sets the one alarm, instead of the present one. A moment that has passed means now.
    pub fn set_alarm(&mut self, at: Timestamp) {
        let now = self.turn.now();
        self.storage().alarm.set(at, now);
    }

    /// The moment the alarm fires next; empty while its handler runs, unless that has set another.
    pub fn get_alarm(&self) -> Option<Timestamp> {
        self.turn.storage.alarm.get()
    }

    /// Removes the alarm. In its handler this takes back what the handler set.
    pub fn delete_alarm(&mut self) {
        self.storage().alarm.delete();
    }

    /// Reference to an actor of this tenant. It contacts nobody.
    pub fn get<B: VirtualActor>(&self, name: &str) -> ActorRef<B> {
        ActorRef::new(self.turn.node.clone(), ActorId::from_name::<B>(self.tenant(), name))
    }

    /// Asks another actor of this tenant. What is buffered commits first, and the message leaves when that is durable;
    /// what follows belongs to the next batch.
    ///
    /// # Errors
    /// `actor.cycle` if the other one waits, directly or not, for this one; `actor.tenant` across tenants;
    /// `actor.upgrade` in an upgrade; otherwise as [`ActorRef::ask`].
    pub async fn ask<B: Handler<M>, M: Message>(&mut self, to: &ActorRef<B>, message: M) -> Result<M::Reply> {
        self.ask_outside(to.id(), to.ask(message)).await
    }

    /// Asks as [`ask`](Self::ask), under an idempotency key.
    ///
    /// # Errors
    /// As [`ask`](Self::ask) and [`ActorRef::ask_idempotent`].
    pub async fn ask_idempotent<B: Handler<M>, M: Message>(
        &mut self,
        to: &ActorRef<B>,
        key: &IdempotencyKey,
        message: M,
    ) -> Result<M::Reply> {
        self.ask_outside(to.id(), to.ask_idempotent(key, message)).await
    }

    async fn ask_outside<R>(&mut self, to: &ActorId, ask: impl Future<Output = Result<R>>) -> Result<R> {
        self.check_tenant(to)?;
        if self.turn.upgrading {
            return Err(ActorError::unsupported(
                UPGRADE,
                "an upgrade is one batch, and an ask would split it",
            ));
        }
        self.turn.touch();
        // Until the contrary is known, also if this call is dropped half-way.
        let before = std::mem::replace(&mut self.turn.split, true);
        let Commit {
            number,
            wrote,
            proposed,
        } = self.turn.commit();
        let number = if proposed { number } else { self.turn.read() };
        let departing = self.turn.departing();
        if let Err(broken) = self.turn.gate().wait(number).await {
            if broken == Broken::NotProposed {
                self.turn.split = before;
            }
            return Err(lost(broken));
        }
        if let Some(departing) = departing {
            departing.go();
        }
        let outcome = ask.await;
        if outcome
            .as_ref()
            .is_err_and(|error| error.kind() == ErrorKind::Retryable)
        {
            self.turn.split = before || wrote;
        }
        outcome
    }

    /// Sends durably with this turn, to an actor of this tenant: the message is handled exactly once in effect, after
    /// the turn is durable, in order among the sends from this actor to that one.
    ///
    /// # Errors
    /// `too-large` if the message or the turn exceeds its bound, `message.encode` if serde refuses, `actor.tenant`
    /// across tenants, and whatever makes the reference invalid.
    pub fn send<B: Handler<M>, M: Message>(&mut self, to: &ActorRef<B>, message: M) -> Result<()> {
        self.check_tenant(to.id())?;
        let target = to.address()?;
        let payload = wire::encode(&message).map_err(|error| {
            ActorError::internal("message.encode", format!("failed to encode {}: {error}", M::NAME))
        })?;
        let bound = self.turn.node.bounds.value_bytes;
        if payload.len() > bound {
            return Err(ActorError::too_large(
                "too-large",
                format!("a message of {} bytes exceeds the bound of {bound}", payload.len()),
            ));
        }
        self.turn.send(&Envelope {
            target: target.stored(),
            message: M::NAME.to_owned(),
            payload,
        })
    }

    /// Runs work beside the mailbox once the turn is durable; its result comes back as a message to this activation.
    /// It is aborted, and lost, with the activation: who must not lose it holds an alarm. What it calls it calls on the
    /// account of this actor: the credential of the present call does not go along.
    pub fn pipe_to_self<M: Message>(&mut self, work: impl Future<Output = M> + Send + 'static)
    where
        A: Handler<M>,
    {
        let busy = self.turn.mailbox.busy();
        let request = RequestId::current();
        let own = Running::Work(Arc::clone(self.turn.address()));
        let work = own.scope(async move { Payload::Local(Box::new(work.await)) });
        let work: BoxFuture<'static, Payload> = match &request {
            Some(request) => Box::pin(request.clone().scope(work)),
            None => Box::pin(work),
        };
        self.turn.touch();
        self.turn.pipes.get_mut().push(Pipe {
            message: M::NAME,
            work,
            request,
            busy,
        });
    }

    /// Reference to this actor, for work beside the mailbox that asks its own actor.
    pub fn self_ref(&self) -> ActorRef<A> {
        ActorRef::new(self.turn.node.clone(), self.id().clone())
    }

    /// Cancelled when this activation ends.
    pub fn activation(&self) -> CancellationToken {
        self.turn.token.child_token()
    }

    /// Ends this activation after the turn; the next message activates again.
    pub fn passivate(&mut self) {
        self.turn.touch();
        self.turn.passivate = true;
    }

    fn check_tenant(&self, to: &ActorId) -> Result<()> {
        if to.tenant() == self.tenant() {
            Ok(())
        } else {
            Err(ActorError::forbidden(
                "actor.tenant",
                "an actor reaches only actors of its own tenant",
            ))
        }
    }
}

fn lost(broken: Broken) -> ActorError {
    Fault::from(broken).into()
}

impl<A: VirtualActor> fmt::Debug for Ctx<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ctx").field("id", self.id()).finish_non_exhaustive()
    }
}
