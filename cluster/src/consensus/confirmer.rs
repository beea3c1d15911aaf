//! Asks a majority whether this node still owns a group, once for all who want to know.

use std::sync::Arc;

use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::config::LEASE;
use super::contact::Contact;
use super::group::GroupRaft;
use super::ownership::Ownership;
use crate::lease::Lease;
use crate::shard::Confirmation;

/// Most who are answered by one question.
const ROUND: usize = 4096;

pub(crate) struct Confirmer {
    pub(crate) raft: GroupRaft,
    pub(crate) ownership: Arc<Ownership>,
    pub(crate) lease: Arc<Lease>,
    pub(crate) contact: Arc<Contact>,
    pub(crate) queue: mpsc::UnboundedReceiver<Confirmation>,
    /// The runtime of those who wait.
    pub(crate) actors: Handle,
}

impl Confirmer {
    /// Asks until the queue is closed. Whoever comes while a question is on its way waits for the next one.
    pub(crate) async fn run(mut self) {
        let mut waiting = Vec::new();
        while self.queue.recv_many(&mut waiting, ROUND).await > 0 {
            let term = self.term().await;
            let round = std::mem::take(&mut waiting);
            let (ownership, lease) = (Arc::clone(&self.ownership), Arc::clone(&self.lease));
            // To wake one task of another runtime costs more than to wake several from within it.
            self.actors.spawn(async move {
                for Confirmation { epoch, done } in round {
                    // In one term there is one leader, and so one owner.
                    let owned = term.is_some_and(|term| lease.is_of(epoch, term)) && ownership.current() == Some(epoch);
                    done(owned);
                }
            });
        }
    }

    /// The term in which this node leads, as a majority has said since it was asked. A majority that is not heard within the
    /// time of a lease has not said it.
    async fn term(&self) -> Option<u64> {
        let asked = self.contact.now();
        let confirmed = tokio::time::timeout(LEASE, async {
            let (mut metrics, mut contact) = (self.raft.server_metrics(), self.contact.changes());
            self.raft.trigger().heartbeat().await.ok()?;
            loop {
                contact.mark_unchanged();
                let term = {
                    let metrics = metrics.borrow_watched();
                    let voters = metrics.membership_config.get_joint_config();
                    let term = metrics.vote.leader_id.term;
                    if metrics.state != ServerState::Leader {
                        return None;
                    }
                    let confirmed = self.contact.majority(metrics.id, term, voters);
                    confirmed.is_some_and(|sent| sent > asked).then_some(term)
                };
                if term.is_some() {
                    return term;
                }
                tokio::select! {
                    changed = metrics.changed() => changed.ok()?,
                    changed = contact.changed() => changed.ok()?,
                }
            }
        });
        let term = confirmed.await.ok().flatten();
        if term.is_none() {
            tracing::debug!("ownership was not confirmed");
        }
        term
    }
}
