//! The data directory of a node: who may use it, and what it was created as.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::engine::OpenError;
use crate::store::{create_directory, replace, sync_directory};

/// The only format there is so far.
pub(crate) const VERSION: u32 = 1;

/// The file that says which format a directory has.
const FORMAT: &str = "format";

/// A data directory that is ours until it is dropped.
#[derive(Debug)]
pub(crate) struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

impl DataDirectory {
    /// Locks a directory and reads its format, or gives a new one its format. Returns the number of shards it was
    /// created with.
    pub(crate) fn open(path: &Path, shards: u16) -> Result<(Self, u16), OpenError> {
        // Before anything is created or opened: a directory of another format stays as it is.
        format(path)?;
        let io = |source| unusable(path, source);
        create_directory(&path.join("snapshots")).map_err(io)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))
            .map_err(io)?;
        let directory = Self::locked(path, lock)?;
        // A process that was killed between giving a snapshot its name and syncing that leaves a name which the next power
        // loss takes back; the log is purged behind the snapshots that are found.
        sync_directory(&directory.snapshots()).map_err(io)?;
        let stored = match format(path)? {
            Some(shards) => shards,
            None => {
                if directory.log().exists() {
                    return Err(unreadable(path, "it holds a log, but does not say which format it has"));
                }
                replace(&path.join(FORMAT), render(shards).as_bytes()).map_err(io)?;
                shards
            }
        };
        Ok((directory, stored))
    }

    /// Locks a directory that exists, to look at it. Returns the number of shards it was created with.
    pub(crate) fn look(path: &Path) -> Result<(Self, u16), OpenError> {
        let Some(shards) = format(path)? else {
            return Err(unreadable(path, "it is no data directory: it has no format file"));
        };
        let lock = File::open(path.join("lock")).map_err(|source| unusable(path, source))?;
        Ok((Self::locked(path, lock)?, shards))
    }

    /// Writes the format of a directory that is being made.
    pub(crate) fn found(path: &Path, shards: u16) -> io::Result<()> {
        replace(&path.join(FORMAT), render(shards).as_bytes())
    }

    fn locked(path: &Path, lock: File) -> Result<Self, OpenError> {
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(unusable(path, source)),
        }
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    pub(crate) fn marks(&self) -> PathBuf {
        self.path.join("log.marks")
    }

    pub(crate) fn snapshots(&self) -> PathBuf {
        self.path.join("snapshots")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path.join("state")
    }
}

/// Reads the format of a directory, and nothing else: the number of shards it was created with, or `None` if it has no
/// format yet. A format that this program does not know is refused.
pub(crate) fn format(path: &Path) -> Result<Option<u16>, OpenError> {
    match fs::read_to_string(path.join(FORMAT)) {
        Ok(text) => parse(path, &text).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unusable(path, error)),
    }
}

fn parse(path: &Path, text: &str) -> Result<u16, OpenError> {
    let field = |name| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.ok_or_else(|| unreadable(path, "its format file is incomplete"))
    };
    let version = field("version")?
        .parse()
        .map_err(|_| unreadable(path, "its version is not a number"))?;
    if version != VERSION {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            version,
            known: VERSION,
        });
    }
    field("shards")?
        .parse()
        .map_err(|_| unreadable(path, "its number of shards is not a number"))
}

fn unusable(path: &Path, source: io::Error) -> OpenError {
    OpenError::Directory {
        path: path.to_owned(),
        source,
    }
}

fn unreadable(path: &Path, reason: &'static str) -> OpenError {
    OpenError::Format {
        path: path.to_owned(),
        reason,
    }
}

/// The contents of a format file.
pub(crate) fn render(shards: u16) -> String {
    format!("version {VERSION}\nshards {shards}\n")
}

/// Identifies the current boot of the kernel; empty if it does not say.
pub(crate) fn boot() -> String {
    match fs::read_to_string("/proc/sys/kernel/random/boot_id") {
        Ok(boot) => boot.trim().to_owned(),
        Err(error) => {
            tracing::warn!(%error, "the kernel does not tell its boot: the state is rebuilt after every unclean stop");
            String::new()
        }
    }
}
