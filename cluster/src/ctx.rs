//! What a handler may do.

use std::{future::Future, marker::PhantomData};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{ActorId, ActorRef, Handler, Message, Result, Storage, TenantId, Timestamp, VirtualActor};

/// What a handler may do.
pub struct Ctx<A: VirtualActor>(PhantomData<A>);

#[expect(clippy::unused_async, unused_variables, reason = "skeleton")]
impl<A: VirtualActor> Ctx<A> {
    /// Address of this actor.
    pub fn id(&self) -> &ActorId {
        unimplemented!()
    }
    /// Tenant of this actor.
    pub fn tenant(&self) -> &TenantId {
        unimplemented!()
    }
    /// Name of this actor.
    pub fn name(&self) -> &str {
        unimplemented!()
    }
    /// What the host program gave to the class.
    pub fn env(&self) -> &A::Env {
        unimplemented!()
    }
    /// The present moment.
    pub fn now(&self) -> Timestamp {
        unimplemented!()
    }
    /// A fresh UUID, version 7.
    pub fn uuid(&self) -> Uuid {
        unimplemented!()
    }
    /// Storage of this actor.
    pub fn storage(&mut self) -> &mut Storage {
        unimplemented!()
    }
    /// Sets the one alarm, instead of the present one.
    pub fn set_alarm(&mut self, at: Timestamp) {
        unimplemented!()
    }
    /// The moment the alarm is set for; empty while its handler runs.
    pub fn get_alarm(&self) -> Option<Timestamp> {
        unimplemented!()
    }
    /// Removes the alarm.
    pub fn delete_alarm(&mut self) {
        unimplemented!()
    }
    /// Reference to another actor of this tenant.
    pub fn get<B: VirtualActor>(&self, name: &str) -> ActorRef<B> {
        unimplemented!()
    }
    /// Commits what is buffered, then asks.
    pub async fn ask<B: Handler<M>, M: Message>(&mut self, to: &ActorRef<B>, message: M) -> Result<M::Reply> {
        unimplemented!()
    }
    /// Sends durably with this turn.
    pub fn send<B: Handler<M>, M: Message>(&mut self, to: &ActorRef<B>, message: M) -> Result<()> {
        unimplemented!()
    }
    /// Runs work beside the mailbox after the turn is durable.
    pub fn pipe_to_self<M: Message>(&mut self, work: impl Future<Output = M> + Send + 'static)
    where
        A: Handler<M>,
    {
        unimplemented!()
    }
    /// Reference to this actor.
    pub fn self_ref(&self) -> ActorRef<A> {
        unimplemented!()
    }
    /// Cancelled when this activation ends.
    pub fn activation(&self) -> CancellationToken {
        unimplemented!()
    }
    /// Ends this activation after the turn.
    pub fn passivate(&mut self) {
        unimplemented!()
    }
}
