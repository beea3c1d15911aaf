//! A tree in memory, for `TestCluster` and tests of what lies above.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;

use bytes::Bytes;
use parking_lot::RwLock;

use super::Row;
use super::overlay::Changes;
use super::tree::Tree;

/// Rows that live as long as their owner.
#[derive(Debug, Default)]
pub(crate) struct MemoryTree(RwLock<BTreeMap<Bytes, Bytes>>);

impl MemoryTree {
    #[cfg(any(test, feature = "testing"))]
    /// A copy that later writes to `self` do not reach: what a crashed process left behind.
    pub(crate) fn fork(&self) -> Self {
        Self(RwLock::new(self.0.read().clone()))
    }
}

impl Tree for MemoryTree {
    fn get(&self, key: &[u8]) -> io::Result<Option<Bytes>> {
        Ok(self.0.read().get(key).cloned())
    }

    fn page(&self, range: &(Bound<Bytes>, Bound<Bytes>), reverse: bool, limit: usize) -> io::Result<Vec<Row>> {
        let rows = self.0.read();
        let found = rows
            .range::<Bytes, _>(range.clone())
            .map(|(key, value)| (key.clone(), value.clone()));
        Ok(if reverse {
            found.rev().take(limit).collect()
        } else {
            found.take(limit).collect()
        })
    }

    fn apply(&self, changes: &Changes) -> io::Result<()> {
        let mut rows = self.0.write();
        for (key, value) in changes {
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        Ok(())
    }

    fn clear(&self) -> io::Result<()> {
        self.0.write().clear();
        Ok(())
    }
}
