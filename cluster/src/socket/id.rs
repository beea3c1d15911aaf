//! Names of sockets.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::NodeId;

/// A socket: the node that keeps the connection, the run of its process, and a number within it. No two are ever the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SocketId {
    pub(crate) node: NodeId,
    pub(crate) instance: u64,
    pub(crate) number: u64,
}

impl SocketId {
    /// Length of its form in keys.
    pub(crate) const BYTES: usize = 24;

    /// Its form in keys: those of one process lie together.
    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.node.get().to_be_bytes());
        bytes[8..16].copy_from_slice(&self.instance.to_be_bytes());
        bytes[16..].copy_from_slice(&self.number.to_be_bytes());
        bytes
    }

    /// The socket in bytes made by [`to_bytes`](Self::to_bytes).
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (node, rest) = bytes.split_first_chunk()?;
        let (instance, rest) = rest.split_first_chunk()?;
        Some(Self {
            node: NodeId::new(u64::from_be_bytes(*node)),
            instance: u64::from_be_bytes(*instance),
            number: u64::from_be_bytes(rest.try_into().ok()?),
        })
    }
}

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:016x}-{}", self.node, self.instance, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_back_and_ordered_by_process() {
        let id = |node, instance, number| SocketId {
            node: NodeId::new(node),
            instance,
            number,
        };
        let ids = [id(1, 9, 300), id(1, 10, 2), id(2, 1, 1)];
        for id in ids {
            assert_eq!(SocketId::from_bytes(&id.to_bytes()), Some(id));
        }
        assert!(ids.map(SocketId::to_bytes).is_sorted());
        assert_eq!(SocketId::from_bytes(&[0; 23]), None);
        assert_eq!(ids[0].to_string(), "1-0000000000000009-300");
    }
}
