//! A connection between two nodes, from the hello to its end.

use std::{
    io,
    net::Shutdown,
    os::fd::AsFd,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use ractor_cluster::{BoxRead, BoxWrite, ClusterBidiStream};
use tokio::io::{AsyncRead, BufReader, ReadBuf};

use crate::tls::Stream;

/// What is read from a socket at once: many small frames, or a part of a large one.
const READ: usize = 64 * 1024;

/// Ends a connection that somebody else reads and writes: both halves see its end, also a writer that hangs.
#[derive(Debug, Clone)]
pub(crate) struct Closer(Arc<std::net::TcpStream>);

impl Closer {
    /// What ends a connection, wherever it goes from here.
    pub(crate) fn of(stream: &Stream) -> io::Result<Self> {
        let socket = match stream {
            Stream::Plain(socket) => socket,
            Stream::Encrypted(stream) => stream.get_ref().0,
        };
        Ok(Self(Arc::new(socket.as_fd().try_clone_to_owned()?.into())))
    }

    /// Ends the connection.
    pub(crate) fn close(&self) {
        // It may have ended by itself.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// A connection as ractor_cluster takes it. What is read from it is counted.
pub(crate) struct Carried {
    pub(crate) stream: Stream,
    pub(crate) label: String,
    pub(crate) read: Arc<AtomicU64>,
}

impl ClusterBidiStream for Carried {
    fn split(self: Box<Self>) -> (BoxRead, BoxWrite) {
        let Self { stream, read, .. } = *self;
        match stream {
            Stream::Plain(stream) => {
                let (from, to) = stream.into_split();
                (counted(from, read), Box::new(to))
            }
            Stream::Encrypted(stream) => {
                let (from, to) = tokio::io::split(stream);
                (counted(from, read), Box::new(to))
            }
        }
    }

    fn peer_label(&self) -> Option<String> {
        Some(self.label.clone())
    }
}

/// ractor_cluster reads a frame in two parts, of which the first has eight bytes: a buffer saves every other system call.
fn counted(from: impl AsyncRead + Send + Unpin + 'static, read: Arc<AtomicU64>) -> BoxRead {
    Box::new(BufReader::with_capacity(READ, Counted { from, read }))
}

struct Counted<R> {
    from: R,
    read: Arc<AtomicU64>,
}

impl<R: AsyncRead + Unpin> AsyncRead for Counted<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.from).poll_read(cx, buf);
        let read = buf.filled().len() - before;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        polled
    }
}
