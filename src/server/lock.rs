//! The lock of the data directory: one server at a time uses it.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// Name of the locked file in the data directory.
const FILE: &str = "lock";

/// Holds the lock until it is dropped, or until the process ends in whatever way.
#[derive(Debug)]
pub(crate) struct DataLock {
    _file: File,
}

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It cannot be made or opened.
    #[error("failed to use the data directory {path}: {source}")]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another server uses it.
    #[error("the data directory {path} is used by another server; stop that one or set db.path")]
    Locked {
        /// The directory.
        path: PathBuf,
    },
}

impl DataLock {
    /// Makes the directory where it is missing, readable by its owner only, and locks it.
    pub(crate) fn take(path: &Path) -> Result<Self, LockError> {
        let unusable = |source| LockError::Unusable {
            path: path.to_path_buf(),
            source,
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(unusable)?;
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join(FILE))
            .map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LockError::Locked {
                path: path.to_path_buf(),
            }),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_used_by_one_server_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data");
        let first = DataLock::take(&path).unwrap();
        let error = DataLock::take(&path).unwrap_err();
        assert!(matches!(error, LockError::Locked { .. }) && error.to_string().contains("another server"));
        drop(first);
        DataLock::take(&path).unwrap();
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let error = DataLock::take(&file.join("data")).unwrap_err();
        assert!(error.to_string().contains("file/data"), "{error}");
    }
}
