//! The nodes of a cluster as they stand in the meta group, and what may become of them: functions of values.

use std::{collections::BTreeMap, path::Path};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::node::{Addresses, Member, MemberState, Role, Zone};
use crate::{
    keyspace,
    node_name::NodeName,
    peers::NodeId,
    shard::{Op, Shard},
    storage,
    store::replace,
    wire,
};

/// Most nodes a cluster has, removed ones included.
const NODES_MAX: usize = 4096;

/// The format of a cluster that has gone over to no other yet.
const FIRST_FORMAT: u32 = 1;

/// The file of a data directory in which a node keeps the others over a restart.
const FILE: &str = "members";

/// What a node tells of itself when it asks to be taken in, and each time it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Introduction {
    pub(crate) name: NodeName,
    pub(crate) addresses: Addresses,
    pub(crate) role: Role,
    pub(crate) zone: Option<Zone>,
    pub(crate) format: u32,
    /// Drawn once for each data directory.
    pub(crate) token: Uuid,
}

/// Why something is not done to the table of nodes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub(crate) enum TableError {
    #[error(
        "the name {name} is taken by node {by}: a node that lost its directory is removed first, or has a new name"
    )]
    NameTaken { name: NodeName, by: NodeId },
    #[error("node {0} was removed; it can only come back with an empty directory, as another node")]
    Removed(NodeId),
    #[error("there is no node {0}")]
    Unknown(NodeId),
    #[error("node {0} knows formats up to {1}, the cluster writes format {2}: it needs a newer program")]
    TooOld(NodeName, u32, u32),
    #[error("node {0} is being removed, which is not taken back")]
    Leaving(NodeId),
    #[error("the cluster has had {NODES_MAX} nodes, and has no number for another one")]
    Full,
}

/// The nodes a cluster has and had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    members: BTreeMap<NodeId, Member>,
    /// The newest format that anything is written in, as far as this node knows.
    format: u32,
}

impl Default for Table {
    fn default() -> Self {
        Self::of([])
    }
}

impl Table {
    /// Reads what the meta group has on this node.
    pub(crate) fn read(meta: &dyn Shard) -> std::io::Result<Self> {
        let rows = meta.scan(keyspace::all_members(), false, NODES_MAX)?;
        let decode = |(_, row): (Bytes, Bytes)| {
            let member = wire::decode::<Member>(&row).map_err(std::io::Error::other)?;
            Ok((member.id, member))
        };
        let members = rows.into_iter().map(decode).collect::<std::io::Result<_>>()?;
        let format = match meta.get(&keyspace::format())? {
            Some(row) => wire::decode(&row).map_err(std::io::Error::other)?,
            None => FIRST_FORMAT,
        };
        Ok(Self { members, format })
    }

