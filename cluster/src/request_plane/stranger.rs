//! A node that is about to join has no id, and so no session: it opens a connection for one request.

use std::{io, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout, timeout_at},
};

use super::{
    config::RequestBounds,
    hello::{self, Hello, HelloError, Refusal, Reply},
    plane::Plane,
};
use crate::tls::{ChannelError, Security, Stream};

/// Why a stranger has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AddressError {
    /// The request was not sent, or not looked at.
    #[error("{address} did not take the request: {reason}")]
    NotSent {
        /// Who was asked.
        address: String,
        /// Why.
        reason: String,
        /// Whether it will be the same the next time, as long as nobody changes anything.
        is_lasting: bool,
    },
    /// It may have been served.
    #[error("{address} did not answer: {reason}")]
    NoAnswer {
        /// Who was asked.
        address: String,
        /// Why.
        reason: String,
    },
}

impl AddressError {
    /// Whether it will be the same the next time, as long as nobody changes anything.
    pub(crate) fn is_lasting(&self) -> bool {
        match self {
            Self::NotSent { is_lasting, .. } => *is_lasting,
            Self::NoAnswer { .. } => false,
        }
    }

    /// What happened, without the address.
    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::NotSent { reason, .. } | Self::NoAnswer { reason, .. } => reason,
        }
    }

    /// Whether the request may have been served nevertheless.
    pub(crate) fn may_be_served(&self) -> bool {
        matches!(self, Self::NoAnswer { .. })
    }
}

/// Why a conversation ended early.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Channel(#[from] ChannelError),
    #[error(transparent)]
    Hello(#[from] HelloError),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it refused: {0}")]
    Refused(Refusal),
    #[error("the request or its answer is too large")]
    TooLarge,
}

impl Fault {
    /// Whether it will be the same the next time, as long as nobody changes anything.
    fn is_lasting(&self) -> bool {
        match self {
            Self::Channel(ChannelError::Connect(_)) => false,
            Self::Channel(ChannelError::Handshake(error)) | Self::Hello(HelloError::Io(error)) | Self::Io(error) => {
                is_of_tls(error)
            }
            Self::Channel(
                ChannelError::Plaintext { .. }
                | ChannelError::PlaintextListener(_)
                | ChannelError::Names(_)
                | ChannelError::OtherNode { .. },
            )
            | Self::Hello(HelloError::Magic | HelloError::Version(_) | HelloError::Garbled)
            | Self::TooLarge => true,
            Self::Refused(refusal) => match refusal {
                Refusal::Version(_)
                | Refusal::Garbled
                | Refusal::Cluster
                | Refusal::Cookie
                | Refusal::Node(_)
                | Refusal::Certificate => true,
                // It may still be starting.
                Refusal::Unknown | Refusal::Connected | Refusal::Busy => false,
            },
        }
    }

    /// It in words, with what is probably behind it.
    fn told(&self, security: &Security) -> String {
        let is_secured = matches!(security, Security::Certificates(_));
        let is_cut = matches!(self, Self::Hello(HelloError::Io(_)));
        let hint = if matches!(self, Self::Channel(ChannelError::Handshake(_))) || (is_cut && is_secured) {
            ": do both nodes have certificates of the same CA?"
        } else if is_cut {
            ": does it have certificates, which this node has not?"
        } else if matches!(self, Self::Hello(HelloError::Magic)) {
            ": is it the address for requests of a node?"
        } else {
            ""
        };
        format!("{self}{hint}")
    }
}

/// Whether an error is what rustls says, not that the connection broke.
fn is_of_tls(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData
}

