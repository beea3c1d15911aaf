//! Dials a peer, again and again, as long as there is no session with it.

use std::{io, sync::Arc, time::Duration};

use rand::Rng;
use tokio::time::{sleep, timeout};

use super::{
    connection::Closer,
    hello::{self, Hello, HelloError, Refusal, Reply},
    peer::{Peer, Taken},
    plane::{Doors, Plane},
    session::End,
};
use crate::tls::ChannelError;

/// Why a peer was not reached.
#[derive(Debug, thiserror::Error)]
enum DialError {
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Hello(#[from] HelloError),
    #[error("it refused: {0}")]
    Refused(Refusal),
    #[error("it did not answer in time")]
    Late,
    #[error("there is a connection in the other direction")]
    Taken,
    #[error("{}", .0.text())]
    Ended(End),
}

impl From<Taken> for DialError {
    fn from(_: Taken) -> Self {
        Self::Taken
    }
}

/// Keeps a session with a peer, until it is no peer any more.
pub(super) async fn keep(plane: Arc<Plane>, peer: Arc<Peer>) {
    tokio::select! {
        () = peer.removed.cancelled() => {}
        () = redial(&plane, &peer) => {}
    }
}

async fn redial(plane: &Arc<Plane>, peer: &Arc<Peer>) {
    let bounds = &plane.config.bounds;
    let mut pause = bounds.redial;
    loop {
        if let Some(session) = peer.session() {
            session.ended.cancelled().await;
            pause = bounds.redial;
            sleep(jittered(pause)).await;
            continue;
        }
        if !peer.is_dialled {
            sleep(jittered(bounds.courtesy)).await;
            if peer.session().is_some() {
                continue;
            }
        }
        match dial(plane, peer).await {
            Ok(()) | Err(DialError::Taken | DialError::Refused(Refusal::Connected)) => {}
            Err(error) => {
                tracing::debug!(peer = %peer.node, %error, "a peer was not reached");
                peer.set_trouble(error.to_string());
            }
        }
        if peer.session().is_some() {
            continue;
        }
        tokio::select! {
            () = sleep(jittered(pause)) => {}
            () = peer.moved.notified() => pause = bounds.redial,
        }
        pause = (pause * 2).min(bounds.redial_most);
    }
}

/// Between three quarters and five quarters of a pause, so that nodes that lost each other do not dial in step.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::rng().random_range(0.75..1.25))
}

async fn dial(plane: &Arc<Plane>, peer: &Arc<Peer>) -> Result<(), DialError> {
    let config = &plane.config;
    let ours = plane.door();
    let introduction = async {
        let (address, name) = peer.place();
        let mut stream = config.security.dial(address, Some(&name)).await?.stream;
        let hello = Hello::Member {
            cluster: config.cluster,
            cookie: plane.cookie.clone(),
            from: config.node,
            to: peer.node,
            door: ours,
        };
        hello::say(&mut stream, &hello).await?;
        match hello::hear(&mut stream).await? {
            Reply::Welcome(theirs) => Ok((stream, Doors { ours, theirs })),
            Reply::Refused(refusal) => Err(DialError::Refused(refusal)),
            Reply::Ask | Reply::Answer { .. } => Err(HelloError::Garbled.into()),
        }
    };
    let introduced = timeout(config.bounds.handshake, introduction).await;
    let (stream, doors) = introduced.map_err(|_| DialError::Late)??;
    let session = plane.session(peer, Closer::of(&stream)?, doors, true);
    let before = peer.claim(&session)?;
    plane.roster.add(&session);
    plane.raise(&session, before, stream).await.map_err(DialError::Ended)
}
