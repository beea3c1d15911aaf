//! One client: what goes in, what goes out, and how it ends.

use std::{convert::Infallible, future::pending, time::Duration};

use actix_http::ws::{CloseCode, CloseReason, Codec, Message};
use actix_web::{
    HttpRequest, HttpResponse,
    body::{BodyStream, MessageBody},
    dev, web,
};
use bytes::{Bytes, BytesMut};
use cluster::{
    Closing, Outgoing, SocketReceiver, SocketSender,
    prelude::{ActorId, Opening},
};
use futures_util::{FutureExt, StreamExt};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::codec::Encoder;

use super::{
    count::Counted,
    decoder::{Decoder, Received, Violation},
    handshake::handshake,
};
use crate::{
    gateway::{caller::Caller, error::Problem, state::Gateway},
    metrics,
};

/// Pieces of output that wait for the connection to take them.
const PIECES: usize = 1;

/// Bytes from which on a piece takes no further frame.
const PIECE_BYTES: usize = 32 * 1024;

/// How often it is asked whether a caller is still let in, at most.
const CHECKED: Duration = Duration::from_secs(1);

/// For how long a client stays that cannot be asked about.
const GRACE: Duration = Duration::from_secs(30);

/// Longest wait for a client to say goodbye, or to take the goodbye.
const GOODBYE: Duration = Duration::from_secs(5);

/// Close codes (RFC 6455, section 7.4.1, and its registry).
const NORMAL: u16 = 1000;
const NO_STATUS: u16 = 1005;
const POLICY: u16 = 1008;
const RESTART: u16 = 1012;
const TRY_AGAIN: u16 = 1013;

/// Connects a client to an actor.
///
/// # Errors
///
/// Fails if the request is no opening handshake, the tenant has too many sockets, or the actor refuses.
pub(crate) async fn connect(
    request: &HttpRequest,
    payload: web::Payload,
    gateway: &web::Data<Gateway>,
    caller: Caller,
    actor: ActorId,
    opening: Opening,
) -> Result<HttpResponse, Problem> {
    let mut response = handshake(request)?;
    let counted = gateway
        .socket_counts
        .another(&caller.tenant, gateway.sockets.per_tenant)?;
    let credentials = gateway.context.renewed(&caller);
    let (sender, receiver) = gateway.cluster.connect(actor, opening, credentials).await?;
    let (pieces, stream) = mpsc::channel::<Bytes>(PIECES);
    let now = Instant::now();
    let session_end = now + caller.remaining().min(gateway.sockets.lifetime());
    let pump = Pump {
        gateway: gateway.clone(),
        caller,
        sender: Some(sender),
        receiver,
        payload: payload.into_inner(),
        decoder: Decoder::new(gateway.sockets.message_limit_bytes),
        encoder: Codec::new(),
        waiting: None,
        piece: BytesMut::new(),
        pieces,
        heard: now,
        checked: now,
        born: now,
        session_end,
        _counted: counted,
    };
    actix_web::rt::spawn(pump.run());
    let body = BodyStream::new(ReceiverStream::new(stream).map(Ok::<_, Infallible>));
    let response = response.message_body(body.boxed()).map_err(|_| Problem::internal())?;
    Ok(HttpResponse::from(response))
}

/// What one client needs.
struct Pump {
    gateway: web::Data<Gateway>,
    caller: Caller,
    /// None once the actor was told that the client has gone.
    sender: Option<SocketSender>,
    receiver: SocketReceiver,
    payload: dev::Payload,
    decoder: Decoder,
    encoder: Codec,
    /// A frame that the actor has no room for yet. Until then nothing is read.
    waiting: Option<cluster::Frame>,
    /// What is to be sent next.
    piece: BytesMut,
    pieces: mpsc::Sender<Bytes>,
    /// When the client last showed a sign of life.
    heard: Instant,
    /// When it was last known that the caller is let in.
    checked: Instant,
    born: Instant,
    /// When what the caller has shown is over.
    session_end: Instant,
    _counted: Counted,
}

/// How a connection ends.
enum End {
    /// The client says goodbye.
    Farewell(Closing),
    /// The client breaks the protocol, or the server has had enough: the client is told so.
    Dismissal { code: u16, reason: String },
    /// The connection is gone.
    Lost,
}

