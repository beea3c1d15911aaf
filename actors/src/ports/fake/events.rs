//! A watcher that remembers.

use std::sync::Mutex;

use super::lock;
use crate::{
    ports::{Events, LiveUpdate},
    records::RunEvent,
};

/// Remembers everything that was published.
#[derive(Debug, Default)]
pub struct FakeEvents {
    published: Mutex<Vec<(String, RunEvent)>>,
    live: Mutex<Vec<(String, String, LiveUpdate)>>,
}

impl FakeEvents {
    /// The events of a tenant in the order of delivery, repetitions included.
    #[must_use]
    pub fn published(&self, tenant: &str) -> Vec<RunEvent> {
        let published = lock(&self.published);
        published
            .iter()
            .filter(|(of, _)| of == tenant)
            .map(|(_, event)| event.clone())
            .collect()
    }

    /// The live updates of a run in order.
    #[must_use]
    pub fn live_of(&self, tenant: &str, run_id: &str) -> Vec<LiveUpdate> {
        let live = lock(&self.live);
        let of_run = live.iter().filter(|(of, run, _)| of == tenant && run == run_id);
        of_run.map(|(_, _, update)| update.clone()).collect()
    }
}

impl Events for FakeEvents {
    fn publish(&self, tenant: &str, event: &RunEvent) {
        lock(&self.published).push((tenant.to_owned(), event.clone()));
    }

    fn live(&self, tenant: &str, run_id: &str, update: LiveUpdate) {
        lock(&self.live).push((tenant.to_owned(), run_id.to_owned(), update));
    }
}
