//! Who is a member of a group, and how that is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{ChangeMembershipError, ClientWriteError, Fatal, RaftError};
use openraft::metrics::RaftServerMetrics;
use openraft::raft::ClientWriteResponse;
use openraft::{ChangeMembers, Instant as _, RaftMetrics, ServerState};

use super::group::Group;
use super::types::Types;
use crate::peers::NodeId;
use crate::shard::Shard;

/// How many entries a voter may lack that is to lead.
const TRANSFER_LAG: u64 = 1_000;
/// How long the write-sets on their way may take before leadership is handed over.
const REST_WITHIN: Duration = Duration::from_secs(2);
/// For how long a voter may have answered nothing that is to lead.
const TRANSFER_SILENCE: Duration = Duration::from_millis(500);
/// How long a voter may take to lead.
const TRANSFER_WITHIN: Duration = Duration::from_secs(3);

/// Who leads a group and who belongs to it, as far as this node knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Grows with every election.
    pub(crate) term: u64,
    pub(crate) leader: Option<NodeId>,
    /// Those of a change that is on its way, before and after, are in here together.
    pub(crate) voters: BTreeSet<NodeId>,
    /// Members that receive everything and decide nothing.
    pub(crate) learners: BTreeSet<NodeId>,
    /// Whether voters are being replaced.
    pub(crate) is_changing: bool,
}

/// Why members of a group were not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChangeError {
    #[error("this node does not lead the group")]
    NotLeader {
        /// Who does, if that is known.
        leader: Option<NodeId>,
    },
    #[error("another change of the group's members is on its way")]
    InProgress,
    #[error("node {0} is not a member of the group, or does not vote in it")]
    NotMember(NodeId),
    #[error("a group needs a voter")]
    NoVoter,
    #[error("node {0} leads the group: another one must lead it first")]
    Leads(NodeId),
    #[error("node {0} lacks too many entries")]
    Behind(NodeId),
    #[error("node {0} does not answer")]
    Silent(NodeId),
    #[error("the outcome is unknown")]
    Unknown,
}

impl Standing {
    pub(super) fn of(metrics: &RaftServerMetrics<Types>) -> Self {
        let membership = metrics.membership_config.membership();
        Self {
            term: metrics.vote.leader_id.term,
            leader: metrics.current_leader.map(NodeId::new),
            voters: membership.voter_ids().map(NodeId::new).collect(),
            learners: membership.learner_ids().map(NodeId::new).collect(),
            is_changing: membership.get_joint_config().len() > 1,
        }
    }
}

/// The methods that change something work only on the leader of the group.
impl Group {
    /// Who leads the group and who belongs to it.
    pub(crate) fn standing(&self) -> Standing {
        let metrics = self.raft().server_metrics();
        let metrics = metrics.borrow_watched();
        Standing::of(&metrics)
    }

    /// How many entries each of the other members is behind, as its leader knows; `None` on any other node.
    pub(crate) fn lag(&self) -> Option<BTreeMap<NodeId, u64>> {
        let metrics = self.raft().metrics();
        let metrics = metrics.borrow_watched();
        lag(&metrics)
    }

    /// Whether a member has answered nothing lately that this leader sent. One that has not been sent anything is not
    /// silent.
    pub(crate) fn is_silent(&self, node: NodeId) -> bool {
        let metrics = self.raft().metrics();
        let metrics = metrics.borrow_watched();
        let answered = metrics
            .heartbeat
            .as_ref()
            .and_then(|members| *members.get(&node.get())?);
        answered.is_some_and(|sent| sent.into_inner().elapsed() > TRANSFER_SILENCE)
    }

    /// Adds a member that receives everything and decides nothing. Returns before it has.
    pub(crate) async fn add_learner(&self, node: NodeId) -> Result<(), ChangeError> {
        done(self.raft().add_learner(node.get(), (), false).await)
    }

    /// Replaces the voters, in one step that needs a majority of both the former and the new ones. Each must be a member
    /// and know it; those that no longer vote stay members until they are removed. The leader must be among the new ones.
    pub(crate) async fn change_voters(&self, voters: &BTreeSet<NodeId>) -> Result<(), ChangeError> {
        if voters.is_empty() {
            return Err(ChangeError::NoVoter);
        }
        let leader = self.node();
        if !voters.contains(&leader) {
            self.leads()?;
            return Err(ChangeError::Leads(leader));
        }
        self.know_of_it(voters)?;
        // The clock of a sole voter rests.
        self.raft().runtime_config().tick(true);
        let voters = voters.iter().map(|node| node.get()).collect();
        let change = ChangeMembers::ReplaceAllVoters(voters);
        done(self.raft().change_membership(change, true).await)
    }

