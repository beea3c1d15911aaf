//! One peer: where it is, the session with it, and who dials whom.
//!
//! The node with the lower id dials, so that there is one connection. The other one dials only if it was not dialled for a
//! while, which happens when its own address has changed. Should both dial, the connection of the lower id stays.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;

use super::session::{End, Session};
use crate::{node_name::NodeName, peers::NodeId};

/// Another node of the cluster.
pub(crate) struct Peer {
    /// Its id.
    pub(crate) node: NodeId,
    /// Whether it is this side that dials.
    pub(crate) is_dialled: bool,
    /// Told when the address has changed.
    pub(crate) moved: Notify,
    /// Cancelled when it is no peer any more.
    pub(crate) removed: CancellationToken,
    state: Mutex<State>,
}

struct State {
    address: String,
    name: NodeName,
    session: Option<Arc<Session>>,
    /// What the last dialling said, if it was after the last session.
    trouble: Option<String>,
    /// When calls could be made last, before the present session; at first, when it became a peer.
    carried: Instant,
}

impl Peer {
    /// A peer without a session.
    pub(crate) fn new(this: NodeId, node: NodeId, address: String, name: NodeName, removed: CancellationToken) -> Self {
        Self {
            node,
            is_dialled: this < node,
            moved: Notify::new(),
            removed,
            state: Mutex::new(State {
                address,
                name,
                session: None,
                trouble: None,
                carried: Instant::now(),
            }),
        }
    }

    /// It is somewhere else now, or has another name in its certificate.
    pub(crate) fn relocate(&self, address: String, name: NodeName) {
        let state = &mut *self.state.lock();
        if (&state.address, &state.name) != (&address, &name) {
            (state.address, state.name) = (address, name);
            self.moved.notify_one();
        }
    }

    /// Where it is, and the name in its certificate.
    pub(crate) fn place(&self) -> (String, NodeName) {
        let state = self.state.lock();
        (state.address.clone(), state.name.clone())
    }

    /// The session, if it carries calls; else why there is none.
    pub(crate) fn live(&self) -> Result<Arc<Session>, String> {
        let state = self.state.lock();
        let session = state.session.as_ref();
        if let Some(live) = session.filter(|session| session.is_live()) {
            return Ok(Arc::clone(live));
        }
        let end = || session.and_then(|session| session.why_ended()).map(End::text);
        let trouble = state.trouble.as_deref().or_else(end);
        Err(trouble.unwrap_or("it was not reached yet").to_owned())
    }

    /// For how long no calls could be made, and why; nothing if they can.
    pub(crate) fn silence(&self) -> Option<(Duration, String)> {
        let reason = self.live().err()?;
        let state = self.state.lock();
        let last = state.session.as_ref().and_then(|session| session.carried_until());
        Some((last.unwrap_or(state.carried).elapsed(), reason))
    }

    /// The session, also one that is not up yet.
    pub(crate) fn session(&self) -> Option<Arc<Session>> {
        let state = self.state.lock();
        let session = state.session.as_ref();
        session.filter(|session| !session.ended.is_cancelled()).cloned()
    }

    /// Makes a session the only one, and ends the one before; that is returned. If that one has precedence, nothing
    /// changes.
    pub(crate) fn claim(&self, session: &Arc<Session>) -> Result<Option<Arc<Session>>, Taken> {
        let before = {
            let state = &mut *self.state.lock();
            let before = state.session.as_ref();
            let is_taken = before.is_some_and(|before| !before.ended.is_cancelled());
            if self.removed.is_cancelled() || (is_taken && session.dialled != self.is_dialled) {
                return Err(Taken);
            }
            state.trouble = None;
            if let Some(before) = before.filter(|before| before.ready.is_cancelled()) {
                state.carried = before.carried_until().unwrap_or_else(Instant::now);
            }
            state.session.replace(Arc::clone(session))
        };
        if let Some(before) = &before {
            before.end(End::Replaced);
        }
        Ok(before)
    }

    /// Why it cannot be reached.
    pub(crate) fn set_trouble(&self, trouble: String) {
        self.state.lock().trouble = Some(trouble);
    }
}

/// There is a session that has precedence.
#[derive(Debug)]
pub(crate) struct Taken;
