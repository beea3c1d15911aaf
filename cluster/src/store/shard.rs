//! The state of one shard.

use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use super::Row;
use super::flusher::Pool;
use super::image::{Image, ImageError, ImageReader};
use super::overlay::{Change, Overlay};
use super::tree::{self, Tree};

/// How many changes are looked at under one lock while a range is read.
const PAGE: usize = 256;

/// A shard's rows, as they are after the last applied entry.
pub(crate) struct ShardState {
    group: u32,
    overlay: RwLock<Overlay>,
    /// `None` once closed, so that whoever still holds the shard does not keep the files locked.
    tree: RwLock<Option<Arc<dyn Tree>>>,
    pool: Arc<Pool>,
    /// Held while changes move: by the flusher, or by an installation.
    moving: Mutex<()>,
    /// Grows when an installation begins, and when it has ended: it is odd in between.
    edition: AtomicU64,
}

impl ShardState {
    pub(super) fn new(group: u32, tree: Arc<dyn Tree>, pool: Arc<Pool>) -> Self {
        Self {
            group,
            overlay: RwLock::default(),
            tree: RwLock::new(Some(tree)),
            pool,
            moving: Mutex::default(),
            edition: AtomicU64::new(0),
        }
    }

    pub(super) fn group(&self) -> u32 {
        self.group
    }

    pub(super) fn gathered(&self) -> usize {
        self.overlay.read().gathered()
    }

    pub(super) fn close(&self) {
        self.tree.write().take();
    }

    fn tree(&self) -> io::Result<Arc<dyn Tree>> {
        self.tree
            .read()
            .clone()
            .ok_or_else(|| io::Error::new(io::ErrorKind::BrokenPipe, "the state is closed"))
    }

    /// Which edition of the rows this is; `None` while they are replaced as a whole. Rows that were read between two looks
    /// which show the same edition are of it, and none of them is missing.
    pub(crate) fn edition(&self) -> Option<u64> {
        // Whoever saw anything of an installation has taken a lock after it, and so sees that it has begun.
        let edition = self.edition.load(Ordering::SeqCst);
        edition.is_multiple_of(2).then_some(edition)
    }

    /// Waits until there is room for more changes.
    pub(crate) async fn admit(&self) {
        self.pool.admit().await;
    }

    /// Makes changes visible, all at once, and leaves moving them to the flusher.
    pub(crate) fn write(&self, changes: impl IntoIterator<Item = Change>) {
        let (used, gathered) = {
            let mut overlay = self.overlay.write();
            let cost = overlay.write(changes);
            // Before the flusher can move them, which gives their room back.
            (self.pool.take(cost), overlay.gathered())
        };
        self.pool.tell_of(used, gathered);
    }

    /// What gathers, and what all shards hold, at one moment.
    #[cfg(test)]
    pub(super) fn room(&self) -> (usize, usize) {
        let overlay = self.overlay.read();
        (overlay.gathered(), self.pool.used())
    }

    /// Reads one row.
    pub(crate) fn get(&self, key: &[u8]) -> io::Result<Option<Bytes>> {
        // A change leaves the overlay only after it is in the tree, so this order cannot miss it.
        let pending = self.overlay.read().get(key);
        match pending {
            Some(value) => Ok(value),
            None => self.tree()?.get(key),
        }
    }

    /// Reads up to `limit` rows of a range in key order, or in reverse.
    pub(crate) fn scan(
        &self,
        range: (Bound<Bytes>, Bound<Bytes>),
        reverse: bool,
        limit: usize,
    ) -> io::Result<Vec<Row>> {
        let tree = self.tree()?;
        let mut rest = range;
        let mut found = Vec::new();
        while found.len() < limit && !tree::is_empty(&rest) {
            let changes = self.overlay.read().page(&rest, reverse, PAGE);
            // Beyond a full page there may be changes that were not looked at.
            let horizon = if changes.len() == PAGE {
                changes.last().map(|(key, _)| key.clone())
            } else {
                None
            };
            let within = match (&horizon, reverse) {
                (Some(key), false) => (rest.0.clone(), Bound::Included(key.clone())),
                (Some(key), true) => (Bound::Included(key.clone()), rest.1.clone()),
                (None, _) => rest.clone(),
            };
            // Each change hides at most one row, so this many rows suffice.
            let rows = tree.page(&within, reverse, (limit - found.len()).saturating_add(changes.len()))?;
            merge(changes, rows, reverse, limit, &mut found);
            match horizon {
                Some(key) if reverse => rest.1 = Bound::Excluded(key),
                Some(key) => rest.0 = Bound::Excluded(key),
                None => break,
            }
        }
        Ok(found)
    }

    /// Moves the overlay into the tree as one batch.
    pub(super) fn flush(&self) -> io::Result<()> {
        let _moving = self.moving.lock();
        if self.gathered() == 0 {
            return Ok(());
        }
        let tree = self.tree()?;
        let (changes, cost) = self.overlay.write().start_move();
        let moved = tree.apply(&changes);
        if moved.is_ok() {
            self.overlay.write().finish_move();
        }
        self.pool.release(cost);
        moved
    }

    /// Removes everything. Nothing may have been written since the state was opened.
    pub(crate) fn clear(&self) -> io::Result<()> {
        let _moving = self.moving.lock();
        self.tree()?.clear()
    }

    /// Replaces everything by the rows of an image, and adds `last` when they are complete.
    pub(crate) fn install(&self, image: &Image, last: Change) -> Result<(), ImageError> {
        image.verify()?;
        let _moving = self.moving.lock();
        let tree = self.tree()?;
        // If it fails the node stops, and the rows stay unread until then.
        self.edition.fetch_add(1, Ordering::SeqCst);
        let (_, cost) = self.overlay.write().start_move();
        self.pool.release(cost);
        self.overlay.write().finish_move();
        tree.clear()?;
        let mut reader = ImageReader::open(image.read()?)?;
        while let Some(rows) = reader.next_rows()? {
            tree.apply(&rows.into_iter().map(|(key, value)| (key, Some(value))).collect())?;
        }
        tree.apply(&[last].into_iter().collect())?;
        self.edition.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

impl std::fmt::Debug for ShardState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShardState")
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

/// Lays changes over rows, both in order of reading, until `limit` rows are found.
fn merge(changes: Vec<Change>, rows: Vec<Row>, reverse: bool, limit: usize, found: &mut Vec<Row>) {
    let mut rows = rows.into_iter().peekable();
    let mut changes = changes.into_iter().peekable();
    while found.len() < limit {
        let order = match (changes.peek(), rows.peek()) {
            (Some((change, _)), Some((row, _))) if reverse => row.cmp(change),
            (Some((change, _)), Some((row, _))) => change.cmp(row),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => break,
        };
        if order.is_ge() {
            let row = rows.next();
            if order.is_gt() {
                found.extend(row);
            }
        }
        if order.is_le()
            && let Some((key, Some(value))) = changes.next()
        {
            found.push((key, value));
        }
    }
}
