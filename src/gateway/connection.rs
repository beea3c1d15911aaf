//! Connections of clients: each wait for a client has an end.
//!
//! | a client that | is let go after |
//! |---|---|
//! | does not send the whole head of its first request | 5 s, with 408 |
//! | sends nothing between two requests | 5 s |
//! | does not send the whole head of a later request | 10 s |
//! | does not send its whole body (`body`) | 30 s, with 408 |
//! | takes nothing of what is sent to it | 30 s |
//!
//! The HTTP library has the first two. It does not bound the head of a later request, so somebody who sends it byte by byte would hold a
//! connection for ever; [`Watched`] does. It stands around the stream and knows from the [`Pace`] of the connection whether a
//! request is being worked on.

use std::{
    cell::Cell,
    fmt,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use actix_http::{HttpService, Protocol, error::DispatchError};
use actix_service::{ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    dev::AppConfig,
    web::Bytes,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use super::{routes::app, state::Gateway};

/// Longest time for the head of the first request.
const FIRST_HEAD: Duration = Duration::from_secs(5);
/// Longest time for the head of a later request, from its first byte.
const LATER_HEAD: Duration = Duration::from_secs(10);
/// Longest time between two requests.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Longest time without a byte and without a request; the library closes the connection before.
const IDLE: Duration = Duration::from_secs(15);
/// Longest time in which a client takes nothing.
const STALL: Duration = Duration::from_secs(30);
/// Longest time until a client has closed a connection that is at its end.
const DISCONNECT: Duration = Duration::from_secs(2);

/// Serves connections to `address`. They end their keeping alive when what `stopping` makes is ready.
pub(crate) fn connections<C, F, S>(
    gateway: &Gateway,
    address: SocketAddr,
    stopping: F,
) -> impl ServiceFactory<(C, Option<SocketAddr>), Config = (), Response = (), Error = DispatchError, InitError = ()>
+ use<C, F, S>
where
    C: AsyncRead + AsyncWrite + Unpin + 'static,
    F: Fn() -> S + 'static,
    S: Future<Output = ()> + 'static,
{
    let http = HttpService::build()
        .graceful_shutdown_signal(stopping)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(FIRST_HEAD)
        .client_disconnect_timeout(DISCONNECT)
        .local_addr(address)
        .on_connect_ext(|stream: &Watched<C>, data| {
            data.insert(Rc::clone(&stream.pace));
        })
        // What it says of the server is for making addresses, which are made from the configuration here.
        .finish(map_config(app(gateway.clone()), |()| AppConfig::default()));
    fn_service(|(stream, peer): (C, Option<SocketAddr>)| async move {
        Ok::<_, DispatchError>((Watched::new(stream), Protocol::Http1, peer))
    })
    .and_then(http)
}

/// Whether requests of a connection are being worked on.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    busy: Cell<usize>,
    /// Requests so far.
    begun: Cell<u64>,
    /// Whether nothing more is taken from it.
    given_up: Cell<bool>,
}

impl Pace {
    /// A request is being worked on from now until the guard is dropped.
    pub(crate) fn begin(self: &Rc<Self>) -> Busy {
        self.busy.set(self.busy.get() + 1);
        self.begun.set(self.begun.get() + 1);
        Busy(Rc::clone(self))
    }

    /// Takes nothing more from the connection. What the library has read already as further requests is kept from being answered
    /// by [`proceed`](Self::proceed).
    pub(crate) fn give_up(&self) {
        self.given_up.set(true);
    }

    /// Goes on, if the connection was not given up. Otherwise it never does: the stream fails at the next look at it, and all that
    /// waits on it ends.
    pub(crate) async fn proceed(&self) {
        if self.given_up.get() {
            tokio::task::yield_now().await;
            std::future::pending().await
        }
    }
}

/// A request is being worked on.
#[derive(Debug)]
pub(crate) struct Busy(Rc<Pace>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.set(self.0.busy.get() - 1);
    }
}

/// A body until whose end its request counts as worked on.
#[derive(Debug)]
pub(crate) struct BusyBody {
    body: BoxBody,
    /// Counts until it is dropped.
    _busy: Busy,
}

impl BusyBody {
    pub(crate) fn new(body: BoxBody, busy: Busy) -> Self {
        Self { body, _busy: busy }
    }
}

impl MessageBody for BusyBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_next(cx)
    }
}

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The answer to a request, which has bounds of its own.
    Answer,
    /// A request.
    Request,
    /// The rest of the head of one.
    Head,
}

/// A stream that ends where its client makes the server wait too long.
struct Watched<S> {
    stream: S,
    pace: Rc<Pace>,
    phase: Phase,
    /// Requests that had begun when the phase did.
    begun: u64,
    /// The end of the phase.
    patience: Pin<Box<Sleep>>,
    /// Since when nothing can be written.
    stall: Option<Pin<Box<Sleep>>>,
}

impl<S> Watched<S> {
    fn new(stream: S) -> Self {
        Self {
            stream,
            pace: Rc::default(),
            phase: Phase::Answer,
            begun: 0,
            patience: Box::pin(sleep(IDLE)),
            stall: None,
        }
    }

    fn enter(&mut self, phase: Phase, patience: Duration) {
        if self.phase != phase {
            self.phase = phase;
            self.patience.as_mut().reset(Instant::now() + patience);
        }
    }

    /// Looks whether a request has begun, or is still worked on.
    fn is_answering(&mut self) -> bool {
        let begun = self.pace.begun.get();
        if begun != self.begun {
            // Whatever was waited for is there.
            (self.begun, self.phase) = (begun, Phase::Answer);
        }
        let is_busy = self.pace.busy.get() > 0;
        if is_busy {
            self.phase = Phase::Answer;
        }
        is_busy
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.pace.given_up.get() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        if this.stall.is_some() {
            // Answers that are not taken pile up in memory: nothing more is asked for until they are. Writing wakes the reader again.
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if this.is_answering() {
            return polled;
        }
        if polled.is_ready() {
            if buffer.filled().len() > before {
                this.enter(Phase::Head, LATER_HEAD);
            }
            return polled;
        }
        if this.phase == Phase::Answer {
            this.enter(Phase::Request, IDLE);
        }
        this.patience.as_mut().poll(cx).map(|()| Err(too_slow()))
    }
}

impl<S: AsyncWrite + Unpin> Watched<S> {
    /// Ends a stream that takes nothing.
    fn pushed<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            if self.stall.take().is_some() {
                cx.waker().wake_by_ref();
            }
            return polled;
        }
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(STALL)));
        stall.as_mut().poll(cx).map(|()| Err(too_slow()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.pushed(cx, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write_vectored(cx, bytes);
        this.pushed(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl<S> fmt::Debug for Watched<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Watched")
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the client took too long")
}
