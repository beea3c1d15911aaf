//! Counts what the actors of a shard have sent to clients and has no outcome yet.

use std::sync::Arc;

use tokio::sync::watch;

/// What the actors of a shard have sent.
#[derive(Default)]
pub(crate) struct Departures(Arc<watch::Sender<usize>>);

/// Something that was sent; the last one who knows of it drops it when it has an outcome.
pub(crate) struct Underway(Arc<watch::Sender<usize>>);

impl Departures {
    /// Counts something that a turn sends.
    pub(crate) fn begin(&self) -> Arc<Underway> {
        self.0.send_modify(|underway| *underway += 1);
        Arc::new(Underway(Arc::clone(&self.0)))
    }

    /// Waits until all that was sent has an outcome.
    pub(crate) async fn ended(&self) {
        // The sender lives as long as this does.
        let _ = self.0.subscribe().wait_for(|underway| *underway == 0).await;
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.send_modify(|underway| *underway -= 1);
    }
}
