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
    let not_sent = |reason| AddressError::NotSent {
        address: address.to_owned(),
        reason,
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
        .map_err(|_| not_sent(late()))?
        .map_err(|fault| not_sent(fault.to_string()))?;
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
        Ok(Err(fault @ Fault::Refused(_))) => Err(not_sent(fault.to_string())),
        Ok(Err(fault)) => Err(no_answer(fault.to_string())),
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