/// What happens next.
enum Event {
    Read(Option<Bytes>),
    Room,
    Written,
    Outgoing(Option<Outgoing>),
    Tick,
    Stopping,
}

impl Pump {
    async fn run(mut self) {
        let end = self.until_end().await;
        let code = match &end {
            End::Farewell(closing) => closing.code,
            End::Dismissal { code, .. } => *code,
            End::Lost => Closing::lost().code,
        };
        ::metrics::counter!(metrics::SOCKETS_CLOSED_TOTAL, "code" => label(code)).increment(1);
        self.finish(end).await;
    }

    async fn until_end(&mut self) -> End {
        let closing = self.gateway.readiness.streams().clone();
        let mut tick = Box::pin(sleep_until(self.next_tick()));
        loop {
            let has_output = !self.piece.is_empty();
            let sender = self.sender.as_ref();
            let event = tokio::select! {
                () = closing.cancelled() => Event::Stopping,
                permit = self.pieces.reserve(), if has_output => {
                    let Ok(permit) = permit else { return End::Lost };
                    permit.send(self.piece.split().freeze());
                    Event::Written
                },
                outgoing = self.receiver.next(), if !has_output => Event::Outgoing(outgoing),
                () = ready(sender), if self.waiting.is_some() => Event::Room,
                read = self.payload.next(), if self.waiting.is_none() => Event::Read(read.and_then(Result::ok)),
                () = tick.as_mut() => Event::Tick,
            };
            let ended = match event {
                Event::Stopping => Some(dismissal(RESTART, "the server stops")),
                Event::Written => {
                    self.piece = BytesMut::new();
                    None
                }
                Event::Outgoing(outgoing) => self.take(outgoing).await,
                Event::Room => {
                    self.hand_over();
                    self.handle_read().await
                }
                Event::Read(None) => Some(End::Lost),
                Event::Read(Some(bytes)) => {
                    self.heard = Instant::now();
                    self.decoder.push(&bytes);
                    self.handle_read().await
                }
                Event::Tick => {
                    let ended = self.look_around().await;
                    tick.as_mut().reset(self.next_tick());
                    ended
                }
            };
            if let Some(end) = ended {
                return end;
            }
        }
    }

    /// When the connection is looked at without a cause.
    fn next_tick(&self) -> Instant {
        let now = Instant::now();
        let sign_of_life = self.heard + self.gateway.sockets.ping();
        let next = if sign_of_life > now {
            sign_of_life
        } else {
            now + self.gateway.sockets.ping()
        };
        [self.session_end, self.born + self.gateway.sockets.lifetime()]
            .into_iter()
            .filter(|end| *end > now)
            .fold(next, Instant::min)
    }

    /// Looks whether the client is there, and may stay.
    async fn look_around(&mut self) -> Option<End> {
        let sockets = &self.gateway.sockets;
        if self.heard.elapsed() >= sockets.silence() {
            return Some(End::Lost);
        }
        if self.born.elapsed() >= sockets.lifetime() {
            return Some(dismissal(RESTART, "the connection has lived for long"));
        }
        if Instant::now() >= self.session_end {
            return Some(dismissal(POLICY, "auth.expired"));
        }
        if self.heard.elapsed() >= sockets.ping() {
            self.say(Message::Ping(Bytes::new()));
        }
        self.check().await
    }

    /// Makes sure that the caller is still let in, now and then.
    async fn check(&mut self) -> Option<End> {
        if self.checked.elapsed() < CHECKED {
            return None;
        }
        match self.gateway.callers.again(&self.caller).await {
            Ok(now) if now.scope != self.caller.scope || now.plan != self.caller.plan => {
                Some(dismissal(RESTART, "what you may do has changed"))
            }
            Ok(_) => {
                self.checked = Instant::now();
                None
            }
            Err(problem) if problem.status().is_client_error() => Some(dismissal(POLICY, problem.code())),
            Err(problem) if self.checked.elapsed() > GRACE => Some(dismissal(TRY_AGAIN, problem.code())),
            Err(_) => None,
        }
    }

