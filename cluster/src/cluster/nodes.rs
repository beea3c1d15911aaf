//! The nodes of a cluster, as operators see and change them.

use crate::{
    ActorError, Cluster, LocalView, Member, MemberState, NodeId, Overview, Result,
    members::{MendError, Registrar},
};

impl From<MendError> for ActorError {
    fn from(error: MendError) -> Self {
        match error {
            MendError::Refused(refusal) => Self::conflict("cluster.refused", refusal.to_string()),
            MendError::NoLeader => Self::retryable("cluster.leader", error.to_string()),
            MendError::Failed(reason) => Self::unknown("cluster.failed", reason),
        }
    }
}

impl Cluster {
    /// The number of this node.
    pub fn node_id(&self) -> NodeId {
        self.node().remote.node
    }

    /// The nodes of the cluster, as far as this one knows; none if it is a cluster of its own.
    pub fn members(&self) -> Vec<Member> {
        let table = self.place().map(|place| place.registrar.table());
        table.map_or_else(Vec::new, |table| table.borrow().iter().cloned().collect())
    }

    /// Nodes, groups, moves and the reasons for them, as the leader of the meta group sees them.
    ///
    /// # Errors
    /// `cluster.alone` on a node that is a cluster of its own, `cluster.leader` (kind
    /// [`Retryable`](crate::ErrorKind::Retryable)) while nobody leads the meta group.
    pub async fn overview(&self) -> Result<Overview> {
        Ok(self.registrar()?.overview().await?)
    }

    /// What this node sees of itself and of the others, without asking anybody.
    ///
    /// # Errors
    /// `cluster.alone` on a node that is a cluster of its own.
    pub fn look(&self) -> Result<LocalView> {
        let place = self.place().ok_or_else(alone)?;
        let mut groups = self.0.groups.look();
        // One that nobody has added this node to knows nothing.
        groups.retain(|group| !group.voters.is_empty());
        let view = place.look();
        let answers = |node: NodeId| {
            let mut known = view.nodes.iter();
            known.any(|known| known.id == node && known.silence.is_none())
        };
        let mut leaderless = self.not_owned_by(answers);
        leaderless.extend(self.node().unvouched());
        leaderless.sort_unstable();
        leaderless.dedup();
        Ok(LocalView {
            groups,
            leaderless,
            ..view
        })
    }

    /// Gives a node another state: [`Draining`](MemberState::Draining) moves everything away from it,
    /// [`Up`](MemberState::Up) takes it back, [`Removing`](MemberState::Removing) drains it and takes it out for good.
    ///
    /// # Errors
    /// As [`overview`](Self::overview), and `cluster.refused` with the reason: a node that is not there, one that the
    /// others cannot do without.
    pub async fn set_member_state(&self, node: NodeId, state: MemberState) -> Result<()> {
        Ok(self.registrar()?.set_state(node, state).await?)
    }

    fn registrar(&self) -> Result<&Registrar> {
        let place = self.place().ok_or_else(alone)?;
        Ok(&place.registrar)
    }
}

fn alone() -> ActorError {
    ActorError::unsupported(
        "cluster.alone",
        "this node is a cluster of its own: it has no [cluster] section",
    )
}
