//! A connection that another node has dialled: requests in, answers out.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::BoxFuture};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::{Instant, interval, timeout},
};

use super::{
    connection::{Arrived, Reader, Writer, split},
    frame::{Frame, OVERHEAD},
    meter::Meter,
    plane::Context,
};
use crate::peers::{Lane, NodeId, Service};

/// Answers that are written together.
const ROUND: usize = 64;

/// An answer, with what its request occupies until it is written.
type Finished = (Frame, OwnedSemaphorePermit, OwnedSemaphorePermit);

/// The requests of a connection that have no answer yet, in number and in bytes. Callers keep to the same bounds, so
/// that nobody waits for room unless somebody does not keep to them.
struct Room {
    requests: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    requests_max: usize,
    bytes_max: usize,
}

/// Serves the requests of a node until the connection ends. Returns why it has ended.
pub(super) async fn run<S: AsyncRead + AsyncWrite>(
    context: &Arc<Context>,
    stream: S,
    node: NodeId,
    lane: Lane,
    service: &Arc<dyn Service>,
) -> String {
    let limits = &context.config.limits;
    let meter = Meter::new(lane);
    let (reader, writer, arrived) = split(stream, limits.frame_bytes, &meter);
    let room = Room::new(limits.requests, limits.request_bytes);
    // Bounded by the room of the requests.
    let (finished, answers) = mpsc::unbounded_channel();
    let serve = |request: Bytes| {
        // A service that panics here must not take the connection with it.
        catch_unwind(AssertUnwindSafe(|| service.serve(node, lane, request)))
    };
    let received = meter.received.frames.clone();
    tokio::select! {
        reason = read(context, reader, &room, serve, &finished, || received.increment(1)) => reason,
        reason = write(context, writer, &room, answers, &arrived) => reason,
    }
}

async fn read<S: AsyncRead + AsyncWrite>(
    context: &Arc<Context>,
    mut reader: Reader<S>,
    room: &Room,
    serve: impl Fn(Bytes) -> std::thread::Result<BoxFuture<'static, Bytes>>,
    finished: &mpsc::UnboundedSender<Finished>,
    received: impl Fn(),
) -> String {
    loop {
        let (call, within, body) = match reader.next().await {
            Some(Ok(Frame::Request { call, within, body })) => (call, within, body),
            Some(Ok(Frame::Answer { .. } | Frame::Abandoned { .. } | Frame::Working)) => {
                return "the peer sent something else than requests".to_owned();
            }
            Some(Err(error)) => return format!("the connection was lost: {error}"),
            None => return "the peer closed the connection".to_owned(),
        };
        received();
        let (request, bytes) = room.enter(body.len()).await;
        let within = within.min(context.config.limits.service);
        let answering = serve(body);
        let (context, finished) = (Arc::clone(context), finished.clone());
        let frame_bytes = context.config.limits.frame_bytes;
        let stop = context.stop.clone();
        context.spawn(async move {
            let frame = tokio::select! {
                () = stop.cancelled() => return,
                frame = answer(call, answering, within, frame_bytes) => frame,
            };
            // The connection may have ended.
            let _ = finished.send((frame, request, bytes));
        });
    }
}

async fn answer(
    call: u64,
    answering: std::thread::Result<BoxFuture<'static, Bytes>>,
    within: Duration,
    frame_bytes: usize,
) -> Frame {
    let abandoned = |reason: &'static str| Frame::Abandoned {
        call,
        reason: Bytes::from_static(reason.as_bytes()),
    };
    let Ok(answering) = answering else {
        return abandoned("the request panicked");
    };
    match timeout(within, AssertUnwindSafe(answering).catch_unwind()).await {
        Ok(Ok(body)) if body.len() + OVERHEAD > frame_bytes => abandoned("the answer does not fit into a frame"),
        Ok(Ok(body)) => Frame::Answer { call, body },
        Ok(Err(_)) => abandoned("the request panicked"),
        Err(_) => abandoned("the deadline passed while the request was served"),
    }
}

async fn write<S: AsyncRead + AsyncWrite>(
    context: &Context,
    mut writer: Writer<S>,
    room: &Room,
    mut answers: mpsc::UnboundedReceiver<Finished>,
    arrived: &Arrived,
) -> String {
    let limits = &context.config.limits;
    let mut ticks = interval(limits.silence / 4);
    let (mut before, mut round) = (0, Vec::new());
    let (mut used, mut said) = (Instant::now(), false);
    loop {
        let written = tokio::select! {
            _ = answers.recv_many(&mut round, ROUND) => {
                said = true;
                add(&mut writer, &mut round).await
            }
            _ = ticks.tick() => {
                let now = arrived.load(Ordering::Relaxed);
                let came = now != before;
                before = now;
                let works = room.is_used();
                if came || works {
                    used = Instant::now();
                } else if used.elapsed() >= limits.idle * 2 {
                    return "nobody has used it".to_owned();
                }
                // Also while a request arrives slowly.
                let silent = !std::mem::take(&mut said);
                if silent && (came || works) {
                    writer.add(Frame::Working).await
                } else {
                    Ok(())
                }
            }
        };
        let flushed = match written {
            Ok(()) => writer.flush().await,
            Err(error) => Err(error),
        };
        // Their requests have left the room only now.
        round.clear();
        if let Err(error) = flushed {
            return format!("the connection was lost: {error}");
        }
    }
}

async fn add<S: AsyncRead + AsyncWrite>(writer: &mut Writer<S>, round: &mut [Finished]) -> std::io::Result<()> {
    for (frame, _, _) in round {
        writer.add(std::mem::replace(frame, Frame::Working)).await?;
    }
    Ok(())
}

impl Room {
    fn new(requests: usize, bytes: usize) -> Self {
        let bytes = bytes.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        Self {
            requests: Arc::new(Semaphore::new(requests)),
            bytes: Arc::new(Semaphore::new(bytes)),
            requests_max: requests,
            bytes_max: bytes,
        }
    }

    async fn enter(&self, bytes: usize) -> (OwnedSemaphorePermit, OwnedSemaphorePermit) {
        let bytes = u32::try_from(bytes.min(self.bytes_max)).expect("the bound fits");
        let request = Arc::clone(&self.requests).acquire_owned().await;
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(bytes).await;
        let never = "nobody closes it";
        (request.expect(never), bytes.expect(never))
    }

    fn is_used(&self) -> bool {
        self.requests.available_permits() < self.requests_max
    }
}
