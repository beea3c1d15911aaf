//! The first thing that is said on a connection, in both directions.
//!
//! A hello is its length (2 bytes), the magic, and the oldest and newest version that its sender speaks; what follows is
//! that of version 1. An answer is its length, the magic, and either a welcome with the version that both speak and who
//! is there, or why the connection is refused.

use std::{io, ops::RangeInclusive};

use bytes::{Buf, BufMut, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use uuid::Uuid;

use crate::{
    cluster_id::ClusterId,
    node_name::NodeName,
    peers::{Lane, NodeId},
};

/// Versions of hello and frames that this program speaks.
pub(super) const VERSIONS: RangeInclusive<u16> = 1..=1;

const MAGIC: &[u8; 8] = b"raftpln\0";

/// Longest hello or answer, so that who talks another protocol is not listened to for long.
const LONGEST: usize = 1024;

/// Longest reason that is read, in characters.
const REASON: usize = 300;

const WELCOME: u8 = 0;
const REFUSED: u8 = 1;

/// Who says hello.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) cluster: ClusterId,
    pub(super) node: NodeId,
    pub(super) name: NodeName,
}

/// What a node says that has dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hello {
    pub(super) from: Identity,
    /// Whom it wants to reach.
    pub(super) to: NodeId,
    pub(super) lane: Lane,
}

/// What it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Greeting {
    /// Requests may follow.
    Welcome(Identity),
    /// Nothing may follow, and why.
    Refused(String),
}

/// Why a hello or an answer is not understood.
#[derive(Debug, thiserror::Error)]
pub(super) enum HelloError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it does not speak the protocol between nodes")]
    Protocol,
    #[error("it speaks versions {} to {} of the protocol between nodes, and this node {} to {}", .0.start(), .0.end(), VERSIONS.start(), VERSIONS.end())]
    Versions(RangeInclusive<u16>),
}

impl Hello {
    pub(super) async fn send(&self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        send(stream, &self.encode(VERSIONS)).await
    }

    pub(super) async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> Result<Self, HelloError> {
        Self::decode(receive(stream).await?)
    }

    pub(super) fn encode(&self, versions: RangeInclusive<u16>) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.put_u16(*versions.start());
        out.put_u16(*versions.end());
        self.from.encode(&mut out);
        out.put_u64(self.to.get());
        out.put_u8(code(self.lane));
        out
    }

    fn decode(mut input: Bytes) -> Result<Self, HelloError> {
        let (oldest, newest) = (take_magic(&mut input))
            .and_then(|()| Some((input.try_get_u16().ok()?, input.try_get_u16().ok()?)))
            .ok_or(HelloError::Protocol)?;
        if oldest > *VERSIONS.end() || newest < *VERSIONS.start() {
            return Err(HelloError::Versions(oldest..=newest));
        }
        Self::decode_parts(input).ok_or(HelloError::Protocol)
    }

    fn decode_parts(mut input: Bytes) -> Option<Self> {
        Some(Self {
            from: Identity::decode(&mut input)?,
            to: NodeId::new(input.try_get_u64().ok()?),
            lane: lane(input.try_get_u8().ok()?)?,
        })
    }
}

impl Greeting {
    pub(super) async fn send(&self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        send(stream, &self.encode()).await
    }

    pub(super) async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> Result<Self, HelloError> {
        Self::decode(receive(stream).await?).ok_or(HelloError::Protocol)
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        match self {
            Self::Welcome(identity) => {
                out.put_u8(WELCOME);
                out.put_u16(*VERSIONS.end());
                identity.encode(&mut out);
            }
            Self::Refused(reason) => {
                out.put_u8(REFUSED);
                out.extend(reason.chars().take(REASON / 2).collect::<String>().into_bytes());
            }
        }
        out
    }

    fn decode(mut input: Bytes) -> Option<Self> {
        take_magic(&mut input)?;
        match input.try_get_u8().ok()? {
            WELCOME => {
                VERSIONS.contains(&input.try_get_u16().ok()?).then_some(())?;
                Some(Self::Welcome(Identity::decode(&mut input)?))
            }
            REFUSED => {
                // It ends up in logs.
                let reason = String::from_utf8_lossy(&input);
                let printable = reason.chars().filter(|letter| !letter.is_control());
                Some(Self::Refused(printable.take(REASON).collect()))
            }
            _ => None,
        }
    }
}

