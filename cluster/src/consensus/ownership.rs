//! Whether this node owns a shard, and under which epoch.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use crate::shard::Epoch;

/// The epoch that the host may work under. Set after its entry is applied, taken away by whatever ends it first.
#[derive(Debug)]
pub(crate) struct Ownership {
    owned: watch::Sender<Option<Epoch>>,
    /// The last epoch that was applied, whoever's it is.
    applied: AtomicU64,
}

impl Ownership {
    pub(crate) fn new() -> Self {
        Self {
            owned: watch::Sender::new(None),
            applied: AtomicU64::new(0),
        }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Option<Epoch>> {
        self.owned.subscribe()
    }

    pub(crate) fn current(&self) -> Option<Epoch> {
        *self.owned.borrow()
    }

    /// The last epoch that was applied, whoever's it is.
    pub(crate) fn applied(&self) -> Option<Epoch> {
        let applied = self.applied.load(Ordering::Acquire);
        (applied > 0).then_some(Epoch(applied))
    }

    /// Takes up an epoch, unless another node's was applied since.
    pub(crate) fn grant(&self, epoch: Epoch) {
        self.owned.send_if_modified(|owned| {
            let is_current = self.applied.load(Ordering::Acquire) <= epoch.0;
            if is_current {
                *owned = Some(epoch);
            }
            is_current
        });
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
        self.applied.fetch_max(epoch.0, Ordering::AcqRel);
        self.revoke_if(|owned| owned < epoch);
    }

    fn revoke_if(&self, applies: impl FnOnce(Epoch) -> bool) {
        self.owned.send_if_modified(|owned| match *owned {
            Some(epoch) if applies(epoch) => {
                *owned = None;
                true
            }
            Some(_) | None => false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_that_was_superseded_is_not_taken_up() {
        let ownership = Ownership::new();
        ownership.superseded_by(Epoch(3));
        ownership.grant(Epoch(3));
        assert_eq!(ownership.current(), Some(Epoch(3)));
        ownership.superseded_by(Epoch(5));
        assert_eq!(ownership.current(), None);
        ownership.grant(Epoch(4));
        assert_eq!(ownership.current(), None);
    }
}
