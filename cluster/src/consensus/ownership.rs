//! Whether this node owns a shard, and under which epoch.

use tokio::sync::watch;

use crate::shard::Epoch;

/// The epoch that the host may work under. Set after its entry is applied, taken away by whatever ends it first.
#[derive(Debug)]
pub(crate) struct Ownership(watch::Sender<Option<Epoch>>);

impl Ownership {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Option<Epoch>> {
        self.0.subscribe()
    }

    pub(crate) fn current(&self) -> Option<Epoch> {
        *self.0.borrow()
    }

    pub(crate) fn grant(&self, epoch: Epoch) {
        self.0.send_replace(Some(epoch));
    }

    pub(crate) fn revoke(&self) {
        self.revoke_if(|_| true);
    }

    /// Gives up one epoch; a later one stays.
    pub(crate) fn relinquish(&self, epoch: Epoch) {
        self.revoke_if(|owned| owned == epoch);
    }

    /// An epoch entry was applied: whatever was owned before is not ours any more.
    pub(crate) fn superseded_by(&self, epoch: Epoch) {
        self.revoke_if(|owned| owned < epoch);
    }

    fn revoke_if(&self, applies: impl FnOnce(Epoch) -> bool) {
        self.0.send_if_modified(|owned| match *owned {
            Some(epoch) if applies(epoch) => {
                *owned = None;
                true
            }
            Some(_) | None => false,
        });
    }
}
