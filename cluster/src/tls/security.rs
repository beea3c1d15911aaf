//! How connections between nodes are made.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use tokio::net::{TcpStream, ToSocketAddrs};

use super::{Certificates, ChannelError, Plaintext, Stream};
use crate::{Timestamp, node_name::NodeName};

/// What protects the connections between nodes.
#[derive(Debug, Clone)]
pub enum Security {
    /// Both ends show a certificate; also on loopback.
    Certificates(Arc<Certificates>),
    /// Nothing. A connection is made or taken only where that is permitted.
    Plaintext(Plaintext),
}

/// A connection, and the node at its other end.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) stream: Stream,
    /// Whose certificate the other end has shown; empty in plaintext.
    pub(crate) peer: Option<NodeName>,
}

impl Default for Security {
    fn default() -> Self {
        Self::Plaintext(Plaintext::default())
    }
}

impl Security {
    /// When the first of the certificates ends; nothing without any.
    pub fn ends(&self) -> Option<Timestamp> {
        match self {
            Self::Certificates(certificates) => Some(certificates.ends()),
            Self::Plaintext(_) => None,
        }
    }

    /// Refuses an address to listen on where nobody could be answered.
    pub(crate) fn check_listener(&self, address: SocketAddr) -> Result<(), ChannelError> {
        match self {
            Self::Plaintext(plaintext) if !plaintext.permits(address.ip()) => {
                Err(ChannelError::PlaintextListener(address.ip()))
            }
            Self::Plaintext(_) | Self::Certificates(_) => Ok(()),
        }
    }

    /// Connects to a node. If it is not known which one will be found, any node of the CA is taken. The caller sets the
    /// deadline.
    pub(crate) async fn dial(
        &self,
        address: impl ToSocketAddrs,
        expected: Option<&NodeName>,
    ) -> Result<Channel, ChannelError> {
        let socket = TcpStream::connect(address).await.map_err(ChannelError::Connect)?;
        self.settle(&socket)?;
        match self {
            Self::Plaintext(_) => Ok(Channel {
                stream: Stream::Plain(socket),
                peer: None,
            }),
            Self::Certificates(certificates) => {
                let (stream, peer) = certificates.connect(socket, expected).await?;
                Ok(Channel {
                    stream: Stream::Encrypted(Box::new(stream.into())),
                    peer: Some(peer),
                })
            }
        }
    }

    /// Takes a connection in. The caller sets the deadline.
    pub(crate) async fn accept(&self, socket: TcpStream) -> Result<Channel, ChannelError> {
        self.settle(&socket)?;
        match self {
            Self::Plaintext(_) => Ok(Channel {
                stream: Stream::Plain(socket),
                peer: None,
            }),
            Self::Certificates(certificates) => {
                let (stream, peer) = certificates.accept(socket).await?;
                Ok(Channel {
                    stream: Stream::Encrypted(Box::new(stream.into())),
                    peer: Some(peer),
                })
            }
        }
    }

    /// Both ends are known now.
    fn settle(&self, socket: &TcpStream) -> Result<(), ChannelError> {
        socket.set_nodelay(true).map_err(ChannelError::Connect)?;
        let local = socket.local_addr().map_err(ChannelError::Connect)?;
        let remote = socket.peer_addr().map_err(ChannelError::Connect)?;
        self.check_ends(local.ip(), remote.ip())
    }

    pub(super) fn check_ends(&self, local: IpAddr, remote: IpAddr) -> Result<(), ChannelError> {
        match self {
            Self::Plaintext(plaintext) if !plaintext.permits(local) || !plaintext.permits(remote) => {
                Err(ChannelError::Plaintext { local, remote })
            }
            Self::Plaintext(_) | Self::Certificates(_) => Ok(()),
        }
    }
}
