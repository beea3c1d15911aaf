//! How a request of a session is answered: with JSON if the answer is the first that the server says and it comes soon, else with a
//! stream of events.
//!
//! What a stream says is in the session before the client hears it. So the client may lose its connection and read on from any node; the
//! work goes on meanwhile. A node that dies stops saying that it works, and the session answers in its place.

use std::{any::Any, convert::Infallible, sync::Arc, time::Duration};

use actix_web::{HttpResponse, http::header};
use actors::mcp_session::{AppendMcpEvents, BeatMcpStream, EVENT_BYTES_MAX, Handed, McpSessionView, ReplayMcpStream};
use bytes::Bytes;
use cluster::prelude::{ErrorKind, Uuid};
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, ErrorData, GetExtensions, InitializeRequestParams,
    JsonRpcMessage, JsonRpcRequest, ProtocolVersion, ServerJsonRpcMessage,
};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::{
    agent::Server,
    call::{McpCall, McpStream},
    exchange::{self, Ends},
    legacy,
    level::Level,
    live::Entered,
    sessions::Session,
};
use crate::gateway::error::Problem;

/// How long the answer is waited for before the client gets a stream that it can come back to.
const PROMPT: Duration = Duration::from_secs(2);
/// How often whoever works on a stream says so, and looks for messages of the client that another node took.
const BEAT: Duration = Duration::from_millis(500);
/// How often a stream is looked at that is worked on elsewhere.
const LOOK: Duration = Duration::from_millis(250);
/// How long a stream is silent before a comment is sent.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Frames that wait for a slow client before the stream waits too.
pub(super) const FRAMES_MAX: usize = 16;
/// Messages that are stored together.
const BATCH_MAX: usize = 32;
/// Tries to store what a stream says.
const TRIES_MAX: u32 = 20;
/// How long is waited between them.
const PAUSE: Duration = Duration::from_millis(250);
/// What clients wait before they connect again, in milliseconds.
const RETRY_MS: u32 = 1000;

/// A request that is worked on.
struct Work {
    call: McpCall,
    session: Session,
    stream: Arc<str>,
    request: Arc<str>,
    ends: Ends,
    handed: mpsc::Receiver<ClientJsonRpcMessage>,
    closing: McpStream,
    /// From which level on the client hears log messages.
    level: Option<Level>,
    /// Events so far.
    count: u64,
    /// Number of the last message of the client that another node took.
    read: u64,
    /// Ends the work when it is dropped.
    _service: Box<dyn Any + Send>,
    _entered: Entered,
}

/// What comes first.
enum First {
    Answer(Box<ServerJsonRpcMessage>),
    /// Something else does, or nothing does soon.
    Stream {
        said: Option<Box<ServerJsonRpcMessage>>,
        stays_open: bool,
    },
    Cancelled,
    Nothing,
}

/// Answers a request of a session.
pub(super) async fn answer(
    server: &Server,
    call: McpCall,
    session: Session,
    known: (McpSessionView, InitializeRequestParams),
    request: JsonRpcRequest<ClientRequest>,
) -> Result<HttpResponse, Problem> {
    let primes = known.1.protocol_version >= ProtocolVersion::V_2025_11_25;
    let stream = Uuid::new_v4().simple().to_string();
    let mut work = Work::begin(server, call, session, stream, known, request)?;
    let (said, stays_open) = match work.first().await {
        First::Answer(message) => return json(&message),
        First::Stream { said, stays_open } => (said, stays_open),
        First::Cancelled => return Ok(HttpResponse::Accepted().finish()),
        First::Nothing => return Err(Problem::internal()),
    };
    work.store(Vec::new(), false).await?;
    let (frames, receiver) = mpsc::channel(FRAMES_MAX);
    if primes {
        // The channel is empty.
        frames.try_send(primer(&work.stream, 0)).ok();
    }
    let frames = stays_open.then_some(frames);
    actix_web::rt::spawn(work.pump(said, frames));
    Ok(events(receiver))
}

/// Begins to answer a request whose answer the client hears elsewhere.
pub(super) async fn answer_elsewhere(
    server: &Server,
    call: McpCall,
    session: Session,
    known: (McpSessionView, InitializeRequestParams),
    request: JsonRpcRequest<ClientRequest>,
) -> Result<(), Problem> {
    let mut work = Work::begin(server, call, session, legacy::part(), known, request)?;
    work.store(Vec::new(), false).await?;
    actix_web::rt::spawn(work.pump(None, None));
    Ok(())
}

/// A JSON answer.
pub(super) fn json(message: &ServerJsonRpcMessage) -> Result<HttpResponse, Problem> {
    let body = serde_json::to_vec(message).map_err(|_| Problem::internal())?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(body))
}

