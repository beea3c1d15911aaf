//! The groups of this node, as the placer moves them.

use std::sync::Arc;

use futures_util::{FutureExt, future::BoxFuture};

use crate::{
    consensus::Engine,
    members::{Action, Control, GroupReport},
    peers::NodeId,
};

/// The groups of an engine.
pub(super) struct EngineControl(pub(super) Arc<Engine>);

/// The number of the group of a shard; that of the cluster itself is the first.
fn number(shard: Option<u16>) -> u32 {
    shard.map_or(0, |shard| u32::from(shard) + 1)
}

impl Control for EngineControl {
    fn report(&self) -> Vec<GroupReport> {
        let engine = &self.0;
        let reports = engine.status().into_iter().filter_map(|status| {
            let group = engine.group(number(status.shard))?;
            let standing = group.standing();
            // One that has never heard of its members has nothing to say.
            (!standing.voters.is_empty()).then(|| GroupReport {
                shard: status.shard,
                term: standing.term,
                leader: standing.leader,
                voters: standing.voters,
                learners: standing.learners,
                is_changing: standing.is_changing,
                epoch: status.epoch.map(|epoch| epoch.0),
                applied: status.applied,
                last: status.last,
                lag: group.lag(),
            })
        });
        reports.collect()
    }

    fn meta_leader(&self) -> Option<NodeId> {
        self.0.group(0)?.standing().leader
    }

    fn take(&self, shard: Option<u16>, action: Action) -> BoxFuture<'static, Result<(), String>> {
        let group = self.0.group(number(shard)).cloned();
        async move {
            let group = group.ok_or_else(|| "this node has no such group".to_owned())?;
            let taken = match action {
                Action::AddLearner(node) => group.add_learner(node).await,
                Action::DropLearner(node) => group.remove(node).await,
                Action::ChangeVoters(voters) => group.change_voters(&voters).await,
                Action::TransferLeader(node) => group.transfer_leader(node).await,
            };
            taken.map_err(|error| error.to_string())
        }
        .boxed()
    }
}
