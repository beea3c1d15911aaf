//! The groups of this node's engine, as the life of the cluster steers them.

use std::{collections::BTreeSet, sync::Arc};

use futures_util::{FutureExt, future::BoxFuture};

use super::{control::Control, local_view::LocalGroup, messages::GroupReport, placement::Action};
use crate::{
    consensus::{ChangeError, Engine, Group},
    peers::NodeId,
    shard::Shard,
};

/// The groups of this node's engine, the meta group first.
pub(crate) struct EngineGroups(Vec<Arc<Group>>);

impl EngineGroups {
    pub(crate) fn new(engine: &Engine) -> Self {
        Self((0..).map_while(|number| engine.group(number).cloned()).collect())
    }

    fn group(&self, shard: Option<u16>) -> Option<&Arc<Group>> {
        self.0.get(shard.map_or(0, |shard| usize::from(shard) + 1))
    }
}

impl Control for EngineGroups {
    fn report(&self) -> Vec<GroupReport> {
        // One that nobody has added this node to knows nothing.
        self.0
            .iter()
            .map(|group| report(group))
            .filter(|report| !report.voters.is_empty())
            .collect()
    }

    fn meta_leader(&self) -> Option<NodeId> {
        self.group(None)?.standing().leader
    }

    fn take(&self, shard: Option<u16>, action: Action) -> BoxFuture<'static, Result<(), String>> {
        let Some(group) = self.group(shard).cloned() else {
            return async { Err("the node has no such group".to_owned()) }.boxed();
        };
        async move { take(&group, action).await.map_err(|error| error.to_string()) }.boxed()
    }
}

fn report(group: &Group) -> GroupReport {
    let (standing, status) = (group.standing(), group.status());
    GroupReport {
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
    }
}

/// The group as this node sees it; without voters if nobody has added this node to it.
pub(crate) fn local_group(group: &Group) -> LocalGroup {
    let GroupReport {
        shard,
        term,
        leader,
        voters,
        learners,
        is_changing,
        epoch,
        applied,
        last,
        lag,
    } = report(group);
    let lease = epoch.and_then(|_| group.lease().left());
    LocalGroup {
        shard,
        term,
        leader,
        voters,
        learners,
        is_changing,
        epoch,
        applied,
        last,
        lag: lag.unwrap_or_default(),
        heard: group.heard().ago(),
        lease,
    }
}

async fn take(group: &Group, action: Action) -> Result<(), ChangeError> {
    match action {
        Action::AddLearner(node) => group.add_learner(node).await,
        Action::DropLearner(node) => group.remove(node).await,
        Action::TransferLeader(node) => group.transfer_leader(node).await,
        Action::ChangeVoters(voters) => {
            let former = group.standing().voters;
            group.change_voters(&voters).await?;
            drop_followers(group, &former - &voters).await;
            Ok(())
        }
    }
}

/// Those that do not vote any more are members until they are removed. If that fails it is planned anew.
async fn drop_followers(group: &Group, nodes: BTreeSet<NodeId>) {
    for node in nodes {
        if let Err(error) = group.remove(node).await {
            tracing::debug!(group = group.number(), %node, %error, "a former voter is still a member");
        }
    }
}

impl std::fmt::Debug for EngineGroups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("EngineGroups").field(&self.0.len()).finish()
    }
}
