//! Asks a majority whether this node still owns a group, once for all who want to know.

use std::sync::Arc;

use openraft::raft::ReadPolicy;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

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

    /// The term in which this node leads, as a majority has said since it was asked.
    async fn term(&self) -> Option<u64> {
        match self.raft.get_read_linearizer(ReadPolicy::ReadIndex).await {
            Ok(linearizer) => Some(linearizer.read_log_id().committed_leader_id().term),
            Err(error) => {
                tracing::debug!(%error, "ownership was not confirmed");
                None
            }
        }
    }
}
