//! Server-sent events of a run: durable events with their number as id, live updates without one.
//!
//! Durable events are always read from the run; a wake-up only says when. A client that comes back with the last id it saw
//! misses nothing. After the event that ends the run comes `event: end`; whoever still asks then is told 204, which makes
//! browsers stop.

use std::{convert::Infallible, time::Duration};

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, http::header, web};
use actors::{
    ports::LiveUpdate,
    records::{RunEvent, RunStatus},
};
use bytes::Bytes;
use tokio::{sync::mpsc, time::Instant};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    body::{self, Fields},
    caller::Caller,
    error::Problem,
    planning::Planning,
    state::Gateway,
};
use crate::planes::events::{Signal, TooManyWatchers, Watch};

/// Frames that wait for a slow client before the stream waits too.
const FRAMES_MAX: usize = 16;

/// Events read at a time.
const EVENTS_PAGE: usize = 100;

/// What browsers wait before they connect again, in milliseconds.
const RETRY_MS: u32 = 2000;

/// Greatest number of an event that a client may have seen; JSON numbers beyond it are not exact everywhere.
pub(crate) const EVENT_NUMBER_MAX: u64 = (1 << 53) - 1;

/// Header with the last id that a client saw.
const LAST_EVENT_ID: &str = "last-event-id";

impl From<TooManyWatchers> for Problem {
    fn from(error: TooManyWatchers) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "events.too-many-watchers",
            error.to_string(),
        )
        .with_retry_after(5)
    }
}