pub(super) fn events(frames: mpsc::Receiver<Bytes>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // Tells the compressor and proxies to pass each frame on at once.
        .insert_header((header::CONTENT_ENCODING, "identity"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(tokio_stream::StreamExt::map(
            ReceiverStream::new(frames),
            Ok::<Bytes, Infallible>,
        ))
}

/// An event without content, so that the client knows where to come back to.
pub(super) fn primer(stream: &str, number: u64) -> Bytes {
    Bytes::from(format!("id: {stream}-{number}\nretry: {RETRY_MS}\ndata: \n\n"))
}

pub(super) fn frame(id: Option<(&str, u64)>, text: &str) -> Bytes {
    match id {
        Some((stream, number)) => Bytes::from(format!("id: {stream}-{number}\nevent: message\ndata: {text}\n\n")),
        None => Bytes::from(format!("event: message\ndata: {text}\n\n")),
    }
}

fn is_answer(message: &ServerJsonRpcMessage) -> bool {
    matches!(message, JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_))
}

fn cancels(message: &ClientJsonRpcMessage) -> bool {
    matches!(
        message,
        JsonRpcMessage::Notification(notification)
            if matches!(notification.notification, ClientNotification::CancelledNotification(_))
    )
}

impl Work {
    /// Gives a request to the server.
    fn begin(
        server: &Server,
        call: McpCall,
        session: Session,
        stream: String,
        (view, initialize): (McpSessionView, InitializeRequestParams),
        mut request: JsonRpcRequest<ClientRequest>,
    ) -> Result<Self, Problem> {
        let stream: Arc<str> = stream.into();
        let id: Arc<str> = serde_json::to_string(&request.id)
            .map_err(|_| Problem::internal())?
            .into();
        let closing = McpStream::default();
        request.request.extensions_mut().insert(closing.clone());
        let (exchange, ends) = exchange::begin(Arc::clone(&stream), JsonRpcMessage::Request(request));
        let (entered, handed) = call.gateway().mcp.live.enter(session.id, &stream, &id);
        let service = server.serve(call.clone(), exchange, initialize, CancellationToken::new());
        Ok(Self {
            call,
            session,
            stream,
            request: id,
            ends,
            handed,
            closing,
            level: view.level.as_deref().and_then(Level::parse),
            count: 0,
            read: 0,
            _service: service,
            _entered: entered,
        })
    }

    /// Waits for what the server says first.
    async fn first(&mut self) -> First {
        let prompt = Instant::now() + PROMPT;
        loop {
            let said = tokio::select! {
                said = self.ends.from_server.recv() => said,
                Some(message) = self.handed.recv() => {
                    let is_cancelled = cancels(&message);
                    self.ends.to_server.send(message).await.ok();
                    if is_cancelled {
                        return First::Cancelled;
                    }
                    continue;
                }
                () = self.closing.closed() => return First::Stream { said: None, stays_open: false },
                () = sleep_until(prompt) => return First::Stream { said: None, stays_open: true },
            };
            return match said {
                None => First::Nothing,
                Some(message) if is_answer(&message) => First::Answer(Box::new(message)),
                Some(message) if self.hears(&message) => First::Stream {
                    said: Some(Box::new(message)),
                    stays_open: true,
                },
                Some(_) => continue,
            };
        }
    }

    /// Says on the stream what the server says, until it has answered.
    async fn pump(mut self, mut said: Option<Box<ServerJsonRpcMessage>>, mut frames: Option<mpsc::Sender<Bytes>>) {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut spoken = Instant::now();
        loop {
            let message = match said.take() {
                Some(first) => *first,
                None => tokio::select! {
                    message = self.ends.from_server.recv() => match message {
                        Some(message) => message,
                        None => break,
                    },
                    Some(message) = self.handed.recv() => {
                        if self.take(message).await {
                            break;
                        }
                        continue;
                    }
                    () = self.closing.closed() => {
                        frames = None;
                        continue;
                    }
                    _ = beat.tick() => {
                        if self.beat().await {
                            break;
                        }
                        if spoken.elapsed() >= KEEP_ALIVE {
                            spoken = Instant::now();
                            self.tell(&mut frames, Bytes::from_static(b": keep-alive\n\n")).await;
                        }
                        continue;
                    }
                },
            };
            let (messages, ends) = self.batch(message);
            if messages.is_empty() {
                continue;
            }
            let texts: Vec<_> = messages
                .iter()
                .filter_map(|message| serde_json::to_string(message).ok())
                .collect();
            let first = match self.store(texts.clone(), ends).await {
                Ok(first) => first,
                Err(problem) => {
                    tracing::debug!(code = problem.code(), "a stream of an MCP session could not be kept");
                    return;
                }
            };
            spoken = Instant::now();
            for (number, text) in (first..).zip(&texts) {
                let id = (text.len() <= EVENT_BYTES_MAX).then_some((&*self.stream, number));
                let frame = frame(id, text);
                self.tell(&mut frames, frame).await;
            }
            if ends {
                return;
            }
        }
        // The request was cancelled, or its server ended without an answer: nothing comes any more.
        self.store(Vec::new(), true).await.ok();
    }

    /// What the server has said by now, as far as the client hears it, and whether that ends the stream.
    fn batch(&mut self, first: ServerJsonRpcMessage) -> (Vec<ServerJsonRpcMessage>, bool) {
        let mut messages = Vec::new();
        let mut next = Some(first);
        while let Some(message) = next.take() {
            let ends = is_answer(&message);
            if self.hears(&message) {
                messages.push(message);
            }
            if ends {
                return (messages, true);
            }
            if messages.len() < BATCH_MAX {
                next = self.ends.from_server.try_recv().ok();
            }
        }
        (messages, false)
    }

    /// Whether the client hears a message.
    fn hears(&self, message: &ServerJsonRpcMessage) -> bool {
        self.level.as_ref().is_none_or(|level| level.hears(message))
    }

    /// Gives the server a message of the client. Returns whether it cancels the request.
    async fn take(&self, message: ClientJsonRpcMessage) -> bool {
        let is_cancelled = cancels(&message);
        self.ends.to_server.send(message).await.ok();
        is_cancelled
    }

    /// Says that the request is worked on, and takes what the client has sent to other nodes. Returns whether it is cancelled.
    async fn beat(&mut self) -> bool {
        let beat = BeatMcpStream {
            stream: (*self.stream).to_owned(),
            request: (*self.request).to_owned(),
            read: self.read,
        };
        let messages = match self.session.ask(beat).await {
            Ok(messages) => messages,
            // The session has ended.
            Err(error) if error.kind() == ErrorKind::NotFound => return true,
            Err(_) => return false,
        };
        for Handed { number, text } in messages {
            self.read = self.read.max(number);
            if let Ok(message) = serde_json::from_str(&text)
                && self.take(message).await
            {
                return true;
            }
        }
        false
    }

    /// Keeps what the stream says.
    async fn store(&mut self, texts: Vec<String>, ends: bool) -> Result<u64, Problem> {
        let count = texts.len() as u64;
        let kept = |text: String| match text.len() {
            0..=EVENT_BYTES_MAX => text,
            _ => too_large(&self.request),
        };
        let append = AppendMcpEvents {
            stream: (*self.stream).to_owned(),
            request: (*self.request).to_owned(),
            at: self.count,
            events: texts.into_iter().map(kept).collect(),
            ends,
        };
        let mut tries = 1;
        loop {
            match self.session.ask(append.clone()).await {
                Ok(first) => {
                    self.count += count;
                    // Whoever tells it to the client elsewhere.
                    self.call.gateway().mcp.live.wake(self.session.id);
                    return Ok(first);
                }
                // It was heard at a try whose answer was lost.
                Err(error) if tries > 1 && ends && error.code() == "mcp.stream-over" => return Ok(0),
                Err(error) => match error.kind() {
                    ErrorKind::Retryable | ErrorKind::Unknown | ErrorKind::Deadline if tries < TRIES_MAX => {
                        tries += 1;
                        sleep(PAUSE).await;
                    }
                    _ => return Err(error.into()),
                },
            }
        }
    }

    async fn tell(&self, frames: &mut Option<mpsc::Sender<Bytes>>, frame: Bytes) {
        tell(&self.call, frames, frame).await;
    }
}

/// Sends a frame to a client that is still there and still may hear it, and closes the connection of any other.
pub(super) async fn tell(call: &McpCall, frames: &mut Option<mpsc::Sender<Bytes>>, frame: Bytes) {
    let Some(sender) = frames else { return };
    let gateway = call.gateway();
    let closing = gateway.readiness.streams();
    let is_sent = gateway.callers.is_still(call.caller()).await
        && tokio::select! {
            sent = sender.send(frame) => sent.is_ok(),
            () = closing.cancelled() => false,
        };
    if !is_sent {
        *frames = None;
    }
}

/// What is kept of an answer that is too large to be kept.
fn too_large(request: &str) -> String {
    let data = serde_json::json!({ "code": "mcp.event" });
    let error = ErrorData::internal_error("the answer was too large to be kept for who comes back", Some(data));
    let error = serde_json::to_string(&error).unwrap_or_default();
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{request},\"error\":{error}}}")
}

