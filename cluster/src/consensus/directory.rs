//! The data directory of a node: who may use it, and what it was created as.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::engine::OpenError;
use crate::store::{create_directory, replace};

/// The only format there is so far.
const VERSION: u32 = 1;

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
        let io = |source| OpenError::Directory {
            path: path.to_owned(),
            source,
        };
        create_directory(&path.join("snapshots")).map_err(io)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))
            .map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let directory = Self {
            path: path.to_owned(),
            _lock: lock,
        };
        let format = path.join("format");
        let stored = match fs::read_to_string(&format) {
            Ok(text) => directory.parse(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if directory.log().exists() {
                    return Err(directory.unreadable("it holds a log, but does not say which format it has"));
                }
                replace(&format, render(shards).as_bytes()).map_err(io)?;
                shards
            }
            Err(error) => return Err(io(error)),
        };
        Ok((directory, stored))
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

    fn parse(&self, text: &str) -> Result<u16, OpenError> {
        let field = |name| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            value.ok_or_else(|| self.unreadable("its format file is incomplete"))
        };
        let version = field("version")?
            .parse()
            .map_err(|_| self.unreadable("its version is not a number"))?;
        if version != VERSION {
            return Err(OpenError::Newer {
                path: self.path.clone(),
                version,
                known: VERSION,
            });
        }
        field("shards")?
            .parse()
            .map_err(|_| self.unreadable("its number of shards is not a number"))
    }

    fn unreadable(&self, reason: &'static str) -> OpenError {
        OpenError::Format {
            path: self.path.clone(),
            reason,
        }
    }
}

fn render(shards: u16) -> String {
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
