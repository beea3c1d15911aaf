//! The sled database of a node, and when not to believe it.
//!
//! sled does not sync what it writes, and where its files are damaged it may silently start from an earlier moment. After
//! a clean stop its files were synced and summed up here, and are believed if the sums still hold; after a kill under
//! the same boot of the kernel they are complete in the page cache; after anything else they are deleted and rebuilt.

use std::fs;
use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use sled::Batch;

use super::chunk::{self, Stored};
use super::overlay::Changes;
use super::tree::{RESERVED, Tree};
use super::{OnFatal, Row, file, sums};

/// How often a reader starts again when the flusher replaces a chunked value under it; one flush replaces it once.
const CHUNK_ATTEMPTS: u32 = 16;

/// Cache of a state that is only looked at, once and in order.
const LOOK_CACHE_BYTES: u64 = 16 << 20;

/// The state directory of one data directory.
pub(crate) struct StateDisk {
    db: sled::Db,
    path: PathBuf,
    paths: Markers,
    fault: Arc<Fault>,
}

struct Markers {
    /// Present after a clean stop: the sums of the files.
    clean: PathBuf,
    /// The boot under which the state was last written.
    boot: PathBuf,
    /// Present if the state was found damaged.
    rebuild: PathBuf,
}

impl Markers {
    fn of(directory: &Path) -> Self {
        Self {
            clean: directory.join("state.clean"),
            boot: directory.join("state.boot"),
            rebuild: directory.join("state.rebuild"),
        }
    }
}

/// Stops the node at the first sign of damage and sees to it that the next start rebuilds.
struct Fault {
    boot: PathBuf,
    rebuild: PathBuf,
    on_fatal: OnFatal,
    raised: AtomicBool,
}

impl Fault {
    /// Has the next start rebuild. A full disk still removes a name where it does not make one, and either suffices.
    fn distrust(&self) {
        let marked = file::replace(&self.rebuild, b"");
        if let (Err(error), Err(_)) = (file::remove(&self.boot), marked) {
            tracing::error!(%error, "failed to mark the state for rebuilding");
        }
    }

    fn raise(&self, error: sled::Error) -> io::Error {
        if !self.raised.swap(true, Ordering::Relaxed) {
            self.distrust();
            (self.on_fatal)(format!(
                "failed to use the state, it is rebuilt at the next start: {error}"
            ));
        }
        io::Error::other(error)
    }
}

impl StateDisk {
    /// Opens the state in `directory/state`, empty if what is there cannot be trusted.
    pub(crate) fn open(directory: &Path, cache_bytes: u64, boot: &str, on_fatal: OnFatal) -> io::Result<Self> {
        let path = directory.join("state");
        let paths = Markers::of(directory);
        if !trusted(&path, &paths, boot)? {
            if path.try_exists()? {
                tracing::warn!(path = %path.display(), "state cannot be trusted, it is rebuilt from snapshot and log");
            }
            wipe(&path)?;
        }
        file::remove(&paths.clean)?;
        file::replace(&paths.boot, boot.as_bytes())?;
        file::remove(&paths.rebuild)?;
        let db = match open_db(&path, cache_bytes) {
            Ok(db) => db,
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "state does not open, it is rebuilt from snapshot and log");
                wipe(&path)?;
                open_db(&path, cache_bytes)?
            }
        };
        let fault = Arc::new(Fault {
            boot: paths.boot.clone(),
            rebuild: paths.rebuild.clone(),
            on_fatal,
            raised: AtomicBool::new(false),
        });
        Ok(Self { db, path, paths, fault })
    }

    /// Opens a copy of a state to look at it. What is damaged is an error and stays as it is.
    pub(crate) fn look(copy: &Path) -> io::Result<Self> {
        let paths = Markers::of(copy);
        let fault = Arc::new(Fault {
            boot: copy.with_extension("boot"),
            rebuild: copy.with_extension("rebuild"),
            on_fatal: Arc::new(drop),
            raised: AtomicBool::new(false),
        });
        Ok(Self {
            db: open_db(copy, LOOK_CACHE_BYTES)?,
            path: copy.to_owned(),
            paths,
            fault,
        })
    }

    /// Opens the tree of one shard.
    pub(crate) fn tree(&self, group: u32) -> io::Result<Arc<dyn Tree>> {
        let tree = self
            .db
            .open_tree(group.to_be_bytes())
            .map_err(|error| self.fault.raise(error))?;
        let chunked = tree
            .get_gt([RESERVED])
            .map_err(|error| self.fault.raise(error))?
            .is_some();
        Ok(Arc::new(SledTree {
            tree,
            chunked: AtomicBool::new(chunked),
            fault: Arc::clone(&self.fault),
        }))
    }

    #[cfg(test)]
    pub(super) fn raw_tree(&self, group: u32) -> sled::Tree {
        self.db.open_tree(group.to_be_bytes()).unwrap()
    }

    /// Makes what was written durable and leaves word that it can be trusted, unless the node failed. Every tree must be
    /// dropped by now.
    pub(crate) fn close(self, has_failed: bool) -> io::Result<()> {
        let Self { db, path, paths, fault } = self;
        if has_failed || fault.raised.load(Ordering::Relaxed) {
            // After one sync has failed, the success of another proves nothing.
            return Ok(());
        }
        let close = || {
            db.flush().map_err(io::Error::other)?;
            drop(db);
            file::sync_all(&path)?;
            file::replace(&paths.clean, sums::of(&path)?.as_bytes())
        };
        // What a failed sync did not save can be read until the next boot of the kernel, and would count as synced then.
        close().inspect_err(|_| fault.distrust())
    }
}

