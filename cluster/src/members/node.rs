//! One row of the table of nodes, which the meta group keeps.
//!
//! A row is never deleted: the number of a node that was removed is not given to another one.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{node_name::NodeName, peers::NodeId};

/// The newest format of what nodes send each other, and write for each other, that this program knows. One that is newer
/// than what the oldest member knows is not written yet, see `Table::format`.
///
/// 1. The first.
/// 2. A call between nodes says on whose account it is made.
pub(crate) const FORMAT: u32 = 2;

/// Longest name of a zone, in bytes.
const NAME_LIMIT: usize = 63;

/// Longest address, in bytes.
const ADDRESS_LIMIT: usize = 255;

/// A name or an address that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemberError {
    /// The name of a zone.
    #[error("{0:?} is no name for a zone: use 1 to {NAME_LIMIT} characters of a-z, 0-9, `-`, `_` and `.`")]
    Zone(String),
    /// The address of a node.
    #[error("{0:?} is no address: one is a host, a colon and a port, as in `10.0.0.1:7001` or `[::1]:7001`")]
    Address(String),
    /// The role of a node.
    #[error("{0:?} is no role: a node is a `replica` or a `gateway`")]
    Role(String),
}

/// What may fail as one, and how operators call it: 1 to 63 characters of `a-z`, `0-9`, `-`, `_` and `.`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(String);

impl Zone {
    /// Checks and wraps a name.
    ///
    /// # Errors
    /// [`MemberError::Zone`].
    pub fn new(text: &str) -> Result<Self, MemberError> {
        let lawful = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
        if text.is_empty() || text.len() > NAME_LIMIT || !text.bytes().all(lawful) {
            return Err(MemberError::Zone(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a node is reached: a host and a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeAddress(String);

impl NodeAddress {
    /// Checks and wraps an address; names are looked up when it is used.
    ///
    /// # Errors
    /// [`MemberError::Address`].
    pub fn new(text: &str) -> Result<Self, MemberError> {
        let refused = || MemberError::Address(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(refused)?;
        let named = !host.is_empty()
            && host
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        let numbered = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
        let port = port.parse::<u16>().map_err(|_| refused())?;
        if text.len() > ADDRESS_LIMIT || port == 0 || !(named || numbered) {
            return Err(refused());
        }
        Ok(Self(text.to_owned()))
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text {
    ($type:ty) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $type {
            type Error = MemberError;

            fn try_from(text: String) -> Result<Self, MemberError> {
                Self::new(&text)
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.0
            }
        }

        impl FromStr for $type {
            type Err = MemberError;

            fn from_str(text: &str) -> Result<Self, MemberError> {
                Self::new(text)
            }
        }
    };
}

text!(Zone);
text!(NodeAddress);

/// Where the other nodes reach one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// What the groups say goes here.
    pub raft: NodeAddress,
    /// What actors and operators ask goes here.
    pub requests: NodeAddress,
    /// Where its clients reach it, if it told.
    pub http: Option<NodeAddress>,
}

/// What a node is there for. The numbers of the variants are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// It keeps copies of shards and runs their actors.
    Replica,
    /// It passes requests on and keeps nothing.
    Gateway,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Replica => "replica",
            Self::Gateway => "gateway",
        })
    }
}

impl FromStr for Role {
    type Err = MemberError;

    fn from_str(text: &str) -> Result<Self, MemberError> {
        match text {
            "replica" => Ok(Self::Replica),
            "gateway" => Ok(Self::Gateway),
            other => Err(MemberError::Role(other.to_owned())),
        }
    }
}

/// Where a node is on its way. The numbers of the variants are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MemberState {
    /// It has its number, and was not heard of since.
    Joining,
    /// It may be given copies and lead groups.
    Up,
    /// It gives away what it has, as far as others can take it; no shard has fewer copies for that.
    Draining,
    /// It gives away what it has; where nobody can take a copy, the shard goes on with fewer.
    Removing,
    /// It is gone for good.
    Removed,
}

impl fmt::Display for MemberState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Joining => "joining",
            Self::Up => "up",
            Self::Draining => "draining",
            Self::Removing => "removing",
            Self::Removed => "removed",
        })
    }
}

/// A node, as the cluster knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its number, never given to another node.
    pub id: NodeId,
    /// Its name, which no other node has that is not removed.
    pub name: NodeName,
    /// Where it is reached.
    pub addresses: Addresses,
    /// What it is there for.
    pub role: Role,
    /// What may fail together with it; copies of a shard are spread over zones.
    pub zone: Option<Zone>,
    /// Where it is on its way.
    pub state: MemberState,
    /// The newest form of messages that its program knows.
    pub format: u32,
    /// Tells a node that asks again from one of the same name.
    pub(crate) token: Uuid,
}

impl Member {
    /// Whether it takes part: it was not removed.
    pub fn is_present(&self) -> bool {
        self.state != MemberState::Removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_checked() {
        for name in ["a", "rack-1", "eu.west_2"] {
            assert_eq!(Zone::new(name).unwrap().as_str(), name);
        }
        for name in ["", "A", "a b", "ä", &"a".repeat(64)] {
            assert_eq!(Zone::new(name), Err(MemberError::Zone(name.to_owned())));
        }
        for address in ["10.0.0.1:7001", "host.example:1", "[::1]:65535"] {
            assert_eq!(NodeAddress::new(address).unwrap().as_str(), address);
        }
        for address in [
            "",
            "host",
            ":1",
            "host:",
            "host:0",
            "host:65536",
            "::1:7001",
            "[::1]",
            "a b:1",
            "[x]:1",
        ] {
            assert!(NodeAddress::new(address).is_err(), "{address}");
        }
    }

    #[test]
    fn states_and_roles_read_as_they_are_written() {
        for role in [Role::Replica, Role::Gateway] {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        assert!("voter".parse::<Role>().is_err());
        assert_eq!(MemberState::Draining.to_string(), "draining");
    }
}
