//! Writes that are applied but not yet in the tree.

use std::collections::{BTreeMap, btree_map};
use std::iter::Peekable;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

/// One resolved change: a new value, or `None` for a removed row.
pub(crate) type Change = (Bytes, Option<Bytes>);

/// The newest change of each key.
pub(super) type Changes = BTreeMap<Bytes, Option<Bytes>>;

/// What a change costs in memory beside its bytes: tree node, two reference-counted handles.
const CHANGE_OVERHEAD: usize = 96;

/// The changes of one shard: those that still gather, and those that the flusher is moving, which stay readable until
/// they are in the tree.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    gathering: Changes,
    gathered: usize,
    moving: Arc<Changes>,
}

impl Overlay {
    /// Takes changes in and returns their cost. Overwritten ones keep counting: keys and values are slices of log
    /// entries and may hold on to whole ones.
    pub(super) fn write(&mut self, changes: impl IntoIterator<Item = Change>) -> usize {
        let mut cost = 0;
        for (key, value) in changes {
            cost += key.len() + value.as_ref().map_or(0, Bytes::len) + CHANGE_OVERHEAD;
            self.gathering.insert(key, value);
        }
        self.gathered += cost;
        cost
    }

    /// `None` if the overlay does not know the key, `Some(None)` if it is removed.
    pub(super) fn get(&self, key: &[u8]) -> Option<Option<Bytes>> {
        self.gathering.get(key).or_else(|| self.moving.get(key)).cloned()
    }

    /// The cost of what gathers.
    pub(super) fn gathered(&self) -> usize {
        self.gathered
    }

    /// Hands out everything that gathered, with its cost.
    pub(super) fn start_move(&mut self) -> (Arc<Changes>, usize) {
        debug_assert!(self.moving.is_empty(), "one move at a time");
        self.moving = Arc::new(std::mem::take(&mut self.gathering));
        (Arc::clone(&self.moving), std::mem::take(&mut self.gathered))
    }

    /// Forgets what was moved.
    pub(super) fn finish_move(&mut self) {
        self.moving = Arc::default();
    }

    /// Up to `limit` changes of a range, in order of reading.
    pub(super) fn page(&self, range: &(Bound<Bytes>, Bound<Bytes>), reverse: bool, limit: usize) -> Vec<Change> {
        let newer = Cursor::new(&self.gathering, range, reverse);
        let older = Cursor::new(&self.moving, range, reverse);
        Merge {
            newer: newer.peekable(),
            older: older.peekable(),
            reverse,
        }
        .take(limit)
        .collect()
    }
}

struct Cursor<'a> {
    range: btree_map::Range<'a, Bytes, Option<Bytes>>,
    reverse: bool,
}

impl<'a> Cursor<'a> {
    fn new(changes: &'a Changes, range: &(Bound<Bytes>, Bound<Bytes>), reverse: bool) -> Self {
        Self {
            range: changes.range::<Bytes, _>(range.clone()),
            reverse,
        }
    }
}

impl<'a> Iterator for Cursor<'a> {
    type Item = (&'a Bytes, &'a Option<Bytes>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.reverse {
            self.range.next_back()
        } else {
            self.range.next()
        }
    }
}

struct Merge<'a> {
    newer: Peekable<Cursor<'a>>,
    older: Peekable<Cursor<'a>>,
    reverse: bool,
}

impl Iterator for Merge<'_> {
    type Item = Change;

    fn next(&mut self) -> Option<Change> {
        let (key, value) = match (self.newer.peek(), self.older.peek()) {
            (Some((newer, _)), Some((older, _))) => {
                let order = if self.reverse {
                    older.cmp(newer)
                } else {
                    newer.cmp(older)
                };
                if order.is_eq() {
                    self.older.next();
                }
                if order.is_le() {
                    self.newer.next()
                } else {
                    self.older.next()
                }
            }
            (Some(_), None) => self.newer.next(),
            (None, _) => self.older.next(),
        }?;
        Some((key.clone(), value.clone()))
    }
}