/// Reads a stream on that a client comes back to.
pub(super) async fn resume(
    call: McpCall,
    session: Session,
    stream: String,
    after: u64,
) -> Result<HttpResponse, Problem> {
    let replay = ReplayMcpStream { stream, after };
    let first = session.ask_patiently(replay.clone()).await?;
    let (frames, receiver) = mpsc::channel(FRAMES_MAX);
    actix_web::rt::spawn(async move {
        let mut frames = Some(frames);
        let (mut part, mut replay) = (first, replay);
        let mut spoken = Instant::now();
        loop {
            for event in part.events {
                let frame = frame(Some((&replay.stream, event.number)), &event.text);
                tell(&call, &mut frames, frame).await;
                replay.after = event.number;
                spoken = Instant::now();
            }
            if part.is_over {
                return;
            }
            if spoken.elapsed() >= KEEP_ALIVE {
                spoken = Instant::now();
                tell(&call, &mut frames, Bytes::from_static(b": keep-alive\n\n")).await;
            }
            let Some(sender) = &frames else { return };
            tokio::select! {
                () = sleep(LOOK) => {}
                () = sender.closed() => return,
                () = call.gateway().readiness.streams().cancelled() => return,
            }
            part = match session.ask_patiently(replay.clone()).await {
                Ok(part) => part,
                Err(_) => return,
            };
        }
    });
    Ok(events(receiver))
}
