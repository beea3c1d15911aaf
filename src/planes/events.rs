//! The port `Events`: wakes whoever watches a run in this process.
//!
//! Nothing here is a copy of the truth. A durable event only wakes its watchers, who read it again from the run itself, so a
//! lost, late or repeated wake-up cannot lose or double an event. Live updates are passed on and may be dropped.

use std::{collections::HashMap, fmt, sync::Arc};

use actors::{
    ports::{Events, LiveUpdate},
    records::RunEvent,
};
use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::metrics;

/// Updates that one watcher may be behind before it misses some.
const BACKLOG: usize = 128;

/// Everyone who watches a run in this process. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Watchers {
    rooms: Arc<Mutex<Rooms>>,
    per_tenant: usize,
}

#[derive(Debug, Default)]
struct Rooms {
    runs: HashMap<(String, String), broadcast::Sender<Signal>>,
    tenants: HashMap<String, usize>,
}

/// What a watcher hears.
#[derive(Debug, Clone, PartialEq)]
pub enum Signal {
    /// The run has new durable events, or may have: read them.
    Durable,
    /// A volatile update.
    Live(LiveUpdate),
}

/// The tenant has as many watchers as it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tenant has {limit} event streams open, as many as it may have")]
pub struct TooManyWatchers {
    /// How many it may have.
    pub limit: usize,
}

impl Watchers {
    /// Makes an empty set that admits `per_tenant` watchers of each tenant.
    #[must_use]
    pub fn new(per_tenant: usize) -> Self {
        Self {
            rooms: Arc::default(),
            per_tenant,
        }
    }

    /// Starts to watch a run. What is published from now on is heard.
    ///
    /// # Errors
    ///
    /// Fails when the tenant has too many watchers.
    pub fn watch(&self, tenant: &str, run: &str) -> Result<Watch, TooManyWatchers> {
        let mut rooms = self.rooms.lock();
        let count = rooms.tenants.entry(tenant.to_owned()).or_default();
        if *count >= self.per_tenant {
            return Err(TooManyWatchers { limit: self.per_tenant });
        }
        *count += 1;
        let key = (tenant.to_owned(), run.to_owned());
        let room = rooms
            .runs
            .entry(key.clone())
            .or_insert_with(|| broadcast::channel(BACKLOG).0);
        let receiver = room.subscribe();
        ::metrics::gauge!(metrics::EVENT_STREAMS).increment(1.0);
        Ok(Watch {
            receiver: Some(receiver),
            key,
            rooms: Arc::clone(&self.rooms),
        })
    }

    fn send(&self, tenant: &str, run: &str, signal: Signal) {
        let rooms = self.rooms.lock();
        if let Some(room) = rooms.runs.get(&(tenant.to_owned(), run.to_owned())) {
            // Without a receiver there is nobody to tell.
            room.send(signal).ok();
        }
    }
}

impl Events for Watchers {
    fn publish(&self, tenant: &str, event: &RunEvent) {
        self.send(tenant, &event.run_id, Signal::Durable);
    }

    fn live(&self, tenant: &str, run_id: &str, update: LiveUpdate) {
        self.send(tenant, run_id, Signal::Live(update));
    }
}

/// One watcher of one run. Dropping it frees its place.
pub struct Watch {
    receiver: Option<broadcast::Receiver<Signal>>,
    key: (String, String),
    rooms: Arc<Mutex<Rooms>>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Watch")
            .field("run", &self.key.1)
            .finish_non_exhaustive()
    }
}

impl Watch {
    /// Waits for the next signal. Whoever was too slow misses live updates and is told to read the durable ones.
    pub async fn next(&mut self) -> Signal {
        let Some(receiver) = self.receiver.as_mut() else {
            return std::future::pending().await;
        };
        match receiver.recv().await {
            Ok(signal) => signal,
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                ::metrics::counter!(metrics::LIVE_UPDATES_DROPPED_TOTAL).increment(missed);
                Signal::Durable
            }
            // The room lives as long as this watcher, so its sender does too.
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.receiver = None;
        let mut rooms = self.rooms.lock();
        if rooms.runs.get(&self.key).is_some_and(|room| room.receiver_count() == 0) {
            rooms.runs.remove(&self.key);
        }
        if let Some(count) = rooms.tenants.get_mut(&self.key.0) {
            *count -= 1;
            if *count == 0 {
                rooms.tenants.remove(&self.key.0);
            }
        }
        ::metrics::gauge!(metrics::EVENT_STREAMS).decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn step(text: &str) -> LiveUpdate {
        LiveUpdate::Step {
            phase: "strategy".to_owned(),
            step: text.to_owned(),
        }
    }

    #[test]
    fn a_watcher_hears_its_run_and_no_other() {
        let watchers = Watchers::new(4);
        let mut watch = watchers.watch("acme", "r1").unwrap();
        watchers.live("acme", "r2", step("draft"));
        watchers.live("other", "r1", step("draft"));
        assert_eq!(watch.next().now_or_never(), None);
        watchers.live("acme", "r1", step("draft"));
        assert_eq!(watch.next().now_or_never(), Some(Signal::Live(step("draft"))));
    }

    #[test]
    fn a_slow_watcher_is_told_to_read_again() {
        let watchers = Watchers::new(4);
        let mut watch = watchers.watch("acme", "r1").unwrap();
        for _ in 0..=BACKLOG {
            watchers.live("acme", "r1", step("draft"));
        }
        assert_eq!(watch.next().now_or_never(), Some(Signal::Durable));
    }

    #[test]
    fn places_are_bounded_per_tenant_and_freed() {
        let watchers = Watchers::new(2);
        let first = watchers.watch("acme", "r1").unwrap();
        let second = watchers.watch("acme", "r2").unwrap();
        assert_eq!(watchers.watch("acme", "r1").unwrap_err(), TooManyWatchers { limit: 2 });
        watchers.watch("other", "r1").unwrap();
        drop(first);
        watchers.watch("acme", "r1").unwrap();
        drop(second);
        let rooms = watchers.rooms.lock();
        assert!(
            rooms.runs.is_empty() && rooms.tenants.is_empty(),
            "nothing is left of watchers who went"
        );
    }
}
