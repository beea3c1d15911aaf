//! The transport before streamable HTTP, for clients that still speak it: a stream that begins with the address to which the client sends,
//! and on which it hears every answer.
//!
//! The session is an actor here, too. So any node takes what the client sends; what is said to it is in the session, and the node that
//! has the stream reads it there: at once what was said on the same node, and in a moment the rest. The session ends with its stream.

use std::time::Duration;

use actix_web::HttpResponse;
use actors::mcp_session::{AppendMcpEvents, EndMcpSession, ReplayMcpStream};
use bytes::Bytes;
use cluster::prelude::Uuid;
use rmcp::model::ServerJsonRpcMessage;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use super::{
    agent::Server,
    call::McpCall,
    live::Waits,
    sessions::Session,
    stream::{self, FRAMES_MAX, KEEP_ALIVE, events, frame},
    watch::{self, COUNTED},
};
use crate::{
    gateway::{error::Problem, state::Gateway},
    planes::events::Watch,
};

/// The address of the stream, which its sessions belong to.
pub(super) const ENDPOINT: &str = "/sse";

/// The address to which the client sends.
const MESSAGES: &str = "/messages";

/// The name of the stream. Those of requests, and of changes, begin with it.
const STREAM: &str = "sse";

/// How often is looked for what was said on another node.
const LOOK: Duration = Duration::from_millis(250);

/// How long a client may take for what it is sent. What is said meanwhile is kept for a while only, and it would miss the rest.
const STALLED_MAX: Duration = Duration::from_secs(30);

/// The name of another stream that is heard on this one.
pub(super) fn part() -> String {
    format!("{STREAM}.{}", Uuid::new_v4().simple())
}

/// Opens the stream, and a session with it.
pub(super) async fn open(server: Server, call: McpCall) -> Result<HttpResponse, Problem> {
    let gateway = call.gateway();
    let counted = gateway.watchers.watch(call.tenant().as_str(), COUNTED)?;
    let session = Session::open(gateway, call.caller(), ENDPOINT, None).await?;
    let (frames, receiver) = mpsc::channel(FRAMES_MAX);
    let place = format!("event: endpoint\ndata: {MESSAGES}?sessionId={}\n\n", session.id);
    // The channel is empty.
    frames.try_send(Bytes::from(place)).ok();
    let open = Open {
        waits: gateway.mcp.live.wait(session.id),
        server,
        call,
        session,
        frames: Some(frames),
        _counted: counted,
    };
    actix_web::rt::spawn(open.pump());
    Ok(events(receiver))
}

/// Says something to a client that is no answer of a request at work.
pub(super) async fn tell(gateway: &Gateway, session: &Session, said: &ServerJsonRpcMessage) -> Result<(), Problem> {
    let append = AppendMcpEvents {
        stream: part(),
        request: String::new(),
        at: 0,
        events: vec![serde_json::to_string(said).map_err(|_| Problem::internal())?],
        ends: true,
    };
    session.ask(append).await?;
    gateway.mcp.live.wake(session.id);
    Ok(())
}

struct Open {
    server: Server,
    call: McpCall,
    session: Session,
    frames: Option<mpsc::Sender<Bytes>>,
    waits: Waits,
    /// Counts until it is dropped.
    _counted: Watch,
}

impl Open {
    async fn pump(mut self) {
        self.say().await;
        // Where this does not arrive the session ends by itself.
        self.session.ask(EndMcpSession).await.ok();
    }

    /// Says what is in the session, as long as the client hears it.
    async fn say(&mut self) {
        let mut replay = ReplayMcpStream {
            stream: STREAM.to_owned(),
            after: 0,
        };
        let (mut spoken, mut looked) = (Instant::now(), Instant::now());
        loop {
            let Ok(part) = self.session.ask_patiently(replay.clone()).await else {
                return;
            };
            for event in part.events {
                replay.after = event.number;
                spoken = Instant::now();
                self.tell(frame(None, &event.text)).await;
            }
            if looked.elapsed() >= watch::LOOK {
                looked = Instant::now();
                if self.look().await.is_err() {
                    return;
                }
            }
            if spoken.elapsed() >= KEEP_ALIVE {
                spoken = Instant::now();
                self.tell(Bytes::from_static(b": keep-alive\n\n")).await;
            }
            let Some(frames) = &self.frames else { return };
            tokio::select! {
                () = self.waits.heard() => {}
                () = sleep(LOOK) => {}
                () = frames.closed() => return,
                () = self.call.gateway().readiness.streams().cancelled() => return,
            }
        }
    }

    /// Looks for changes of what the client subscribed to. They are said with the rest.
    async fn look(&self) -> Result<(), Problem> {
        let changes = format!("{STREAM}.changes");
        for subscription in self.session.view().await?.subscriptions {
            watch::look(&self.server, &self.call, &self.session, subscription, &changes).await;
        }
        Ok(())
    }

    async fn tell(&mut self, frame: Bytes) {
        let told = stream::tell(&self.call, &mut self.frames, frame);
        if timeout(STALLED_MAX, told).await.is_err() {
            self.frames = None;
        }
    }
}
