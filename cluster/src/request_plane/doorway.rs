//! Takes connections in: everything up to the end of the hello has one deadline, and only so many are in it at once.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

use super::{
    connection::Closer,
    hello::{self, Door, Hello, HelloError, Refusal, Reply},
    peer::Taken,
    plane::{Doors, Plane},
    session::{End, Session},
    stranger,
};
use crate::{
    node_name::NodeName,
    tls::{ChannelError, Stream},
};

/// Pause after a connection could not be taken, as when there are no file descriptors left.
const RELIEF: Duration = Duration::from_millis(100);

/// Time and bytes for whoever is refused to hear so.
const FAREWELL: Duration = Duration::from_secs(1);
const FAREWELL_BYTES: u64 = 64 * 1024;

/// Where others come in.
pub(super) struct Doorway {
    plane: Arc<Plane>,
    handshakes: Arc<Semaphore>,
    joining: Semaphore,
}

/// A session that may begin.
struct Admitted {
    session: Arc<Session>,
    /// The one before it.
    before: Option<Arc<Session>>,
    door: Door,
}

/// Why nothing came of a connection.
#[derive(Debug, thiserror::Error)]
enum GreetError {
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Hello(#[from] HelloError),
    #[error("the handshake took too long")]
    Late,
}

impl Doorway {
    pub(super) fn new(plane: Arc<Plane>) -> Arc<Self> {
        let bounds = &plane.config.bounds;
        Arc::new(Self {
            handshakes: Arc::new(Semaphore::new(bounds.handshakes)),
            joining: Semaphore::new(bounds.joining),
            plane,
        })
    }

    /// Takes connections in, until the plane is closed.
    pub(super) async fn listen(self: Arc<Self>, listener: TcpListener) {
        let closed = self.plane.closed.clone();
        tokio::select! {
            () = closed.cancelled() => {}
            () = self.take(listener) => {}
        }
    }

    async fn take(self: Arc<Self>, listener: TcpListener) {
        loop {
            // Nobody closes this semaphore; more connections wait in the backlog of the listener.
            let Ok(permit) = Arc::clone(&self.handshakes).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((socket, _)) => {
                    let doorway = Arc::clone(&self);
                    self.plane.spawn(async move {
                        let closed = doorway.plane.closed.clone();
                        tokio::select! {
                            () = closed.cancelled() => {}
                            () = doorway.greet(socket) => {}
                        }
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken in");
                    sleep(RELIEF).await;
                }
            }
        }
    }

    async fn greet(&self, socket: TcpStream) {
        let from = socket.peer_addr().ok();
        if let Err(error) = self.receive(socket).await {
            tracing::debug!(?from, %error, "nothing came of a connection");
        }
    }

    async fn receive(&self, socket: TcpStream) -> Result<(), GreetError> {
        let config = &self.plane.config;
        // TLS and the hello are timed together.
        let introduction = async {
            let mut channel = config.security.accept(socket).await?;
            let hello = hello::hear(&mut channel.stream).await;
            Ok::<_, GreetError>((channel, hello))
        };
        let introduced = timeout(config.bounds.handshake, introduction).await;
        let (channel, hello) = introduced.map_err(|_| GreetError::Late)??;
        let mut stream = channel.stream;
        let closer = Closer::of(&stream)?;
        let refusal = match hello {
            Ok(Hello::Joining { length }) => match self.joining.try_acquire() {
                Ok(_permit) => {
                    let answered = stranger::answer(&self.plane, &mut stream, length).await?;
                    match answered {
                        Ok(()) => return Ok(()),
                        Err(refusal) => refusal,
                    }
                }
                Err(_) => Refusal::Busy,
            },
            Ok(hello) => match self.admit(closer, channel.peer.as_ref(), &hello) {
                Ok(Admitted { session, before, door }) => {
                    if let Err(error) = hello::say(&mut stream, &Reply::Welcome(door)).await {
                        self.plane.forget(&session, End::Closed);
                        return Err(error.into());
                    }
                    // Whoever dialled tries again, if it does not come up.
                    let _ = self.plane.raise(&session, before, stream).await;
                    return Ok(());
                }
                Err(refusal) => refusal,
            },
            Err(HelloError::Version(_)) => Refusal::Version(hello::VERSION),
            Err(HelloError::Garbled) => Refusal::Garbled,
            // It may be anything; it is told nothing.
            Err(error @ (HelloError::Io(_) | HelloError::Magic)) => return Err(error.into()),
        };
        self.refuse(stream, refusal).await
    }

    /// Who says hello gets a session, if it is who it should be.
    fn admit(&self, closer: Closer, certified: Option<&NodeName>, hello: &Hello) -> Result<Admitted, Refusal> {
        let config = &self.plane.config;
        let Hello::Member {
            cluster,
            cookie,
            from,
            to,
            door,
        } = hello
        else {
            return Err(Refusal::Garbled);
        };
        if *cluster != config.cluster {
            return Err(Refusal::Cluster);
        }
        if *cookie != self.plane.cookie {
            return Err(Refusal::Cookie);
        }
        if *to != config.node {
            return Err(Refusal::Node(config.node));
        }
        let peer = self.plane.peer(*from).ok_or(Refusal::Unknown)?;
        // Without certificates nobody has to prove it.
        if certified.is_some_and(|certified| *certified != peer.place().1) {
            return Err(Refusal::Certificate);
        }
        let ours = self.plane.door();
        let doors = Doors { ours, theirs: *door };
        let session = self.plane.session(&peer, closer, doors, false);
        let before = peer.claim(&session).map_err(|Taken| Refusal::Connected)?;
        self.plane.roster.add(&session);
        Ok(Admitted {
            session,
            before,
            door: ours,
        })
    }

    async fn refuse(&self, mut stream: Stream, refusal: Refusal) -> Result<(), GreetError> {
        tracing::debug!(%refusal, "a connection was refused");
        self.plane.meter.refused(&refusal);
        let farewell = async {
            hello::say(&mut stream, &Reply::Refused(refusal)).await?;
            stream.shutdown().await?;
            // What was sent but not read would take the refusal along when the connection is dropped.
            tokio::io::copy(&mut stream.take(FAREWELL_BYTES), &mut tokio::io::sink()).await?;
            Ok::<_, HelloError>(())
        };
        timeout(FAREWELL, farewell).await.map_err(|_| GreetError::Late)??;
        Ok(())
    }
}
