//! Clients that come, or come back: each hears an answer from its beginning, once.

use cluster::prelude::{Result, SocketId};

use super::{
    agent::{Chat, Here},
    protocol::{self, Manner},
    rows::Outcome,
};

impl Chat {
    /// A client has connected.
    pub(super) fn greet(&mut self, socket: SocketId, ctx: Here<'_, '_>) -> Result<()> {
        if !self.transcript.is_empty() {
            ctx.send(socket, protocol::messages(&self.transcript.to_json(), true))?;
        }
        self.offer(socket, None, ctx).map(drop)
    }

    /// Offers a client the answer that is being given. Says whether there is one.
    fn offer(&mut self, socket: SocketId, probe: Option<&str>, ctx: Here<'_, '_>) -> Result<bool> {
        let Some(turn) = &self.turns.running else {
            return Ok(false);
        };
        ctx.send(socket, protocol::resuming(&turn.request, probe))?;
        self.awaiting.insert(socket);
        Ok(true)
    }

    /// A client asks whether anything is being said.
    pub(super) fn answer_probe(&mut self, socket: SocketId, probe: Option<&str>, ctx: Here<'_, '_>) -> Result<()> {
        let waiting = self.owners.iter().find(|(_, owner)| **owner == socket);
        if let Some((request, _)) = waiting {
            return ctx.send(socket, protocol::pending(request, probe));
        }
        if self.offer(socket, probe, ctx)? {
            return Ok(());
        }
        // What went wrong is not in the messages.
        match &self.turns.last {
            Some(last) if last.outcome == Outcome::Error => {
                self.awaiting.insert(socket);
                ctx.send(socket, protocol::resuming(&last.request, probe))
            }
            _ => ctx.send(socket, protocol::idle(probe)),
        }
    }

    /// A client acknowledges that it is about to hear an answer: it hears what was said so far, and from now on the rest.
    pub(super) fn repeat(&mut self, socket: SocketId, request: &str, ctx: Here<'_, '_>) -> Result<()> {
        if let Some(turn) = self.turns.running.as_ref().filter(|turn| turn.request == request) {
            // It may have been told twice, and acknowledge twice.
            if !self.awaiting.remove(&socket) {
                return Ok(());
            }
            let manner = Manner {
                is_continuation: turn.is_continuation,
                is_replay: true,
            };
            for (number, chunk) in self.log.chunks() {
                ctx.send(socket, protocol::chunk(request, chunk, turn.number(number), manner))?;
            }
            return ctx.send(socket, protocol::repeated(request, turn.is_continuation));
        }
        let last = self.turns.last.as_ref().filter(|last| last.request == request);
        let Some(last) = last else {
            return ctx.send(socket, protocol::over(request));
        };
        let manner = Manner {
            is_continuation: last.is_continuation,
            is_replay: true,
        };
        let is_awaiting = self.awaiting.remove(&socket);
        if is_awaiting {
            for (number, chunk) in self.log.chunks() {
                ctx.send(socket, protocol::chunk(request, chunk, number, manner))?;
            }
        }
        let end = protocol::end(request, last.outcome, last.error.as_deref(), manner);
        ctx.send(socket, end)?;
        // Whatever the client has made of what it heard, this is the message.
        match self.transcript.get(last.place).filter(|_| is_awaiting) {
            Some(message) => ctx.send(socket, protocol::updated(message)),
            None => Ok(()),
        }
    }

    /// Nobody knows what a client has heard: it drops what it has of an answer, and hears it from its beginning.
    pub(super) fn begin_anew_for(&mut self, socket: SocketId, ctx: Here<'_, '_>) -> Result<()> {
        if let Some(turn) = &self.turns.running {
            ctx.send(socket, protocol::interruption(&turn.request))?;
        } else if let Some(last) = &self.turns.last {
            let manner = Manner {
                is_continuation: last.is_continuation,
                is_replay: false,
            };
            let end = protocol::end(&last.request, last.outcome, last.error.as_deref(), manner);
            ctx.send(socket, end)?;
        }
        ctx.send(socket, protocol::messages(&self.transcript.to_json(), false))?;
        self.offer(socket, None, ctx).map(drop)
    }
}
