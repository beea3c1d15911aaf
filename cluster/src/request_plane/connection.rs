//! One connection between two nodes: TCP, TLS over it, and the rule that nothing goes unencrypted between machines.

use std::{
    io,
    net::{IpAddr, Shutdown, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use ractor_cluster::{BoxRead, BoxWrite, ClusterBidiStream};
use rustls::{
    client::verify_server_name,
    pki_types::{CertificateDer, InvalidDnsNameError, ServerName},
    server::ParsedCertificate,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, BufReader, ReadBuf},
    net::{TcpStream, lookup_host},
};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::config::Tls;

/// What is read from a socket at once: many small frames, or an eighth of a large one.
const READ: usize = 64 * 1024;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    /// The address has no host that can be found.
    #[error("{address} cannot be found: {source}")]
    Lookup {
        /// The address.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// The other side is on another machine.
    #[error("{0} is not on this machine, and without certificates nothing goes to other machines")]
    Plaintext(IpAddr),
    /// The peer's name cannot stand in a certificate.
    #[error("{name} cannot be the name in a certificate")]
    Name {
        /// The name.
        name: String,
        /// Why.
        source: InvalidDnsNameError,
    },
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
}

/// A connection, before it belongs to a session.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    closer: Closer,
}

#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection {
    /// Connects to an address, whose certificate must bear a name.
    pub(crate) async fn dial(address: &str, name: &str, tls: Option<&Tls>) -> Result<Self, ConnectionError> {
        let lookup = |source| ConnectionError::Lookup {
            address: address.to_owned(),
            source,
        };
        let mut failure = lookup(io::ErrorKind::NotFound.into());
        for found in lookup_host(address).await.map_err(lookup)? {
            match TcpStream::connect(found).await {
                Ok(stream) => return Self::encrypt(stream, name, tls).await,
                Err(error) => failure = error.into(),
            }
        }
        Err(failure)
    }

    async fn encrypt(stream: TcpStream, name: &str, tls: Option<&Tls>) -> Result<Self, ConnectionError> {
        let (stream, closer) = Closer::of(stream)?;
        let stream = match tls {
            None => Stream::Plain(local(stream)?),
            Some(tls) => {
                let name = ServerName::try_from(name.to_owned()).map_err(|source| ConnectionError::Name {
                    name: name.to_owned(),
                    source,
                })?;
                let connector = TlsConnector::from(Arc::clone(&tls.client));
                Stream::Tls(Box::new(connector.connect(name, stream).await?.into()))
            }
        };
        Ok(Self { stream, closer })
    }

    /// Takes a connection in.
    pub(crate) async fn accept(stream: TcpStream, tls: Option<&Tls>) -> Result<Self, ConnectionError> {
        let (stream, closer) = Closer::of(stream)?;
        let stream = match tls {
            None => Stream::Plain(local(stream)?),
            Some(tls) => {
                let acceptor = TlsAcceptor::from(Arc::clone(&tls.server));
                Stream::Tls(Box::new(acceptor.accept(stream).await?.into()))
            }
        };
        Ok(Self { stream, closer })
    }

    /// Whether the other side has shown a certificate with this name. Without TLS nobody has to.
    pub(crate) fn is_certified(&self, name: &str) -> bool {
        match &self.stream {
            Stream::Plain(_) => true,
            Stream::Tls(stream) => {
                let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                shown.is_some_and(|shown| bears(shown, name))
            }
        }
    }

    /// What ends the connection, wherever it has gone.
    pub(crate) fn closer(&self) -> Closer {
        self.closer.clone()
    }

    /// Gives the connection to ractor_cluster; what is read from it is counted.
    pub(crate) fn carry(self, label: String, read: Arc<AtomicU64>) -> Box<dyn ClusterBidiStream> {
        Box::new(Carried {
            stream: self.stream,
            label,
            read,
        })
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// Lets an unencrypted connection pass only within this machine.
fn local(stream: TcpStream) -> Result<TcpStream, ConnectionError> {
    for end in [stream.peer_addr()?, stream.local_addr()?] {
        if !is_loopback(end) {
            return Err(ConnectionError::Plaintext(end.ip()));
        }
    }
    Ok(stream)
}

/// Whether an address is one of this machine only.
pub(crate) fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

fn bears(certificate: &CertificateDer<'_>, name: &str) -> bool {
    let Ok(name) = ServerName::try_from(name) else {
        return false;
    };
    ParsedCertificate::try_from(certificate).is_ok_and(|parsed| verify_server_name(&parsed, &name).is_ok())
}

/// Ends a connection that somebody else reads and writes: both sides see its end, also a writer that hangs.
#[derive(Debug, Clone)]
pub(crate) struct Closer(Arc<std::net::TcpStream>);

impl Closer {
    fn of(stream: TcpStream) -> io::Result<(TcpStream, Self)> {
        stream.set_nodelay(true)?;
        let stream = stream.into_std()?;
        let closer = Self(Arc::new(stream.try_clone()?));
        Ok((TcpStream::from_std(stream)?, closer))
    }

    /// Ends the connection.
    pub(crate) fn close(&self) {
        // It may have ended by itself.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// A connection as ractor_cluster takes it.
struct Carried {
    stream: Stream,
    label: String,
    read: Arc<AtomicU64>,
}

impl ClusterBidiStream for Carried {
    fn split(self: Box<Self>) -> (BoxRead, BoxWrite) {
        let Self { stream, read, .. } = *self;
        match stream {
            Stream::Plain(stream) => {
                let (from, to) = stream.into_split();
                (counted(from, read), Box::new(to))
            }
            Stream::Tls(stream) => {
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
        if read > 0 {
            self.read.fetch_add(read as u64, Ordering::Relaxed);
        }
        polled
    }
}