/// Asks the node at an address, without being one. Any node of the CA may answer.
pub(crate) async fn call_address(
    security: &Security,
    bounds: &RequestBounds,
    address: &str,
    request: Bytes,
    within: Duration,
) -> Result<Bytes, AddressError> {
    let deadline = Instant::now() + within;
    let late = || "the deadline passed".to_owned();
    let not_sent = |reason, is_lasting| AddressError::NotSent {
        address: address.to_owned(),
        reason,
        is_lasting,
    };
    let no_answer = |reason| AddressError::NoAnswer {
        address: address.to_owned(),
        reason,
    };
    let introduction = async {
        let length = length(request.len(), bounds)?;
        let mut stream = security.dial(address, None).await?.stream;
        hello::say(&mut stream, &Hello::Joining { length }).await?;
        match hello::hear(&mut stream).await? {
            Reply::Ask => Ok(stream),
            Reply::Refused(refusal) => Err(Fault::Refused(refusal)),
            Reply::Welcome(_) | Reply::Answer { .. } => Err(HelloError::Garbled.into()),
        }
    };
    let introduced = timeout_at(deadline.min(Instant::now() + bounds.handshake), introduction).await;
    let mut stream = introduced
        .map_err(|_| not_sent(late(), false))?
        .map_err(|fault| not_sent(fault.told(security), fault.is_lasting()))?;
    let conversation = async {
        stream.write_all(&request).await?;
        stream.flush().await?;
        match hello::hear(&mut stream).await? {
            Reply::Answer { length } => read(&mut stream, length, bounds).await,
            Reply::Refused(refusal) => Err(Fault::Refused(refusal)),
            Reply::Welcome(_) | Reply::Ask => Err(HelloError::Garbled.into()),
        }
    };
    match timeout_at(deadline, conversation).await {
        Ok(Ok(answer)) => Ok(answer),
        // Whoever refuses has not looked at it.
        Ok(Err(fault @ Fault::Refused(_))) => Err(not_sent(fault.told(security), fault.is_lasting())),
        Ok(Err(fault)) => Err(no_answer(fault.told(security))),
        Err(_) => Err(no_answer(late())),
    }
}

/// Answers a stranger. Its request and the answer travel within the time of a handshake each.
pub(super) async fn answer(plane: &Plane, stream: &mut Stream, length: u32) -> Result<Result<(), Refusal>, HelloError> {
    let bounds = &plane.config.bounds;
    let late = || HelloError::Io(io::ErrorKind::TimedOut.into());
    if length as usize > bounds.joining_body {
        return Ok(Err(Refusal::Garbled));
    }
    let request = async {
        hello::say(stream, &Reply::Ask).await?;
        read(stream, length, bounds).await.map_err(|_| HelloError::Garbled)
    };
    let request = timeout(bounds.handshake, request).await.map_err(|_| late())??;
    let Some(serving) = plane.desk.service.admit(request) else {
        return Ok(Err(Refusal::Unknown));
    };
    let answer = timeout(bounds.joining_time, serving).await.map_err(|_| late())?;
    let farewell = async {
        let length = length_of(&answer);
        hello::say(stream, &Reply::Answer { length }).await?;
        stream.write_all(&answer).await?;
        stream.shutdown().await?;
        Ok::<_, HelloError>(())
    };
    timeout(bounds.handshake, farewell).await.map_err(|_| late())??;
    Ok(Ok(()))
}

fn length_of(answer: &Bytes) -> u32 {
    u32::try_from(answer.len()).unwrap_or(u32::MAX)
}

fn length(bytes: usize, bounds: &RequestBounds) -> Result<u32, Fault> {
    if bytes > bounds.joining_body {
        return Err(Fault::TooLarge);
    }
    u32::try_from(bytes).map_err(|_| Fault::TooLarge)
}

async fn read(stream: &mut Stream, length: u32, bounds: &RequestBounds) -> Result<Bytes, Fault> {
    let length = length as usize;
    if length > bounds.joining_body {
        return Err(Fault::TooLarge);
    }
    // Grows as data arrives, so that a number alone claims no memory.
    let mut body = Vec::new();
    if stream.take(length as u64).read_to_end(&mut body).await? < length {
        return Err(Fault::Io(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(body.into())
}