impl Identity {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.cluster.get().as_bytes());
        out.put_u64(self.node.get());
        let name = self.name.as_str();
        out.put_u8(u8::try_from(name.len()).expect("a name is one label of a DNS name"));
        out.extend(name.as_bytes());
    }

    fn decode(input: &mut Bytes) -> Option<Self> {
        let cluster = ClusterId::new(Uuid::from_u128(input.try_get_u128().ok()?));
        let node = NodeId::new(input.try_get_u64().ok()?);
        let length = usize::from(input.try_get_u8().ok()?);
        let name = (length <= input.len()).then(|| input.split_to(length))?;
        let name = NodeName::new(std::str::from_utf8(&name).ok()?).ok()?;
        Some(Self { cluster, node, name })
    }
}

fn take_magic(input: &mut Bytes) -> Option<()> {
    let magic = (input.len() >= MAGIC.len()).then(|| input.split_to(MAGIC.len()))?;
    (magic == MAGIC.as_slice()).then_some(())
}

/// Published: never changed.
fn code(lane: Lane) -> u8 {
    match lane {
        Lane::Heartbeat => 0,
        Lane::Log => 1,
        Lane::Snapshot => 2,
        Lane::Request => 3,
    }
}

fn lane(code: u8) -> Option<Lane> {
    [Lane::Heartbeat, Lane::Log, Lane::Snapshot]
        .into_iter()
        .find(|lane| self::code(*lane) == code)
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    let length = u16::try_from(bytes.len()).expect("hellos and answers are short");
    stream.write_all(&[&length.to_be_bytes(), bytes].concat()).await?;
    stream.flush().await
}

async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> Result<Bytes, HelloError> {
    let length = usize::from(stream.read_u16().await?);
    if !(MAGIC.len()..=LONGEST).contains(&length) {
        return Err(HelloError::Protocol);
    }
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Hello {
        Hello {
            from: Identity {
                cluster: ClusterId::new(Uuid::from_u128(1)),
                node: NodeId::new(2),
                name: NodeName::new("b").unwrap(),
            },
            to: NodeId::new(3),
            lane: Lane::Snapshot,
        }
    }

    #[test]
    fn the_bytes_of_a_hello_are_what_other_versions_expect() {
        let bytes = [
            b"raftpln\0\0\x01\0\x01".as_slice(),
            b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01",
            b"\0\0\0\0\0\0\0\x02\x01b",
            b"\0\0\0\0\0\0\0\x03\x02",
        ];
        assert_eq!(hello().encode(VERSIONS), bytes.concat());
    }

    #[tokio::test]
    async fn hellos_and_answers_come_back_as_they_were() {
        let (mut near, mut far) = tokio::io::duplex(4096);
        hello().send(&mut near).await.unwrap();
        assert_eq!(Hello::receive(&mut far).await.unwrap(), hello());
        for greeting in [Greeting::Welcome(hello().from), Greeting::Refused("full".to_owned())] {
            greeting.send(&mut near).await.unwrap();
            assert_eq!(Greeting::receive(&mut far).await.unwrap(), greeting);
        }
    }

    #[test]
    fn a_hello_of_versions_that_nobody_here_speaks_says_which() {
        let newer = Hello::decode(hello().encode(2..=7).into()).unwrap_err().to_string();
        assert!(
            newer.contains("versions 2 to 7") && newer.contains("this node 1 to 1"),
            "{newer}"
        );
        // What comes after the versions may be anything.
        let mut other = hello().encode(9..=9);
        other.truncate(12);
        assert!(matches!(Hello::decode(other.into()), Err(HelloError::Versions(_))));
        // One that speaks this version among others is welcome.
        assert_eq!(Hello::decode(hello().encode(0..=7).into()).unwrap(), hello());
    }

    #[test]
    fn what_is_cut_or_of_another_protocol_is_no_hello() {
        let whole = hello().encode(VERSIONS);
        for length in 0..whole.len() {
            let cut = Bytes::copy_from_slice(&whole[..length]);
            assert!(matches!(Hello::decode(cut), Err(HelloError::Protocol)), "{length}");
        }
        let http = Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n");
        assert!(matches!(Hello::decode(http), Err(HelloError::Protocol)));
    }

    #[tokio::test]
    async fn who_announces_a_long_hello_is_not_listened_to() {
        assert!(matches!(
            receive(&mut b"GE".as_slice()).await,
            Err(HelloError::Protocol)
        ));
    }

    #[test]
    fn a_reason_is_bounded_and_printable() {
        let answer = Greeting::Refused(format!("{}\u{1b}[31m", "ä".repeat(1000))).encode();
        assert!(answer.len() <= LONGEST);
        let mut forged = MAGIC.to_vec();
        forged.push(REFUSED);
        forged.extend(b"\x1b[31mred\n");
        assert_eq!(
            Greeting::decode(forged.into()),
            Some(Greeting::Refused("[31mred".to_owned()))
        );
    }
}