/// Whether the files are what was written last.
fn trusted(path: &Path, paths: &Markers, boot: &str) -> io::Result<bool> {
    if paths.rebuild.try_exists()? {
        return Ok(false);
    }
    match read(&paths.clean)? {
        Some(left) => Ok(path.try_exists()? && sums::of(path)? == left),
        None => Ok(!boot.is_empty() && read(&paths.boot)?.as_deref() == Some(boot)),
    }
}

fn open_db(path: &Path, cache_bytes: u64) -> io::Result<sled::Db> {
    let config = sled::Config::new()
        .path(path)
        .cache_capacity(cache_bytes)
        .flush_every_ms(Some(500));
    // Some kinds of damage make sled panic where others make it fail.
    catch_unwind(AssertUnwindSafe(|| config.open()))
        .map_err(|_| io::Error::other("sled panicked"))?
        .map_err(io::Error::other)
}

/// How a state directory was left behind, for whoever looks at it without opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StateTrust {
    /// There is none.
    Absent,
    /// The next start believes it.
    Trusted,
    /// The next start rebuilds it.
    Untrusted,
}

impl StateTrust {
    /// Looks at the state in `directory/state` as a start under this boot would.
    pub(crate) fn of(directory: &Path, boot: &str) -> io::Result<Self> {
        let path = directory.join("state");
        Ok(if !path.try_exists()? {
            Self::Absent
        } else if trusted(&path, &Markers::of(directory), boot)? {
            Self::Trusted
        } else {
            Self::Untrusted
        })
    }
}

fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn wipe(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

struct SledTree {
    tree: sled::Tree,
    /// Whether a chunk was ever written: if not, a replaced row need not be looked at.
    chunked: AtomicBool,
    fault: Arc<Fault>,
}

impl SledTree {
    fn stored(&self, key: &[u8]) -> io::Result<Option<Stored>> {
        match self.tree.get(key).map_err(|error| self.fault.raise(error))? {
            Some(row) => self.decode(&row).map(Some),
            None => Ok(None),
        }
    }

    fn decode(&self, row: &[u8]) -> io::Result<Stored> {
        chunk::decode(row).map_err(|error| self.fault.raise(sled::Error::Io(error)))
    }

    fn resolve(&self, key: &[u8], stored: Stored) -> io::Result<Option<Bytes>> {
        match stored {
            Stored::Whole(value) => Ok(Some(value)),
            Stored::Chunked(parts) => parts.join(|number| {
                self.tree
                    .get(chunk::chunk_key(key, number))
                    .map_err(|error| self.fault.raise(error))
            }),
        }
    }
}

impl Tree for SledTree {
    fn get(&self, key: &[u8]) -> io::Result<Option<Bytes>> {
        for _ in 0..CHUNK_ATTEMPTS {
            let Some(stored) = self.stored(key)? else {
                return Ok(None);
            };
            if let Some(value) = self.resolve(key, stored)? {
                return Ok(Some(value));
            }
        }
        Err(self.fault.raise(sled::Error::ReportableBug(
            "chunks do not make up the value of their row".to_owned(),
        )))
    }

    fn page(&self, range: &(Bound<Bytes>, Bound<Bytes>), reverse: bool, limit: usize) -> io::Result<Vec<Row>> {
        let reserved = &[RESERVED][..];
        let from = range.0.as_ref().map(Bytes::as_ref);
        let to = match range.1.as_ref().map(Bytes::as_ref) {
            Bound::Included(to) if to < reserved => Bound::Included(to),
            Bound::Excluded(to) if to < reserved => Bound::Excluded(to),
            Bound::Included(_) | Bound::Excluded(_) | Bound::Unbounded => Bound::Excluded(reserved),
        };
        let mut found = self.tree.range::<&[u8], _>((from, to));
        let mut rows = Vec::new();
        while rows.len() < limit {
            let Some(next) = (if reverse { found.next_back() } else { found.next() }) else {
                break;
            };
            let (key, row) = next.map_err(|error| self.fault.raise(error))?;
            let value = match self.resolve(&key, self.decode(&row)?)? {
                Some(value) => Some(value),
                None => self.get(&key)?,
            };
            rows.extend(value.map(|value| (Bytes::copy_from_slice(&key), value)));
        }
        Ok(rows)
    }

    fn apply(&self, changes: &Changes) -> io::Result<()> {
        let mut batch = Batch::default();
        let replaces_chunks = self.chunked.load(Ordering::Relaxed);
        for (key, value) in changes {
            let before = if replaces_chunks {
                match self.stored(key)? {
                    Some(Stored::Chunked(parts)) => parts.count(),
                    Some(Stored::Whole(_)) | None => 0,
                }
            } else {
                0
            };
            let after = match value {
                Some(value) => chunk::insert(&mut batch, key, value),
                None => {
                    batch.remove(&key[..]);
                    0
                }
            };
            (after..before).for_each(|number| batch.remove(chunk::chunk_key(key, number)));
            if after > 0 {
                self.chunked.store(true, Ordering::Relaxed);
            }
        }
        self.tree.apply_batch(batch).map_err(|error| self.fault.raise(error))
    }

    fn clear(&self) -> io::Result<()> {
        self.tree.clear().map_err(|error| self.fault.raise(error))
    }
}
