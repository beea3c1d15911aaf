//! The cluster as it can be seen at this moment: by the leader of its own group or, where there is none, by this node alone.

use std::time::Duration;

use cluster::{Cluster, LocalView, Overview};

use crate::gateway::error::Problem;

/// How long the leader of the cluster's own group is looked for, before this node tells what it sees by itself: about as
/// long as it takes to elect another one.
const LEADER_WITHIN: Duration = Duration::from_secs(2);

/// What can be seen of the cluster.
#[derive(Debug)]
pub(crate) enum Sight {
    /// What the leader sees of everything.
    Whole(Overview),
    /// What this node sees of itself and of the others, because no leader tells.
    Local(LocalView),
}

impl Sight {
    /// Looks. A node that is a cluster of its own has nothing to tell.
    pub(crate) async fn of(cluster: &Cluster) -> Result<Self, Problem> {
        match tokio::time::timeout(LEADER_WITHIN, cluster.overview()).await {
            Ok(Ok(overview)) => Ok(Self::Whole(overview)),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the leader of the cluster does not tell of it");
                Ok(Self::Local(by_itself(cluster)?))
            }
            Err(_) => Ok(Self::Local(by_itself(cluster)?)),
        }
    }
}

/// What a node sees by itself, without leaders that it only remembers.
fn by_itself(cluster: &Cluster) -> Result<LocalView, Problem> {
    let mut view = cluster.look()?;
    let LocalView { groups, leaderless, .. } = &mut view;
    for group in groups {
        if group.shard.is_none_or(|shard| leaderless.contains(&shard)) {
            group.leader = None;
        }
    }
    Ok(view)
}

/// What holds back a cluster of which only this node can tell.
pub(crate) fn notes(view: &LocalView) -> Vec<String> {
    let this = view.nodes.iter().find(|node| node.id == view.node);
    let name = this.map_or_else(|| view.node.to_string(), |node| node.name.as_str().to_owned());
    let mut notes = vec![format!(
        "nobody leads the group of the cluster itself, or {name} does not reach who does: this is what {name} sees by \
         itself; until there is a leader no node comes or goes and nothing moves, while shards that have a leader go on"
    )];
    if !view.leaderless.is_empty() {
        let shards: Vec<_> = view.leaderless.iter().map(ToString::to_string).collect();
        notes.push(format!("nobody who answers leads shards {}", shards.join(", ")));
    }
    notes
}
