//! The stream of what belongs to no request: changes of the resources that a client subscribed to.
//!
//! The session knows the state of each resource that the client has heard of. A stream looks whether it is another one by now; of several
//! streams of one session, on whatever nodes, one tells the client. What changed while no stream was open is told on the next.

use std::time::Duration;

use actix_web::HttpResponse;
use actors::mcp_session::{MarkMcpSubscription, ReplayMcpStream, Subscription};
use bytes::Bytes;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use super::{
    agent::Server,
    call::McpCall,
    sessions::Session,
    stream::{FRAMES_MAX, KEEP_ALIVE, events, frame, primer, tell},
};
use crate::{gateway::error::Problem, planes::events::Watch};

/// How often is looked for changes.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// The name of the stream. It has no end.
pub(super) const STANDALONE: &str = "get";

/// What the streams of a tenant are counted under, together with those of runs.
pub(super) const COUNTED: &str = "mcp";

/// Opens the stream, behind an event if the client comes back.
pub(super) async fn open(
    server: Server,
    call: McpCall,
    session: Session,
    after: Option<u64>,
) -> Result<HttpResponse, Problem> {
    let counted = call.gateway().watchers.watch(call.tenant().as_str(), COUNTED)?;
    let view = session.view().await?;
    let (frames, receiver) = mpsc::channel(FRAMES_MAX);
    // The channel is empty.
    frames.try_send(primer(STANDALONE, after.unwrap_or(view.last))).ok();
    let standing = Standing {
        server,
        call,
        session,
        frames: Some(frames),
        _counted: counted,
    };
    actix_web::rt::spawn(standing.pump(after));
    Ok(events(receiver))
}

struct Standing {
    server: Server,
    call: McpCall,
    session: Session,
    frames: Option<mpsc::Sender<Bytes>>,
    /// Counts until it is dropped.
    _counted: Watch,
}

impl Standing {
    async fn pump(mut self, after: Option<u64>) {
        if let Some(after) = after
            && self.replay(after).await.is_err()
        {
            return;
        }
        let mut spoken = Instant::now();
        loop {
            let Ok(view) = self.session.view().await else {
                return;
            };
            for subscription in view.subscriptions {
                let told = look(&self.server, &self.call, &self.session, subscription, STANDALONE).await;
                if let Some((number, text)) = told {
                    spoken = Instant::now();
                    self.tell(frame(Some((STANDALONE, number)), &text)).await;
                }
            }
            if spoken.elapsed() >= KEEP_ALIVE {
                spoken = Instant::now();
                self.tell(Bytes::from_static(b": keep-alive\n\n")).await;
            }
            let Some(frames) = &self.frames else { return };
            tokio::select! {
                () = sleep(LOOK) => {}
                () = frames.closed() => return,
                () = self.call.gateway().readiness.streams().cancelled() => return,
            }
        }
    }

    /// Says what the client has missed.
    async fn replay(&mut self, after: u64) -> Result<(), Problem> {
        let mut replay = ReplayMcpStream {
            stream: STANDALONE.to_owned(),
            after,
        };
        loop {
            let part = self.session.ask_patiently(replay.clone()).await?;
            for event in part.events {
                self.tell(frame(Some((STANDALONE, event.number)), &event.text)).await;
                replay.after = event.number;
            }
            if part.is_over {
                return Ok(());
            }
        }
    }

    async fn tell(&mut self, frame: Bytes) {
        tell(&self.call, &mut self.frames, frame).await;
    }
}

/// Looks whether a resource has changed. Of all who see that, one has to tell the client: the number of the event and its text.
pub(super) async fn look(
    server: &Server,
    call: &McpCall,
    session: &Session,
    subscription: Subscription,
    stream: &str,
) -> Option<(u64, String)> {
    let Subscription { uri, mark: before } = subscription;
    let now = call.on_behalf(server.state(call, &uri)).await;
    let now = now.filter(|now| *now != before)?;
    let text = serde_json::json!({
        "jsonrpc": "2.0",
        "method": "notifications/resources/updated",
        "params": { "uri": uri },
    });
    let text = text.to_string();
    let mark = MarkMcpSubscription {
        uri,
        before,
        now,
        stream: stream.to_owned(),
        text: text.clone(),
    };
    let number = session.ask(mark).await.ok().flatten()?;
    Some((number, text))
}
