//! The requests that this node works on: what a client sends to one of them comes here first. And who waits here for what is said in a
//! session.

use std::{collections::HashMap, sync::Arc};

use cluster::prelude::Uuid;
use parking_lot::Mutex;
use rmcp::model::ClientJsonRpcMessage;
use tokio::sync::{Notify, mpsc};

/// Messages that wait for one request.
const WAITING_MAX: usize = 64;

/// The session, and the stream of the request or its id as JSON.
type Place = (Uuid, Arc<str>);

type Table = Mutex<HashMap<Place, mpsc::Sender<ClientJsonRpcMessage>>>;

/// Those who wait for what is said in a session.
type Waiting = Mutex<HashMap<Uuid, Arc<Notify>>>;

/// The requests that are worked on here. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub(super) struct Live {
    table: Arc<Table>,
    waiting: Arc<Waiting>,
}

impl Live {
    /// Enters a request until the guard is dropped.
    pub(super) fn enter(
        &self,
        session: Uuid,
        stream: &Arc<str>,
        request: &Arc<str>,
    ) -> (Entered, mpsc::Receiver<ClientJsonRpcMessage>) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let places = [(session, Arc::clone(stream)), (session, Arc::clone(request))];
        let mut table = self.table.lock();
        for place in &places {
            table.insert(place.clone(), sender.clone());
        }
        let entered = Entered {
            table: Arc::clone(&self.table),
            places,
            sender,
        };
        (entered, receiver)
    }

    /// Waits for what is said in a session, until the guard is dropped. A session is waited for once.
    pub(super) fn wait(&self, session: Uuid) -> Waits {
        let notify = Arc::new(Notify::new());
        self.waiting.lock().insert(session, Arc::clone(&notify));
        Waits {
            waiting: Arc::clone(&self.waiting),
            session,
            notify,
        }
    }

    /// Says that something was said in a session.
    pub(super) fn wake(&self, session: Uuid) {
        if let Some(notify) = self.waiting.lock().get(&session) {
            notify.notify_one();
        }
    }

    /// Hands a message to a request, or gives it back if the request is not worked on here.
    pub(super) fn hand(
        &self,
        session: Uuid,
        to: &str,
        message: ClientJsonRpcMessage,
    ) -> Result<(), Box<ClientJsonRpcMessage>> {
        let sender = self.table.lock().get(&(session, Arc::from(to))).cloned();
        let Some(sender) = sender else {
            return Err(Box::new(message));
        };
        sender
            .try_send(message)
            .map_err(|refused| Box::new(refused.into_inner()))
    }
}

/// Somebody who waits for what is said in a session.
#[derive(Debug)]
pub(super) struct Waits {
    waiting: Arc<Waiting>,
    session: Uuid,
    notify: Arc<Notify>,
}

impl Waits {
    /// Waits until something is said, on this node; others are not heard of.
    pub(super) async fn heard(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.waiting.lock().remove(&self.session);
    }
}

/// A request that is worked on here.
#[derive(Debug)]
pub(super) struct Entered {
    table: Arc<Table>,
    places: [Place; 2],
    sender: mpsc::Sender<ClientJsonRpcMessage>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut table = self.table.lock();
        for place in &self.places {
            // Another request may have come with the same id.
            if table.get(place).is_some_and(|there| there.same_channel(&self.sender)) {
                table.remove(place);
            }
        }
    }
}