    /// Reads what [`save`](Self::save) kept in a data directory, or nothing.
    pub(crate) fn load(directory: &Path) -> std::io::Result<Self> {
        match std::fs::read(directory.join(FILE)) {
            Ok(bytes) => wire::decode::<Vec<Member>>(&bytes)
                .map(Self::of)
                .map_err(std::io::Error::other),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// Keeps the nodes in a data directory, so that this one finds the others when all start at once.
    pub(crate) fn save(&self, directory: &Path) -> std::io::Result<()> {
        let members = self.iter().collect::<Vec<_>>();
        replace(&directory.join(FILE), &storage::encoded(&members))
    }

    pub(crate) fn of(members: impl IntoIterator<Item = Member>) -> Self {
        Self {
            members: members.into_iter().map(|member| (member.id, member)).collect(),
            format: FIRST_FORMAT,
        }
    }

    pub(crate) fn get(&self, node: NodeId) -> Option<&Member> {
        self.members.get(&node)
    }

    /// Every node there is or was, in order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// The nodes that were not removed.
    pub(crate) fn present(&self) -> impl Iterator<Item = &Member> {
        self.iter().filter(|member| member.is_present())
    }

    /// The newest format that anything is written in. What has another encoding in a newer one is written in this.
    pub(crate) fn format(&self) -> u32 {
        self.format
    }

    /// The newest format that nodes say to each other: every node knows it. Unlike what is written, a node can tell it that
    /// does not follow the meta group.
    pub(crate) fn common_format(&self) -> u32 {
        let common = self.present().map(|member| member.format).min();
        common.unwrap_or(FIRST_FORMAT).max(self.format)
    }

    /// The format to which the cluster goes over, now that every node that is present knows it. It never falls: what was
    /// written in it is there for good.
    pub(crate) fn next_format(&self) -> Option<u32> {
        let common = self.present().map(|member| member.format).min()?;
        (common > self.format).then_some(common)
    }

    /// The row of a node that introduces itself: a new one, or its own with what has changed. It has to know the format
    /// that is written.
    pub(crate) fn admit(&self, node: Introduction) -> Result<Member, TableError> {
        if node.format < self.format {
            return Err(TableError::TooOld(node.name, node.format, self.format));
        }
        if let Some(known) = self.iter().find(|member| member.token == node.token) {
            if !known.is_present() {
                return Err(TableError::Removed(known.id));
            }
            if let Some(other) = self.named(&node.name).filter(|other| other.id != known.id) {
                return Err(taken(node.name, other));
            }
            return Ok(member(known.id, known.state, node));
        }
        if let Some(other) = self.named(&node.name) {
            return Err(taken(node.name, other));
        }
        if self.members.len() >= NODES_MAX {
            return Err(TableError::Full);
        }
        let last = self.members.keys().next_back().map_or(0, |last| last.get());
        Ok(member(NodeId::new(last + 1), MemberState::Joining, node))
    }

    /// The row of a node in another state, or `None` if it is in that state already.
    pub(crate) fn moved(&self, node: NodeId, to: MemberState) -> Result<Option<Member>, TableError> {
        let known = self.get(node).ok_or(TableError::Unknown(node))?;
        match (known.state, to) {
            (now, to) if now == to => Ok(None),
            (MemberState::Removed, _) => Err(TableError::Removed(node)),
            (MemberState::Removing, MemberState::Joining | MemberState::Up | MemberState::Draining) => {
                Err(TableError::Leaving(node))
            }
            (
                MemberState::Joining | MemberState::Up | MemberState::Draining | MemberState::Removing,
                MemberState::Joining
                | MemberState::Up
                | MemberState::Draining
                | MemberState::Removing
                | MemberState::Removed,
            ) => Ok(Some(Member {
                state: to,
                ..known.clone()
            })),
        }
    }

    fn named(&self, name: &NodeName) -> Option<&Member> {
        self.present().find(|member| member.name == *name)
    }
}

/// The write that puts a node into the table.
pub(crate) fn put(member: &Member) -> Op {
    Op::Put {
        key: keyspace::member(member.id),
        value: storage::encoded(member),
    }
}

/// The write with which the cluster goes over to a format.
pub(crate) fn put_format(format: u32) -> Op {
    Op::Put {
        key: keyspace::format(),
        value: storage::encoded(&format),
    }
}

/// The row of a node that has its number.
pub(crate) fn member(id: NodeId, state: MemberState, node: Introduction) -> Member {
    let Introduction {
        name,
        addresses,
        role,
        zone,
        format,
        token,
    } = node;
    Member {
        id,
        name,
        addresses,
        role,
        zone,
        state,
        format,
        token,
    }
}

fn taken(name: NodeName, by: &Member) -> TableError {
    TableError::NameTaken { name, by: by.id }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::members::node::NodeAddress;

    fn node(name: &str, token: u128) -> Introduction {
        let address = NodeAddress::new("host:1").unwrap();
        Introduction {
            name: NodeName::new(name).unwrap(),
            addresses: Addresses {
                raft: address.clone(),
                requests: address,
                http: None,
            },
            role: Role::Replica,
            zone: None,
            format: 1,
            token: Uuid::from_u128(token),
        }
    }

    fn joined(table: &mut Table, introduction: Introduction) -> Result<NodeId, TableError> {
        let member = table.admit(introduction)?;
        let id = member.id;
        table.members.insert(id, member);
        Ok(id)
    }

    fn set(table: &mut Table, node: NodeId, state: MemberState) {
        let member = table.moved(node, state).unwrap().unwrap();
        table.members.insert(node, member);
    }

    #[test]
    fn a_node_that_asks_again_has_the_same_number() {
        let mut table = Table::default();
        assert_eq!(joined(&mut table, node("a", 1)), Ok(NodeId::FIRST));
        assert_eq!(joined(&mut table, node("b", 2)), Ok(NodeId::new(2)));
        set(&mut table, NodeId::new(2), MemberState::Up);
        let mut moved = node("b", 2);
        moved.addresses.raft = NodeAddress::new("elsewhere:9").unwrap();
        assert_eq!(joined(&mut table, moved.clone()), Ok(NodeId::new(2)));
        let member = table.get(NodeId::new(2)).unwrap();
        assert_eq!(
            (member.state, &member.addresses.raft),
            (MemberState::Up, &moved.addresses.raft)
        );
    }

    #[test]
    fn a_name_is_taken_until_its_node_is_removed_and_a_number_for_ever() {
        let mut table = Table::default();
        let first = joined(&mut table, node("a", 1)).unwrap();
        let taken = TableError::NameTaken {
            name: NodeName::new("a").unwrap(),
            by: first,
        };
        assert_eq!(joined(&mut table, node("a", 2)), Err(taken));
        joined(&mut table, node("b", 3)).unwrap();
        set(&mut table, NodeId::new(2), MemberState::Removed);
        assert_eq!(
            joined(&mut table, node("b", 3)),
            Err(TableError::Removed(NodeId::new(2)))
        );
        assert_eq!(joined(&mut table, node("b", 4)), Ok(NodeId::new(3)));
    }

    fn of_format(name: &str, token: u128, format: u32) -> Introduction {
        Introduction {
            format,
            ..node(name, token)
        }
    }

    #[test]
    fn a_format_is_written_once_the_last_node_knows_it_and_then_for_ever() {
        let mut table = Table::default();
        joined(&mut table, of_format("a", 1, 3)).unwrap();
        joined(&mut table, of_format("b", 2, 1)).unwrap();
        assert_eq!(
            (table.format(), table.next_format(), table.common_format()),
            (1, None, 1),
            "one knows only the first"
        );
        joined(&mut table, of_format("b", 2, 2)).unwrap();
        assert_eq!(
            (table.next_format(), table.common_format()),
            (Some(2), 2),
            "what both know"
        );
        table.format = 2;
        assert_eq!(table.next_format(), None);
        let too_old = |known: u32| Err(TableError::TooOld(NodeName::new("b").unwrap(), known, 2));
        assert_eq!(
            joined(&mut table, of_format("b", 2, 1)),
            too_old(1),
            "it does not go back"
        );
        assert_eq!(joined(&mut table, of_format("b", 9, 1)), too_old(1));
        set(&mut table, NodeId::new(2), MemberState::Removed);
        assert_eq!(
            table.next_format(),
            Some(3),
            "a node that was removed is not waited for"
        );
        assert_eq!(Table::default().common_format(), 1, "nothing is known yet");
    }

    #[test]
    fn what_is_removed_stays_so() {
        let mut table = Table::default();
        let first = joined(&mut table, node("a", 1)).unwrap();
        set(&mut table, first, MemberState::Draining);
        set(&mut table, first, MemberState::Up);
        assert_eq!(table.moved(first, MemberState::Up), Ok(None));
        set(&mut table, first, MemberState::Removing);
        assert_eq!(table.moved(first, MemberState::Up), Err(TableError::Leaving(first)));
        set(&mut table, first, MemberState::Removed);
        assert_eq!(
            table.moved(first, MemberState::Draining),
            Err(TableError::Removed(first))
        );
        let stranger = NodeId::new(9);
        assert_eq!(
            table.moved(stranger, MemberState::Up),
            Err(TableError::Unknown(stranger))
        );
    }
}
