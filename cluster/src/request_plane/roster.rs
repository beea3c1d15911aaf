//! The sessions of a node, up or not.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use ractor_cluster::{NodeEventSubscription, node::NodeServerSessionInformation};

use super::{
    meter::Meter,
    session::{End, Session},
};

/// Every session, by the token that its peer shows.
pub(crate) struct Roster {
    sessions: Mutex<HashMap<u64, Arc<Session>>>,
    meter: Arc<Meter>,
}

impl Roster {
    /// No session.
    pub(crate) fn new(meter: Arc<Meter>) -> Self {
        Self {
            sessions: Mutex::default(),
            meter,
        }
    }

    /// Adds a session.
    pub(crate) fn add(&self, session: &Arc<Session>) {
        self.sessions.lock().insert(session.token, Arc::clone(session));
    }

    /// Takes a session off.
    pub(crate) fn remove(&self, session: &Session) {
        self.sessions.lock().remove(&session.token);
        self.count();
    }

    /// Sets the gauge.
    pub(crate) fn count(&self) {
        let live = self
            .sessions
            .lock()
            .values()
            .filter(|session| session.is_live())
            .count();
        self.meter.sessions(live);
    }

    /// Who shows this token.
    pub(crate) fn of_token(&self, token: u64) -> Option<Arc<Session>> {
        self.sessions.lock().get(&token).cloned()
    }

    /// Ends every session.
    pub(crate) fn end_all(&self, end: End) {
        let sessions = std::mem::take(&mut *self.sessions.lock());
        for session in sessions.into_values() {
            session.end(end);
        }
        self.count();
    }

    fn of_label(&self, label: &str) -> Option<Arc<Session>> {
        let sessions = self.sessions.lock();
        sessions.values().find(|session| session.label == label).cloned()
    }
}

/// What ractor_cluster tells of its sessions. A session stays on the roster until ractor_cluster has forgotten it.
pub(crate) struct Events(pub(crate) Arc<Roster>);

impl NodeEventSubscription for Events {
    fn node_session_opened(&self, opened: NodeServerSessionInformation) {
        match self.0.of_label(&opened.peer_addr) {
            Some(session) => session.opened(&opened.actor),
            // Nobody but this plane opens sessions.
            None => opened.actor.kill(),
        }
    }

    fn node_session_authenticated(&self, _: NodeServerSessionInformation) {}

    fn node_session_ready(&self, ready: NodeServerSessionInformation) {
        if let Some(session) = self.0.of_label(&ready.peer_addr) {
            session.ready.cancel();
            self.0.count();
        }
    }

    fn node_session_disconnected(&self, lost: NodeServerSessionInformation) {
        if let Some(session) = self.0.of_label(&lost.peer_addr) {
            session.end(End::Closed);
            session.gone.cancel();
            self.0.remove(&session);
        }
    }
}