    /// Removes a member that does not lead; of the voters one must be left.
    pub(crate) async fn remove(&self, node: NodeId) -> Result<(), ChangeError> {
        let standing = self.standing();
        if node == self.node() {
            self.leads()?;
            return Err(ChangeError::Leads(node));
        }
        let nodes = BTreeSet::from([node.get()]);
        if standing.voters.contains(&node) {
            let change = ChangeMembers::RemoveVoters(nodes);
            done(self.raft().change_membership(change, false).await)
        } else if standing.learners.contains(&node) {
            let change = ChangeMembers::RemoveNodes(nodes);
            done(self.raft().change_membership(change, false).await)
        } else {
            self.leads()
        }
    }

    /// Hands leadership over to another voter and waits until it leads. What is proposed meanwhile waits, and is then
    /// refused without having been proposed.
    pub(crate) async fn transfer_leader(&self, to: NodeId) -> Result<(), ChangeError> {
        self.leads()?;
        if to == self.node() {
            return Ok(());
        }
        if !self.standing().voters.contains(&to) {
            return Err(ChangeError::NotMember(to));
        }
        if self.is_silent(to) {
            return Err(ChangeError::Silent(to));
        }
        // Dropped when another node leads, or none will.
        let _rest = tokio::time::timeout(REST_WITHIN, self.rest()).await;
        let lag = self.lag().and_then(|lag| lag.get(&to).copied());
        if lag.is_none_or(|lag| lag > TRANSFER_LAG) {
            self.leads()?;
            return Err(ChangeError::Behind(to));
        }
        let mut metrics = self.raft().server_metrics();
        // The others are told that they may follow another one at once.
        self.lease().end();
        stopped(self.raft().trigger().transfer_leader(to.get()).await)?;
        let taken = async {
            while metrics.borrow_watched().current_leader != Some(to.get()) {
                if metrics.changed().await.is_err() {
                    return;
                }
            }
        };
        match tokio::time::timeout(TRANSFER_WITHIN, taken).await {
            Ok(()) => Ok(()),
            Err(_) => Err(ChangeError::Unknown),
        }
    }

    /// A node that knows of no members votes for nobody: too many of them could leave a group without a leader for good.
    fn know_of_it(&self, voters: &BTreeSet<NodeId>) -> Result<(), ChangeError> {
        self.leads()?;
        let metrics = self.raft().metrics();
        let metrics = metrics.borrow_watched();
        let since = metrics.membership_config.log_id().map(|since| since.index);
        for voter in voters.iter().filter(|voter| **voter != self.node()) {
            if metrics.membership_config.get_node(&voter.get()).is_none() {
                return Err(ChangeError::NotMember(*voter));
            }
            let matched = metrics
                .replication
                .as_ref()
                .and_then(|members| *members.get(&voter.get())?);
            if matched.map(|matched| matched.index) < since {
                return Err(ChangeError::Behind(*voter));
            }
        }
        Ok(())
    }

    fn leads(&self) -> Result<(), ChangeError> {
        let metrics = self.raft().server_metrics();
        let metrics = metrics.borrow_watched();
        if metrics.state == ServerState::Leader {
            Ok(())
        } else {
            Err(ChangeError::NotLeader {
                leader: metrics.current_leader.map(NodeId::new),
            })
        }
    }
}

fn lag(metrics: &RaftMetrics<Types>) -> Option<BTreeMap<NodeId, u64>> {
    let end = |index: Option<u64>| index.map_or(0, |index| index + 1);
    let last = end(metrics.last_log_index);
    let members = metrics.replication.as_ref()?.iter();
    let behind = members.filter(|(node, _)| **node != metrics.id).map(|(node, matched)| {
        let matched = end(matched.as_ref().map(|matched| matched.index));
        (NodeId::new(*node), last.saturating_sub(matched))
    });
    Some(behind.collect())
}

fn stopped<T>(result: Result<T, Fatal<Types>>) -> Result<T, ChangeError> {
    result.map_err(|_| ChangeError::Unknown)
}

type Changed = Result<ClientWriteResponse<Types>, RaftError<Types, ClientWriteError<Types>>>;

fn done(changed: Changed) -> Result<(), ChangeError> {
    let error = match changed {
        Ok(_) => return Ok(()),
        Err(RaftError::APIError(error)) => error,
        Err(RaftError::Fatal(_)) => return Err(ChangeError::Unknown),
    };
    Err(match error {
        ClientWriteError::ForwardToLeader(forward) => ChangeError::NotLeader {
            leader: forward.leader_id.map(NodeId::new),
        },
        ClientWriteError::ChangeMembershipError(error) => match error {
            ChangeMembershipError::EmptyMembership(_) => ChangeError::NoVoter,
            ChangeMembershipError::LearnerNotFound(missing) => ChangeError::NotMember(NodeId::new(missing.node_id)),
            ChangeMembershipError::InProgress(_)
            | ChangeMembershipError::UnsupportedMembershipTransition(_)
            | ChangeMembershipError::UncommittedLeaderLog(_)
            | ChangeMembershipError::NodeMetadataChanged(_) => ChangeError::InProgress,
        },
        ClientWriteError::LogEntryDiscarded(_) | ClientWriteError::PreconditionFailed(_) => ChangeError::Unknown,
    })
}
