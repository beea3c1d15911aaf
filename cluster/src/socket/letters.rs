//! What gateways tell an actor of its sockets, and how a class that has any takes it.

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::{AutoResponse, Closing, Frame, Opening, SocketActor, SocketId, UNKNOWN};
use crate::{
    ActorError, Ctx, Message, Result,
    interface::{Call, Codec, Payload, Value, received},
};

/// A client wants to connect. The answer is what the gateway answers by itself.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Connect {
    pub(super) socket: SocketId,
    pub(super) opening: Opening,
}

impl Message for Connect {
    const NAME: &'static str = "socket.connect";
    type Reply = Option<AutoResponse>;
}

/// A client has sent a frame, its `number`th.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Arrived {
    pub(super) socket: SocketId,
    pub(super) number: u64,
    pub(super) frame: Frame,
}

impl Message for Arrived {
    const NAME: &'static str = "socket.frame";
    type Reply = ();
}

/// A socket is closed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Closed {
    pub(super) socket: SocketId,
    pub(super) closing: Closing,
    /// Whether the actor is not asked about it any more, because it failed.
    pub(super) is_final: bool,
}

impl Message for Closed {
    const NAME: &'static str = "socket.close";
    type Reply = ();
}

/// What was sent to a socket may not have reached its gateway.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Gap {
    pub(crate) socket: SocketId,
}

impl Message for Gap {
    const NAME: &'static str = "socket.gap";
    type Reply = ();
}

/// How a class with sockets handles them.
pub(crate) fn calls<A: SocketActor>() -> [(&'static str, Call<A>, &'static Codec); 4] {
    [
        (Connect::NAME, connect::<A>, Codec::of::<Connect>()),
        (Arrived::NAME, arrived::<A>, Codec::of::<Arrived>()),
        (Closed::NAME, closed::<A>, Codec::of::<Closed>()),
        (Gap::NAME, gap::<A>, Codec::of::<Gap>()),
    ]
}

fn connect<'a, A: SocketActor>(
    actor: &'a mut A,
    payload: Payload,
    ctx: &'a mut Ctx<A>,
) -> BoxFuture<'a, Result<Value>> {
    Box::pin(async move {
        let Connect { socket, opening } = received(payload)?;
        let turn = ctx.turn();
        turn.touch();
        if !turn.sockets.has(&turn.storage, socket)? {
            let (open, bound) = (turn.sockets.count(&turn.storage)?, turn.node.bounds.sockets);
            if open >= bound {
                return Err(ActorError::overloaded(
                    "socket.too-many",
                    format!("an actor has at most {bound} sockets"),
                ));
            }
            turn.sockets.begin(socket);
            let connected = actor.connect(socket, opening, ctx).await;
            let turn = ctx.turn();
            let address = std::sync::Arc::clone(turn.address());
            let connected = connected.and_then(|tags| turn.sockets.connected(&address, socket, tags));
            if let Err(error) = connected {
                let split = turn.split;
                turn.sockets.refuse(address.hash, socket, split);
                return Err(error);
            }
        }
        // It may have been set just now.
        let turn = ctx.turn();
        Ok(Box::new(turn.sockets.auto_response(&turn.storage)?) as Value)
    })
}

fn arrived<'a, A: SocketActor>(
    actor: &'a mut A,
    payload: Payload,
    ctx: &'a mut Ctx<A>,
) -> BoxFuture<'a, Result<Value>> {
    Box::pin(async move {
        let Arrived { socket, number, frame } = received(payload)?;
        let turn = ctx.turn();
        match turn.sockets.arrived(&turn.storage, socket, number)? {
            Some(true) => {
                let handled = actor.frame(socket, frame, ctx).await;
                log(ctx, socket, "a frame", handled);
            }
            Some(false) => tracing::debug!(actor = %ctx.id(), %socket, number, "a frame came again"),
            None => {
                let unknown = format!("the actor has no socket {socket}");
                return Err(ActorError::not_found(UNKNOWN, unknown));
            }
        }
        Ok(Box::new(()) as Value)
    })
}

fn closed<'a, A: SocketActor>(actor: &'a mut A, payload: Payload, ctx: &'a mut Ctx<A>) -> BoxFuture<'a, Result<Value>> {
    Box::pin(async move {
        let Closed {
            socket,
            closing,
            is_final,
        } = received(payload)?;
        let turn = ctx.turn();
        turn.touch();
        if !turn.sockets.has(&turn.storage, socket)? {
            turn.sockets.unlist(&turn.storage, socket)?;
        } else {
            if !is_final {
                let handled = actor.close(socket, closing, ctx).await;
                log(ctx, socket, "the end of a socket", handled);
            }
            let turn = ctx.turn();
            let hash = turn.address().hash;
            turn.sockets.remove(hash, socket);
            turn.sockets.unmark(&turn.storage, turn.mailbox.epoch, socket)?;
        }
        Ok(Box::new(()) as Value)
    })
}

fn gap<'a, A: SocketActor>(actor: &'a mut A, payload: Payload, ctx: &'a mut Ctx<A>) -> BoxFuture<'a, Result<Value>> {
    Box::pin(async move {
        let Gap { socket } = received(payload)?;
        let turn = ctx.turn();
        if turn.sockets.has(&turn.storage, socket)? {
            turn.node.ports.metrics.gap();
            let handled = actor.gap(socket, ctx).await;
            log(ctx, socket, "a gap", handled);
        }
        Ok(Box::new(()) as Value)
    })
}

/// Nobody else hears of it.
fn log<A: SocketActor>(ctx: &Ctx<A>, socket: SocketId, what: &str, handled: Result<()>) {
    if let Err(error) = handled {
        tracing::warn!(actor = %ctx.id(), %socket, %error, "failed to handle {what}");
    }
}