/// `GET /api/planning/runs/{id}/events`.
pub(crate) async fn events(
    request: HttpRequest,
    caller: Caller,
    gateway: web::Data<Gateway>,
    run: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let run = Planning::run_id(&run)?;
    let after = last_event_id(&request)?;
    // Watching starts before reading, so that what happens in between is not missed.
    let watch = gateway.watchers.watch(caller.tenant.as_str(), &run.to_string())?;
    let first = gateway.planning.events(&caller, run, after, EVENTS_PAGE).await?;
    let status = gateway.planning.run(&caller, run).await?.status;
    if first.is_empty() && status.is_final() {
        return Ok(HttpResponse::NoContent().finish());
    }
    let session_end = Instant::now() + caller.remaining();
    let (frames, stream) = mpsc::channel(FRAMES_MAX);
    let feed = Feed {
        gateway: gateway.clone(),
        caller,
        run,
        after,
        watch,
        frames,
        keep_alive: Duration::from_secs(gateway.server.keep_alive_seconds),
        closing: gateway.readiness.streams().clone(),
        session_end,
    };
    actix_web::rt::spawn(feed.pump(first));
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // Tells the compressor and proxies to pass each frame on at once.
        .insert_header((header::CONTENT_ENCODING, "identity"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(tokio_stream::StreamExt::map(
            ReceiverStream::new(stream),
            Ok::<Bytes, Infallible>,
        )))
}

/// Reads the number after which events are asked for.
pub(crate) fn events_query(fields: &mut Fields) -> Option<u64> {
    let after = fields.integer("last_event_id", 0..=EVENT_NUMBER_MAX);
    fields.says("last_event_id", "The last event that the client saw", 0);
    after
}

/// The number after which events are wanted: from the header that browsers send, or from the query.
fn last_event_id(request: &HttpRequest) -> Result<u64, Problem> {
    let mut query = body::query(request)?;
    let from_query = events_query(&mut query);
    query.finish_query()?;
    let Some(header) = request.headers().get(LAST_EVENT_ID) else {
        return Ok(from_query.unwrap_or(0));
    };
    header
        .to_str()
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .filter(|number| *number <= EVENT_NUMBER_MAX)
        .ok_or_else(|| {
            Problem::bad_request(
                "events.last-event-id",
                "the Last-Event-ID header must be a whole number",
            )
        })
}

/// One client's stream.
struct Feed {
    gateway: web::Data<Gateway>,
    caller: Caller,
    run: Uuid,
    after: u64,
    watch: Watch,
    frames: mpsc::Sender<Bytes>,
    keep_alive: Duration,
    closing: CancellationToken,
    /// A stream ends with the session that opened it.
    session_end: Instant,
}

/// Why a stream ends.
enum End {
    /// The client went, its session ended, or the server stops.
    Closed,
    /// The run is at its end and everything was sent.
    Final(RunStatus),
}

impl Feed {
    async fn pump(mut self, first: Vec<RunEvent>) {
        if let End::Final(status) = self.run_to_end(first).await {
            self.tell(end_frame(status)).await.ok();
        }
    }

    async fn run_to_end(&mut self, first: Vec<RunEvent>) -> End {
        if self.send(Bytes::from(format!("retry: {RETRY_MS}\n\n"))).await.is_err() {
            return End::Closed;
        }
        let mut page = Some(first);
        loop {
            match self.send_durable(page.take()).await {
                Ok(None) => {}
                Ok(Some(status)) => return End::Final(status),
                Err(()) => return End::Closed,
            }
            for update in self.watch.so_far() {
                if self.tell(live_frame(&update)).await.is_err() {
                    return End::Closed;
                }
            }
            // Live updates are passed on until something durable may have happened.
            loop {
                let signal = tokio::select! {
                    signal = self.watch.next() => Some(signal),
                    () = tokio::time::sleep(self.keep_alive) => None,
                    () = self.closing.cancelled() => return End::Closed,
                    () = self.frames.closed() => return End::Closed,
                    () = tokio::time::sleep_until(self.session_end) => return End::Closed,
                };
                // After a keep-alive the run is read too: a wake-up may have been lost.
                let (frame, is_idle) = match signal {
                    Some(Signal::Durable) => break,
                    Some(Signal::Live(update)) => (live_frame(&update), false),
                    None => (Bytes::from_static(b": keep-alive\n\n"), true),
                };
                if self.tell(frame).await.is_err() {
                    return End::Closed;
                }
                if is_idle {
                    break;
                }
            }
        }
    }

    /// Reads on. The stream outlives the context token of the request that opened it.
    async fn read(&self) -> Result<Vec<RunEvent>, Problem> {
        let Self { gateway, caller, .. } = self;
        let events = gateway.planning.events(caller, self.run, self.after, EVENTS_PAGE);
        gateway.on_behalf(caller, events).await
    }

    /// Sends everything durable after the last one sent. Returns the status of a run at its end.
    async fn send_durable(&mut self, mut page: Option<Vec<RunEvent>>) -> Result<Option<RunStatus>, ()> {
        loop {
            let events = match page.take() {
                Some(events) => events,
                None => match self.read().await {
                    Ok(events) => events,
                    Err(problem) => {
                        tracing::debug!(code = problem.code(), "an event stream could not be read");
                        return Err(());
                    }
                },
            };
            let is_last_page = events.len() < EVENTS_PAGE;
            for event in &events {
                self.tell(event_frame(event)).await?;
                self.after = event.seq;
            }
            if is_last_page {
                break;
            }
        }
        let Self { gateway, caller, .. } = self;
        match gateway.on_behalf(caller, gateway.planning.run(caller, self.run)).await {
            Ok(run) if run.status.is_final() => self.final_events(run.status).await,
            Ok(_) => Ok(None),
            Err(_) => Err(()),
        }
    }

    /// The status was read after the events: those written in between are sent before the end.
    async fn final_events(&mut self, status: RunStatus) -> Result<Option<RunStatus>, ()> {
        loop {
            let events = self.read().await.map_err(|_| ())?;
            if events.is_empty() {
                return Ok(Some(status));
            }
            for event in &events {
                self.tell(event_frame(event)).await?;
                self.after = event.seq;
            }
        }
    }

    /// Sends a frame to whoever may still see it. Everything that says something goes this way: nothing is told to a session that
    /// has ended, also where it ended while the stream waited for what there is to tell.
    async fn tell(&self, frame: Bytes) -> Result<(), ()> {
        if !self.gateway.callers.is_still(&self.caller).await {
            return Err(());
        }
        self.send(frame).await
    }

    async fn send(&self, frame: Bytes) -> Result<(), ()> {
        tokio::select! {
            sent = self.frames.send(frame) => sent.map_err(|_| ()),
            () = self.closing.cancelled() => Err(()),
        }
    }
}

fn event_frame(event: &RunEvent) -> Bytes {
    let data = serde_json::to_string(event).expect("an event has string keys only");
    let name = serde_json::to_value(event.kind)
        .ok()
        .and_then(|name| name.as_str().map(str::to_owned));
    Bytes::from(format!(
        "id: {}\nevent: {}\ndata: {data}\n\n",
        event.seq,
        name.unwrap_or_default()
    ))
}

fn live_frame(update: &LiveUpdate) -> Bytes {
    let data = serde_json::to_string(update).expect("an update has string keys only");
    let name = match update {
        LiveUpdate::Step { .. } => "step",
        LiveUpdate::Queued { .. } => "queued",
        LiveUpdate::Draft { .. } => "draft",
    };
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

fn end_frame(status: RunStatus) -> Bytes {
    Bytes::from(format!("event: end\ndata: {{\"status\":\"{}\"}}\n\n", status.as_str()))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn text_with_line_breaks_stays_one_frame() {
        let update = LiveUpdate::Draft {
            phase: "strategy".to_owned(),
            text: "a\n\nevent: end\ndata: {}".to_owned(),
        };
        let frame = String::from_utf8(live_frame(&update).to_vec()).unwrap();
        assert_eq!(frame.matches('\n').count(), 3, "{frame}");
        assert!(frame.starts_with("event: draft\ndata: {") && frame.ends_with("\n\n"));
    }

    #[test]
    fn the_last_id_comes_from_the_header_or_the_query() {
        let header = TestRequest::with_uri("/x?last_event_id=3")
            .insert_header((LAST_EVENT_ID, "7"))
            .to_http_request();
        assert_eq!(last_event_id(&header).unwrap(), 7);
        assert_eq!(
            last_event_id(&TestRequest::with_uri("/x?last_event_id=3").to_http_request()).unwrap(),
            3
        );
        assert_eq!(
            last_event_id(&TestRequest::with_uri("/x").to_http_request()).unwrap(),
            0
        );
        let bad = TestRequest::with_uri("/x")
            .insert_header((LAST_EVENT_ID, "abc"))
            .to_http_request();
        assert_eq!(last_event_id(&bad).unwrap_err().code(), "events.last-event-id");
    }
}
