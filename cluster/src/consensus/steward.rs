//! Keeps a group going: installs an epoch whenever this node leads the group and none is installed, lets its members hear
//! from it, and lets it vote and purge its log in time.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use metrics::Counter;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::{RaftMetrics, ServerState};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::contact::Contact;
use super::group::GroupRaft;
use super::guard::Guard;
use super::membership::Standing;
use super::ownership::Ownership;
use super::pulse::{Heard, Pulse};
use super::retention::Retention;
use super::tenure::Tenure;
use super::types::{Answer, Command, Reply, Types};
use crate::lease::Lease;
use crate::shard::Epoch;
use crate::store::OnFatal;

/// A leader that was just elected refuses proposals until a quorum has confirmed it.
const RETRY: Duration = Duration::from_millis(20);

pub(crate) struct Steward {
    pub(crate) group: u32,
    pub(crate) node: u64,
    pub(crate) raft: GroupRaft,
    pub(crate) ownership: Arc<Ownership>,
    pub(crate) lease: Arc<Lease>,
    pub(crate) contact: Arc<Contact>,
    pub(crate) guard: Guard,
    pub(crate) heard: Arc<Heard>,
    pub(crate) standing: watch::Sender<Standing>,
    pub(crate) retention: Retention,
    /// Counts the leaders that another node was before.
    pub(crate) moves: Counter,
    pub(crate) stop: CancellationToken,
    pub(crate) on_fatal: OnFatal,
}

/// The group's raft core has ended.
struct Ended;

impl Steward {
    /// Runs until it is told to stop, or until the group stops by itself, which stops the node.
    pub(crate) async fn run(self) {
        let watch = async {
            tokio::select! {
                biased;
                ended = self.ended() => ended,
                ended = self.observe() => ended,
                ended = self.keep() => ended,
                ended = self.tend() => ended,
            }
        };
        let ended = self.stop.run_until_cancelled(watch).await;
        self.lease.end();
        self.ownership.revoke();
        if let Some(Ended) = ended {
            let metrics = self.raft.metrics().borrow_watched().clone();
            (self.on_fatal)(format!("group {} stopped: {}", self.group, reason(&metrics)));
        }
    }

    /// Waits for the end of the core. The state of the server does not tell it: that of a core which ended by an error
    /// stays what it was, and nobody answers proposals any more.
    async fn ended(&self) -> Ended {
        let mut metrics = self.raft.metrics();
        while metrics.borrow_watched().running_state.is_ok() {
            if metrics.changed().await.is_err() {
                break;
            }
        }
        Ended
    }

    /// Sees who leads and who belongs to the group, and lets the members hear from each other.
    async fn observe(&self) -> Ended {
        let mut metrics = self.raft.server_metrics();
        let mut last = None;
        loop {
            let (pulse, standing) = {
                let metrics = metrics.borrow_watched();
                (Pulse::of(&metrics, &self.heard), Standing::of(&metrics))
            };
            self.raft.runtime_config().tick(pulse == Pulse::Search);
            if let Some(leader) = standing.leader
                && last.replace(leader).is_some_and(|last| last != leader)
            {
                self.moves.increment(1);
            }
            self.standing.send_if_modified(|told| {
                let is_new = *told != standing;
                *told = standing;
                is_new
            });
            tokio::select! {
                biased;
                changed = metrics.changed() => if changed.is_err() {
                    return Ended;
                },
                () = pulse.over(self.lease.clock()) => {
                    if pulse == Pulse::Lead && self.raft.trigger().heartbeat().await.is_err() {
                        return Ended;
                    }
                }
            }
        }
    }

    async fn tend(&self) -> Ended {
        let vote = async {
            self.guard.passed().await;
            self.raft.runtime_config().elect(true);
        };
        tokio::join!(vote, self.retention.run());
        Ended
    }

    async fn keep(&self) -> Ended {
        let mut metrics = self.raft.server_metrics();
        let mut owned = self.ownership.watch();
        loop {
            while metrics.borrow_watched().state != ServerState::Leader {
                if metrics.changed().await.is_err() {
                    return Ended;
                }
            }
            let Some((epoch, term)) = self.install().await else {
                if metrics.borrow_watched().state == ServerState::Shutdown {
                    return Ended;
                }
                tokio::time::sleep(RETRY).await;
                continue;
            };
            let tenure = Tenure {
                node: self.node,
                raft: &self.raft,
                lease: &self.lease,
                contact: &self.contact,
                term,
            };
            tenure.begin(epoch);
            let mut tenure = pin!(tenure.keep());
            self.ownership.grant(epoch);
            tracing::debug!(group = self.group, epoch = epoch.0, "epoch installed");
            loop {
                tokio::select! {
                    biased;
                    lost = owned.wait_for(|owned| *owned != Some(epoch)) => {
                        if lost.is_err() {
                            return Ended;
                        }
                        break;
                    }
                    () = &mut tenure => {
                        self.ownership.revoke();
                        break;
                    }
                    changed = metrics.changed() => {
                        if changed.is_err() {
                            return Ended;
                        }
                        if metrics.borrow_watched().state != ServerState::Leader {
                            self.ownership.revoke();
                            break;
                        }
                    }
                }
            }
            self.lease.end();
        }
    }

    /// The new epoch, and the term it belongs to.
    async fn install(&self) -> Option<(Epoch, u64)> {
        let (tell, heard) = oneshot::channel();
        let answer = Answer::new(move |result| {
            // Nobody listens any more if the node is stopping.
            let _ = tell.send(result);
        });
        self.raft
            .client_write_ff(Command::Own { node: self.node }, Some(answer))
            .await
            .ok()?;
        let response = heard.await.ok()??.ok()?;
        match response.data {
            Reply::Installed(epoch) => Some((epoch, response.log_id.leader_id.term)),
            Reply::Nothing | Reply::Applied | Reply::Rejected => None,
        }
    }
}

fn reason(metrics: &RaftMetrics<Types>) -> String {
    match &metrics.running_state {
        Ok(()) => "its core ended".to_owned(),
        Err(fatal) => fatal.to_string(),
    }
}
