//! The gateways: the only actors of a node that other nodes can reach.
//!
//! There are two, however many peers and calls there are. One takes calls, so that those of one peer arrive in the order
//! in which they were made; the other takes answers and pulses, which never wait behind calls. Neither waits for
//! anything: what takes time runs in a task of its own.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use ractor::{Actor, ActorProcessingErr, ActorRef, SpawnErr};
use tokio::runtime::Handle;

use super::{
    envelope::{Content, Envelope, FRAME, Fault},
    meter::{Meter, Served},
    roster::Roster,
    session::{Outcome, Session},
};
use crate::peers::{Lane, Service};

/// One gateway.
pub(crate) struct Gateway {
    roster: Arc<Roster>,
    desk: Arc<Desk>,
}

/// Where requests are served.
pub(crate) struct Desk {
    pub(crate) service: Arc<dyn Service>,
    pub(crate) meter: Arc<Meter>,
    /// Most bytes of an answer.
    pub(crate) body: usize,
}

impl Gateway {
    /// Starts one.
    pub(crate) async fn start(roster: Arc<Roster>, desk: Arc<Desk>) -> Result<ActorRef<Envelope>, SpawnErr> {
        Ok(Actor::spawn(None, Self { roster, desk }, ()).await?.0)
    }
}

impl Actor for Gateway {
    type Msg = Envelope;
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Envelope>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }

    async fn handle(&self, _: ActorRef<Envelope>, envelope: Envelope, (): &mut ()) -> Result<(), ActorProcessingErr> {
        let size = envelope.size();
        let Some((header, content)) = envelope.open() else {
            tracing::warn!("an envelope cannot be read");
            return Ok(());
        };
        // It may have ended meanwhile.
        let Some(session) = self.roster.of_token(header.token) else {
            return Ok(());
        };
        session.arrived(header);
        match content {
            Content::Call {
                correlation,
                within,
                body,
            } => self.desk.take(session, correlation, within, body),
            Content::Answer { correlation, body } => {
                session.answered(correlation, Outcome::Answer(body));
                session.dealt_with(size);
            }
            Content::Fault { correlation, fault } => {
                session.answered(correlation, Outcome::Fault(fault));
                session.dealt_with(size);
            }
            Content::Pulse => session.dealt_with(size),
        }
        Ok(())
    }
}

/// A request of a peer counts as dealt with when this is dropped.
struct Taken {
    session: Arc<Session>,
    size: usize,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.session.dealt_with(self.size);
    }
}

impl Desk {
    /// Serves a request in a task of its own, or turns it away at a bound.
    fn take(self: &Arc<Self>, session: Arc<Session>, correlation: u64, within: Duration, body: Bytes) {
        let size = FRAME + body.len();
        let taken = Taken {
            session: Arc::clone(&session),
            size,
        };
        let permit = Arc::clone(&session.serving).try_acquire_owned();
        let Some(permit) = permit.ok().filter(|_| !session.is_clogged()) else {
            drop(taken);
            self.meter.served(Served::Overloaded);
            let fault = Fault::Overloaded;
            session.send(&Content::Fault { correlation, fault });
            return;
        };
        let serving = catch_unwind(AssertUnwindSafe(|| {
            self.service.serve(session.peer, Lane::Request, body)
        }));
        let Ok(serving) = serving else {
            drop(taken);
            self.failed(&session, correlation, Fault::Failed);
            return;
        };
        let desk = Arc::clone(self);
        Handle::current().spawn(async move {
            let answer = tokio::select! {
                // Nobody waits for the answer any more.
                () = session.ended.cancelled() => None,
                answer = tokio::time::timeout(within, AssertUnwindSafe(serving).catch_unwind()) => answer.ok(),
            };
            drop((taken, permit));
            match answer {
                None => desk.meter.served(Served::Abandoned),
                Some(Err(_)) => desk.failed(&session, correlation, Fault::Failed),
                Some(Ok(body)) if body.len() > desk.body => desk.failed(&session, correlation, Fault::TooLarge),
                Some(Ok(body)) => {
                    session.send(&Content::Answer { correlation, body });
                    desk.meter.served(Served::Answered);
                }
            }
        });
    }

    fn failed(&self, session: &Session, correlation: u64, fault: Fault) {
        tracing::error!(peer = %session.peer, ?fault, "a request of a peer has no answer");
        self.meter.served(Served::Failed);
        session.send(&Content::Fault { correlation, fault });
    }
}
