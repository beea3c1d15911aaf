//! What the author of an actor with sockets implements.

use std::future::Future;

use super::{Closing, Frame, Opening, SocketId};
use crate::{Ctx, Result, VirtualActor};

/// An actor that clients connect to. It is listed with [`Interface::sockets`](crate::Interface::sockets).
///
/// Each of these is a turn of its own, like a message, and what it sends through [`Ctx::sockets`](crate::Ctx::sockets) leaves
/// when the turn is durable.
pub trait SocketActor: VirtualActor {
    /// A client connects; the answer is the tags by which the socket is found again, at most 10 of at most 256 characters.
    /// The socket can be used from here on.
    ///
    /// # Errors
    /// An error refuses the client, which hears it.
    fn connect(
        &mut self,
        socket: SocketId,
        opening: Opening,
        ctx: &mut Ctx<Self>,
    ) -> impl Future<Output = Result<Vec<String>>> + Send;

    /// A client has sent a frame. Frames of one socket are handled in order. What one durably does happens once; if it does
    /// nothing durable, it may be handled again after its node was killed.
    ///
    /// # Errors
    /// An error is logged; the frame counts as handled, and what was written before stays written.
    fn frame(&mut self, socket: SocketId, frame: Frame, ctx: &mut Ctx<Self>)
    -> impl Future<Output = Result<()>> + Send;

    /// A socket is closed. Its attachment can be read for the last time; what is sent to it is lost.
    ///
    /// # Errors
    /// An error is logged, and the socket is closed all the same.
    fn close(
        &mut self,
        socket: SocketId,
        closing: Closing,
        ctx: &mut Ctx<Self>,
    ) -> impl Future<Output = Result<()>> + Send {
        let _ = (socket, closing, ctx);
        async { Ok(()) }
    }

    /// Nobody knows whether what was sent to this socket last has reached its gateway: the connection with that was lost for
    /// a while, or the owner of the actor was lost, perhaps before it had sent what its turns had done. In the latter case
    /// it is called once for each open socket, before anything else. An actor that cannot do with a gap sends everything
    /// anew, or closes the socket.
    ///
    /// # Errors
    /// An error is logged.
    fn gap(&mut self, socket: SocketId, ctx: &mut Ctx<Self>) -> impl Future<Output = Result<()>> + Send {
        let _ = (socket, ctx);
        async { Ok(()) }
    }
}
