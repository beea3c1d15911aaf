//! What both ends of a connection have in common.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use futures_util::SinkExt;
use metrics::Counter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, ReadHalf, WriteHalf};
use tokio_util::codec::{FramedRead, FramedWrite};

use super::{
    frame::{Frame, FrameCodec},
    meter::{Meter, Traffic},
};

/// Bytes that are gathered before the socket is asked to take them.
const GATHERED: usize = 64 * 1024;

/// Frames that arrive.
pub(super) type Reader<S> = FramedRead<Counted<ReadHalf<S>>, FrameCodec>;

/// Frames that leave.
pub(super) struct Writer<S> {
    sink: FramedWrite<WriteHalf<S>, FrameCodec>,
    traffic: Traffic,
}

/// How many bytes have arrived.
pub(super) type Arrived = Arc<AtomicU64>;

/// Takes a connection apart after its hello.
pub(super) fn split<S>(stream: S, frame_bytes: usize, meter: &Meter) -> (Reader<S>, Writer<S>, Arrived)
where
    S: AsyncRead + AsyncWrite,
{
    let (read, write) = tokio::io::split(stream);
    let arrived = Arrived::default();
    let counted = Counted {
        inner: read,
        arrived: Arc::clone(&arrived),
        bytes: meter.received.bytes.clone(),
    };
    let mut sink = FramedWrite::new(write, FrameCodec::new(frame_bytes));
    sink.set_backpressure_boundary(GATHERED);
    let writer = Writer {
        sink,
        traffic: meter.sent.clone(),
    };
    (FramedRead::new(counted, FrameCodec::new(frame_bytes)), writer, arrived)
}

impl<S: AsyncRead + AsyncWrite> Writer<S> {
    /// Adds a frame to what is written next.
    pub(super) async fn add(&mut self, frame: Frame) -> io::Result<()> {
        self.traffic.frames.increment(1);
        self.traffic.bytes.increment(frame.bytes() as u64);
        self.sink.feed(frame).await
    }

    /// Writes what was added.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        self.sink.flush().await
    }
}

/// Counts bytes as they arrive, so that half a frame is also a sign of life.
pub(super) struct Counted<R> {
    inner: R,
    arrived: Arrived,
    bytes: Counter,
}

impl<R: AsyncRead + Unpin> AsyncRead for Counted<R> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buffer))?;
        let read = (buffer.filled().len() - before) as u64;
        this.arrived.fetch_add(read, Ordering::Relaxed);
        this.bytes.increment(read);
        Poll::Ready(Ok(()))
    }
}