    /// Handles what has been read.
    async fn handle_read(&mut self) -> Option<End> {
        while self.waiting.is_none() {
            match self.decoder.next() {
                Ok(None) => return None,
                Ok(Some(Received::Message(frame))) => {
                    if let Some(end) = self.check().await {
                        return Some(end);
                    }
                    ::metrics::counter!(metrics::SOCKET_FRAMES_TOTAL, "direction" => "in").increment(1);
                    self.waiting = Some(frame);
                    self.hand_over();
                }
                Ok(Some(Received::Ping(bytes))) => self.say(Message::Pong(bytes)),
                Ok(Some(Received::Pong)) => {}
                Ok(Some(Received::Close(closing))) => return Some(End::Farewell(closing)),
                Err(Violation { code, reason }) => return Some(dismissal(code, reason)),
            }
        }
        None
    }

    /// Gives a frame to the actor, if there is room for it.
    fn hand_over(&mut self) {
        if let (Some(frame), Some(sender)) = (self.waiting.take(), &self.sender) {
            self.waiting = sender.try_send(frame).err();
        }
    }

    /// Takes what the actor sends, and what follows at once.
    async fn take(&mut self, outgoing: Option<Outgoing>) -> Option<End> {
        if let Some(end) = self.check().await {
            return Some(end);
        }
        let mut next = outgoing;
        loop {
            match next {
                None => return Some(End::Lost),
                Some(Outgoing::Close(closing)) => return Some(dismissal(closing.code, closing.reason)),
                Some(Outgoing::Frame(frame)) => {
                    ::metrics::counter!(metrics::SOCKET_FRAMES_TOTAL, "direction" => "out").increment(1);
                    self.say(match frame {
                        cluster::Frame::Text(text) => Message::Text(text.into()),
                        cluster::Frame::Binary(bytes) => Message::Binary(bytes.into()),
                    });
                }
            }
            if self.piece.len() >= PIECE_BYTES {
                return None;
            }
            match self.receiver.next().now_or_never() {
                Some(more) => next = more,
                None => return None,
            }
        }
    }

    fn say(&mut self, message: Message) {
        if let Err(error) = self.encoder.encode(message, &mut self.piece) {
            tracing::debug!(%error, "a frame could not be encoded");
        }
    }

    /// Says goodbye on both sides.
    async fn finish(mut self, end: End) {
        let sender = self.sender.take();
        let tell = |closing: Closing| {
            if let Some(sender) = sender {
                sender.close(closing);
            }
        };
        match end {
            End::Lost => tell(Closing::lost()),
            End::Farewell(closing) => {
                // The same code goes back, as far as it may be sent.
                let code = if closing.code == NO_STATUS {
                    NORMAL
                } else {
                    closing.code
                };
                tell(closing);
                self.say_goodbye(code, String::new()).await;
            }
            End::Dismissal { code, reason } => {
                let is_taken = self.say_goodbye(code, reason.clone()).await;
                let is_clean = is_taken && timeout(GOODBYE, self.farewell()).await.unwrap_or(false);
                tell(Closing { code, reason, is_clean });
            }
        }
    }

    /// Sends a close frame behind what was sent before. Says whether the connection took it.
    async fn say_goodbye(&mut self, code: u16, reason: String) -> bool {
        self.say(Message::Close(Some(CloseReason {
            code: CloseCode::from(code),
            description: (!reason.is_empty()).then_some(reason),
        })));
        let piece = self.piece.split().freeze();
        matches!(timeout(GOODBYE, self.pieces.send(piece)).await, Ok(Ok(())))
    }

    /// Waits until the client has said goodbye too; what it sends until then is not handled.
    async fn farewell(&mut self) -> bool {
        loop {
            match self.decoder.next() {
                Ok(Some(Received::Close(_))) => return true,
                Ok(Some(_)) => continue,
                Ok(None) => {}
                Err(_) => return false,
            }
            match self.payload.next().await {
                Some(Ok(bytes)) => self.decoder.push(&bytes),
                Some(Err(_)) | None => return false,
            }
        }
    }
}

async fn ready(sender: Option<&SocketSender>) {
    match sender {
        Some(sender) => sender.ready().await,
        None => pending().await,
    }
}

fn dismissal(code: u16, reason: impl Into<String>) -> End {
    End::Dismissal {
        code,
        reason: reason.into(),
    }
}

/// The code as a label: those of applications are one.
fn label(code: u16) -> String {
    match code {
        1000..=1015 => code.to_string(),
        _ => "other".to_owned(),
    }
}
