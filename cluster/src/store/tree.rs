//! The ordered rows under an overlay.

use std::io;
use std::ops::Bound;

use bytes::Bytes;

use super::Row;
use super::overlay::Changes;

/// The first key byte no shard may use: above it a tree keeps rows of its own.
pub(super) const RESERVED: u8 = 0xFF;

/// An ordered map of rows that takes whole batches.
pub(crate) trait Tree: Send + Sync + 'static {
    /// Reads one row.
    fn get(&self, key: &[u8]) -> io::Result<Option<Bytes>>;

    /// Reads up to `limit` rows of a range that is not empty, in key order or in reverse.
    fn page(&self, range: &(Bound<Bytes>, Bound<Bytes>), reverse: bool, limit: usize) -> io::Result<Vec<Row>>;

    /// Applies all changes, or, after a crash, none.
    fn apply(&self, changes: &Changes) -> io::Result<()>;

    /// Removes every row in key order, so that after a crash the meta rows are gone first.
    fn clear(&self) -> io::Result<()>;
}

/// Whether no key can lie in the range; ordered maps panic when asked for some of these.
pub(super) fn is_empty(range: &(Bound<Bytes>, Bound<Bytes>)) -> bool {
    match range {
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => from >= to,
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
    }
}
