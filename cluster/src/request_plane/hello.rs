//! The first words of a connection: who calls whom, in which cluster and which version. Whoever is refused hears why.
//!
//! A magic number, the version and a length stand before each of the two messages, in this order in every version, so
//! that nodes of different versions understand at least that.

use std::{fmt, io};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{cluster_id::ClusterId, peers::NodeId, wire};

/// What every connection of this plane begins with.
const MAGIC: [u8; 8] = *b"FND-REQ\n";

/// The protocol of this program: the hello, the envelopes, and what ractor_cluster puts around them.
pub(crate) const VERSION: u16 = 1;

/// Most bytes of a hello or its answer; real ones have about a hundred.
const LONGEST: u16 = 1024;

/// What a node shows to prove that it knows the cluster; ractor_cluster asks for it once more.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cookie([u8; 32]);

impl Cookie {
    /// The cookie of a cluster.
    pub(crate) fn of(cluster: ClusterId) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"cookie of the request plane\0");
        hash.update(cluster.get().as_bytes());
        Self(hash.finalize().into())
    }

    /// As ractor_cluster takes it.
    pub(crate) fn text(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookie(..)")
    }
}

/// Where a node wants the envelopes of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Door {
    /// Drawn for this session; whoever shows it is the peer of this session.
    pub(crate) token: u64,
    /// The gateway that takes calls.
    pub(crate) calls: u64,
    /// The gateway that takes answers and pulses.
    pub(crate) answers: u64,
}

/// What the node that dialled says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Hello {
    /// It is a member and opens a session.
    Member {
        /// Its cluster.
        cluster: ClusterId,
        /// Its proof.
        cookie: Cookie,
        /// Who it is.
        from: NodeId,
        /// Whom it dialled.
        to: NodeId,
        /// Where it wants its envelopes.
        door: Door,
    },
    /// It has no id yet, and asks one thing.
    Joining {
        /// Bytes of the request.
        length: u32,
    },
}

/// What the node that was dialled says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// The session begins.
    Welcome(Door),
    /// The one request may be sent.
    Ask,
    /// Its answer follows.
    Answer {
        /// Bytes of the answer.
        length: u32,
    },
    /// The connection ends.
    Refused(Refusal),
}

/// Why a connection is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub(crate) enum Refusal {
    /// Another version of the protocol.
    #[error("it speaks version {0} of the protocol")]
    Version(u16),
    /// What was said is no hello.
    #[error("it did not understand the hello")]
    Garbled,
    /// Another cluster.
    #[error("it belongs to another cluster")]
    Cluster,
    /// The wrong cookie.
    #[error("it knows another cookie")]
    Cookie,
    /// Another node listens at that address.
    #[error("it is node {0}")]
    Node(NodeId),
    /// The node is not one of its peers.
    #[error("it does not know this node")]
    Unknown,
    /// The certificate is that of another node.
    #[error("it expects another certificate of this node")]
    Certificate,
    /// There is a session already.
    #[error("it is connected to this node already")]
    Connected,
    /// Too many at once.
    #[error("it is busy")]
    Busy,
}

impl Refusal {
    /// Its name among the metrics.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Version(_) => "version",
            Self::Garbled => "garbled",
            Self::Cluster => "cluster",
            Self::Cookie => "cookie",
            Self::Node(_) => "node",
            Self::Unknown => "unknown",
            Self::Certificate => "certificate",
            Self::Connected => "connected",
            Self::Busy => "busy",
        }
    }
}

/// Why no hello or reply was read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HelloError {
    /// The connection failed.
    #[error("the connection failed in the handshake: {0}")]
    Io(#[from] io::Error),
    /// The other side is something else.
    #[error("what answers there is not the request plane of a node")]
    Magic,
    /// The other side speaks another version.
    #[error("it speaks version {0} of the protocol")]
    Version(u16),
    /// The other side said what cannot be read.
    #[error("the hello cannot be read")]
    Garbled,
}

/// Says a hello or a reply.
pub(crate) async fn say<T: Serialize>(to: &mut (impl AsyncWrite + Unpin), message: &T) -> Result<(), HelloError> {
    let body = wire::encode(message).map_err(|_| HelloError::Garbled)?;
    let length = u16::try_from(body.len()).map_err(|_| HelloError::Garbled)?;
    let mut bytes = Vec::with_capacity(12 + body.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&body);
    to.write_all(&bytes).await?;
    Ok(to.flush().await?)
}

/// Hears a hello or a reply. Nothing that follows it is read.
pub(crate) async fn hear<T: serde::de::DeserializeOwned>(from: &mut (impl AsyncRead + Unpin)) -> Result<T, HelloError> {
    let mut magic = [0; MAGIC.len()];
    from.read_exact(&mut magic).await?;
    if magic != MAGIC {
        return Err(HelloError::Magic);
    }
    let version = from.read_u16().await?;
    if version != VERSION {
        return Err(HelloError::Version(version));
    }
    let length = from.read_u16().await?;
    if length > LONGEST {
        return Err(HelloError::Garbled);
    }
    let mut body = vec![0; usize::from(length)];
    from.read_exact(&mut body).await?;
    wire::decode(&body).map_err(|_| HelloError::Garbled)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn hello() -> Hello {
        Hello::Member {
            cluster: ClusterId::new(Uuid::from_bytes([7; 16])),
            cookie: Cookie::of(ClusterId::new(Uuid::from_bytes([7; 16]))),
            from: NodeId::new(1),
            to: NodeId::new(2),
            door: Door {
                token: 3,
                calls: 4,
                answers: 5,
            },
        }
    }

    #[tokio::test]
    async fn hellos_keep_their_bytes() {
        let mut bytes = Vec::new();
        say(&mut bytes, &hello()).await.unwrap();
        let text = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(
            text,
            "464e442d5245510a0001003801001007070707070707070707070707070707ddfda50268cdddd7af8ee0b7920e720f59bc28332ff\
             31235591eed9fc30cb8e90102030405"
        );
        assert_eq!(hear::<Hello>(&mut bytes.as_slice()).await.unwrap(), hello());
    }

    #[tokio::test]
    async fn other_versions_and_other_protocols_are_told_apart() {
        let mut bytes = Vec::new();
        say(&mut bytes, &hello()).await.unwrap();
        bytes[9] = 9;
        assert!(matches!(
            hear::<Hello>(&mut bytes.as_slice()).await,
            Err(HelloError::Version(9))
        ));
        bytes[0] = b'G';
        assert!(matches!(
            hear::<Hello>(&mut bytes.as_slice()).await,
            Err(HelloError::Magic)
        ));
    }
}
