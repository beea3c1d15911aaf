//! What a node has of its former cluster, and what may be lost.

use std::{fmt::Write as _, path::PathBuf};

use serde::Serialize;

use super::{Missing, RecoveryError};
use crate::{
    NodeName, Timestamp,
    cluster_id::ClusterId,
    consensus::{Copy, RescuedGroup},
    peers::NodeId,
};

/// What a node has of its former cluster, and who took part in that.
#[derive(Debug, Clone, Serialize)]
pub struct RecoveryReport {
    /// The node, which keeps its number.
    pub node: NodeId,
    /// Its name.
    pub name: NodeName,
    /// The cluster that is lost.
    pub former_cluster: ClusterId,
    /// The cluster that goes on.
    pub cluster: ClusterId,
    /// When this was looked at.
    pub at: Timestamp,
    /// The other nodes of the former cluster: they must never run again, and can only come back with empty directories.
    pub lost: Vec<(NodeId, NodeName)>,
    /// The groups one by one, that of the cluster itself first.
    pub groups: Vec<RecoveredGroup>,
    /// The data directory.
    pub directory: PathBuf,
    /// Where the former one is kept.
    pub kept: PathBuf,
}

/// What a node has of one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecoveredGroup {
    /// Number of the shard; empty for the group of the cluster itself.
    pub shard: Option<u16>,
    /// What the node was to the group.
    pub copy: RecoveredCopy,
    /// Who voted, as far as the node knows.
    pub voters: Vec<NodeId>,
    /// Index of the last entry it has. The others may have had later ones.
    pub last: Option<u64>,
    /// Rows that the group begins with.
    pub rows: u64,
}

/// What a node was to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecoveredCopy {
    /// A voter: it has all but what the majority agreed on without it.
    Voter,
    /// A follower: it may be some way behind.
    Follower,
    /// It gave its copy away, and what is left of that is old.
    Former,
    /// It never had one.
    None,
}

impl RecoveredCopy {
    fn counts(self) -> bool {
        matches!(self, Self::Voter | Self::Follower)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Voter => "voter",
            Self::Follower => "follower",
            Self::Former => "former",
            Self::None => "none",
        }
    }
}

impl RecoveryReport {
    /// Shards of which the node has no copy that counts.
    pub fn missing(&self) -> Vec<u16> {
        let missing = self.groups.iter().filter(|group| !group.copy.counts());
        missing.filter_map(|group| group.shard).collect()
    }

    /// Refuses what cannot, or need not, be recovered.
    pub(super) fn check(&self, missing: Missing) -> Result<(), RecoveryError> {
        if self.groups.iter().all(|group| group.voters == [self.node]) {
            return Err(RecoveryError::NotNeeded(self.directory.clone()));
        }
        let has_cluster = self.groups.first().is_some_and(|meta| meta.copy.counts());
        if !has_cluster {
            return Err(RecoveryError::NoCluster(self.directory.clone()));
        }
        let lacks = self.missing();
        match missing {
            Missing::Refuse if !lacks.is_empty() => Err(RecoveryError::Missing(lacks)),
            Missing::Refuse | Missing::Accept => Ok(()),
        }
    }

    /// What is kept of it in the new directory.
    pub(super) fn record(&self) -> String {
        let Self {
            node,
            name,
            former_cluster,
            cluster,
            at,
            lost,
            groups,
            directory: _,
            kept,
        } = self;
        let mut text = format!(
            "version 1\nat {}\nnode {node} {name}\nformer-cluster {former_cluster}\ncluster {cluster}\nkept {}\n",
            at.as_millis(),
            kept.display()
        );
        for (node, name) in lost {
            let _ = writeln!(text, "lost {node} {name}");
        }
        for group in groups {
            let shard = group
                .shard
                .map_or_else(|| "cluster".to_owned(), |shard| shard.to_string());
            let voters: Vec<_> = group.voters.iter().map(NodeId::to_string).collect();
            let last = group.last.map_or_else(|| "none".to_owned(), |last| last.to_string());
            let _ = writeln!(
                text,
                "shard {shard} copy {} last {last} rows {} voters {}",
                group.copy.name(),
                group.rows,
                voters.join(",")
            );
        }
        text
    }
}

impl From<RescuedGroup> for RecoveredGroup {
    fn from(group: RescuedGroup) -> Self {
        let RescuedGroup {
            group,
            copy,
            voters,
            last,
            rows,
        } = group;
        Self {
            shard: group.checked_sub(1).and_then(|shard| u16::try_from(shard).ok()),
            copy: match copy {
                Copy::Voter => RecoveredCopy::Voter,
                Copy::Learner => RecoveredCopy::Follower,
                Copy::Former => RecoveredCopy::Former,
                Copy::None => RecoveredCopy::None,
            },
            voters: voters.into_iter().collect(),
            last,
            rows,
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{
        RecoveredCopy::{Follower, Former, None as Never, Voter},
        *,
    };

    fn report(groups: &[(Option<u16>, RecoveredCopy, &[u64])]) -> RecoveryReport {
        let groups = groups.iter().map(|(shard, copy, voters)| RecoveredGroup {
            shard: *shard,
            copy: *copy,
            voters: voters.iter().copied().map(NodeId::new).collect(),
            last: Some(9),
            rows: 1,
        });
        RecoveryReport {
            node: NodeId::new(3),
            name: NodeName::new("c").unwrap(),
            former_cluster: ClusterId::new(Uuid::from_u128(1)),
            cluster: ClusterId::new(Uuid::from_u128(2)),
            at: Timestamp::from_millis(5),
            lost: vec![(NodeId::new(1), NodeName::new("a").unwrap())],
            groups: groups.collect(),
            directory: "d".into(),
            kept: "d.before-recovery".into(),
        }
    }

    #[test]
    fn copies_that_vote_or_follow_count() {
        let report = report(&[(None, Follower, &[1, 2]), (Some(0), Voter, &[1, 2, 3])]);
        assert!(report.check(Missing::Refuse).is_ok());
        let record = report.record();
        assert!(record.contains("lost 1 a\n"), "{record}");
        assert!(
            record.contains("shard 0 copy voter last 9 rows 1 voters 1,2,3\n"),
            "{record}"
        );
    }

    #[test]
    fn a_shard_without_a_copy_has_to_be_accepted() {
        let report = report(&[
            (None, Voter, &[1, 3]),
            (Some(0), Former, &[1, 2]),
            (Some(1), Never, &[]),
        ]);
        let refused = report.check(Missing::Refuse).unwrap_err();
        assert!(refused.to_string().contains("2 shards (0, 1)"), "{refused}");
        assert!(report.check(Missing::Accept).is_ok());
    }

    #[test]
    fn without_the_group_of_the_cluster_there_is_nothing_to_go_on_with() {
        let report = report(&[(None, Never, &[]), (Some(0), Never, &[])]);
        assert!(matches!(
            report.check(Missing::Accept),
            Err(RecoveryError::NoCluster(_))
        ));
    }

    #[test]
    fn who_votes_alone_needs_no_recovery() {
        let report = report(&[(None, Voter, &[3]), (Some(0), Voter, &[3])]);
        assert!(matches!(
            report.check(Missing::Accept),
            Err(RecoveryError::NotNeeded(_))
        ));
    }
}
