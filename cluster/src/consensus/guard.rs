//! Keeps a voter that has just started from electing anybody for as long as a lease may last.
//!
//! A voter that acknowledged a leader promised to elect nobody else while its lease lasts. openraft forgets that promise
//! with the process: a voter that comes back sooner would help another leader to power while the first still reads. A
//! leader that hands leadership over takes the promise back by itself.

use openraft::async_runtime::watch::WatchReceiver;
use tokio::time::Instant;

use super::config::GUARD;
use super::group::GroupRaft;

/// When this node votes in a group again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guard(Option<Instant>);

impl Guard {
    /// As a group starts: a sole voter promised nothing to anybody.
    pub(crate) fn new(is_sole_voter: bool) -> Self {
        Self((!is_sole_voter).then(|| Instant::now() + GUARD))
    }

    /// Whether the promise may still hold.
    pub(crate) fn is_up(self) -> bool {
        self.0.is_some_and(|until| Instant::now() < until)
    }

    /// Waits until it does not.
    pub(crate) async fn passed(self) {
        if let Some(until) = self.0 {
            tokio::time::sleep_until(until).await;
        }
    }
}

/// Whether a group has any members, as far as this node knows. One that knows of none may have lost its log together with
/// what it had promised, and must not vote.
pub(crate) fn has_members(raft: &GroupRaft) -> bool {
    let metrics = raft.server_metrics();
    let metrics = metrics.borrow_watched();
    metrics.membership_config.voter_ids().next().is_some()
}
