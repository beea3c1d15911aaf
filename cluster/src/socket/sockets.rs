//! What a handler may do with sockets.

use std::{fmt, time::Duration};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use super::{AutoResponse, Frame, SocketId, UNKNOWN, table::Command};
use crate::{ActorError, Result, Timestamp, turn::Turn, wire};

/// Most bytes of an attachment.
const ATTACHMENT_BYTES: usize = 16 * 1024;

/// How long a gateway may take to say what it knows of a socket.
const WITHIN: Duration = Duration::from_secs(2);

/// The sockets of an actor, as one of its turns uses them; see [`Ctx::sockets`](crate::Ctx::sockets).
pub struct Sockets<'a>(&'a mut Turn);

impl<'a> Sockets<'a> {
    pub(crate) fn new(turn: &'a mut Turn) -> Self {
        Self(turn)
    }

    /// All sockets of the actor. One that is about to close may be among them.
    ///
    /// # Errors
    /// `storage.read`, `storage.decode` if the state cannot be read.
    pub fn all(&mut self) -> Result<Vec<SocketId>> {
        self.0.sockets.list(&self.0.storage, None)
    }

    /// The sockets with a tag.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub fn tagged(&mut self, tag: &str) -> Result<Vec<SocketId>> {
        self.0.sockets.list(&self.0.storage, Some(tag))
    }

    /// The tags of a socket.
    ///
    /// # Errors
    /// `socket.unknown` if it is closed; otherwise as [`all`](Self::all).
    pub fn tags(&mut self, socket: SocketId) -> Result<Vec<String>> {
        let tags = self.0.sockets.tags(&self.0.storage, socket)?;
        tags.ok_or_else(|| unknown(socket))
    }

    /// Sends a frame, when the turn is durable. To a socket that is closed nothing is sent.
    ///
    /// # Errors
    /// `too-large` if the frame, or all that the turn writes and sends, exceeds its bound; otherwise as [`all`](Self::all).
    pub fn send(&mut self, socket: SocketId, frame: impl Into<Frame>) -> Result<()> {
        self.broadcast([socket], frame)
    }

    /// Sends a frame to several sockets.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn broadcast(&mut self, sockets: impl IntoIterator<Item = SocketId>, frame: impl Into<Frame>) -> Result<()> {
        let frame = frame.into();
        let bound = self.0.node.bounds.value_bytes;
        if frame.len() > bound {
            return Err(ActorError::too_large(
                "too-large",
                format!("a frame of {} bytes exceeds the bound of {bound}", frame.len()),
            ));
        }
        self.0.storage.charge(frame.len())?;
        let mut open = Vec::new();
        for socket in sockets {
            if self.0.sockets.has(&self.0.storage, socket)? {
                open.push(socket);
            }
        }
        self.0.send_through(open, Command::Frame(frame))
    }

    /// Closes a socket when the turn is durable. [`SocketActor::close`](crate::SocketActor::close) is called when it is
    /// closed.
    ///
    /// # Errors
    /// `socket.code` if the code is none that may be sent (RFC 6455, section 7.4: 1000 to 1003, 1007 to 1014, 3000 to 4999) or
    /// the reason has more than 123 bytes; otherwise as [`all`](Self::all).
    pub fn close(&mut self, socket: SocketId, code: u16, reason: &str) -> Result<()> {
        let may_be_sent = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        if !may_be_sent || reason.len() > 123 {
            return Err(ActorError::invalid(
                "socket.code",
                format!("{code} is no code that a close frame may have, or the reason is longer than 123 bytes"),
            ));
        }
        if self.0.sockets.has(&self.0.storage, socket)? {
            let reason = reason.to_owned();
            self.0.send_through(vec![socket], Command::Close { code, reason })?;
        }
        Ok(())
    }

    /// What was attached to a socket.
    ///
    /// # Errors
    /// `storage.decode` if it is no `T`; otherwise as [`all`](Self::all).
    pub fn attachment<T: DeserializeOwned>(&mut self, socket: SocketId) -> Result<Option<T>> {
        let attached = self.0.sockets.attachment(&self.0.storage, socket)?;
        let decoded = attached.map(|bytes| wire::decode(&bytes)).transpose();
        decoded.map_err(|error| crate::storage::undecodable("an attachment", &error))
    }

    /// Attaches a value to a socket, instead of the present one, until it is closed.
    ///
    /// # Errors
    /// `too-large` if it has more than 16 KiB, `socket.unknown` if the socket is closed, `storage.encode` if serde refuses.
    pub fn attach<T: Serialize>(&mut self, socket: SocketId, value: &T) -> Result<()> {
        let bytes: Bytes = wire::encode(value).map_err(|error| {
            ActorError::internal("storage.encode", format!("failed to encode an attachment: {error}"))
        })?;
        if bytes.len() > ATTACHMENT_BYTES {
            return Err(ActorError::too_large(
                "too-large",
                format!(
                    "an attachment of {} bytes exceeds the bound of {ATTACHMENT_BYTES}",
                    bytes.len()
                ),
            ));
        }
        if !self.0.sockets.has(&self.0.storage, socket)? {
            return Err(unknown(socket));
        }
        self.0.storage.charge(bytes.len())?;
        let hash = self.0.address().hash;
        self.0.sockets.attach(hash, socket, bytes);
        Ok(())
    }

    /// What gateways answer to the clients of this actor without waking it; nothing, by default.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub fn auto_response(&mut self) -> Result<Option<AutoResponse>> {
        self.0.sockets.auto_response(&self.0.storage)
    }

    /// When a frame of the socket was last answered automatically; `None` if none ever was, or the connection is gone.
    ///
    /// The gateway knows, and is asked: this is true for the moment at which it was asked, and by the clock of that node. Of
    /// an actor that wants to know it of many sockets, the mailbox waits for one after another.
    ///
    /// # Errors
    /// `retryable` if the gateway does not answer within 2 seconds.
    pub async fn auto_response_timestamp(&mut self, socket: SocketId) -> Result<Option<Timestamp>> {
        let node = &self.0.node;
        if socket.node == node.remote.node {
            return Ok(node.ports.answered(socket.instance, socket.number));
        }
        node.remote.auto_responded(socket, WITHIN).await.map_err(|error| {
            ActorError::retryable(
                "retryable",
                format!("the gateway of the socket does not answer: {error}"),
            )
        })
    }

    /// Changes what gateways answer, for all sockets of this actor.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    pub fn set_auto_response(&mut self, auto_response: Option<AutoResponse>) -> Result<()> {
        let all = self.all()?;
        let hash = self.0.address().hash;
        self.0.sockets.set_auto_response(hash, auto_response.clone());
        self.0.send_through(all, Command::AutoResponse(auto_response))
    }
}

fn unknown(socket: SocketId) -> ActorError {
    ActorError::not_found(UNKNOWN, format!("the actor has no socket {socket}"))
}

impl fmt::Debug for Sockets<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sockets").field(self.0).finish()
    }
}
