//! Files that survive a power loss whole, or in their former state.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Replaces a file durably: whoever opens `path` afterwards, on any boot, sees the old bytes or all of the new.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("draft");
    let mut file = File::create(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    adopt(&draft, path)
}

/// Renames a synced file durably.
pub(super) fn adopt(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_parent(to)
}

/// Removes a file durably; a missing one is no error.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Syncs every file below a directory, and the directories themselves.
pub(crate) fn sync_all(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_all(&entry.path())?;
        } else {
            File::open(entry.path())?.sync_all()?;
        }
    }
    File::open(directory)?.sync_all()
}

/// Creates a directory, and those above it, durably.
pub(crate) fn create_directory(path: &Path) -> io::Result<()> {
    let missing = path.ancestors().take_while(|above| !above.exists()).collect::<Vec<_>>();
    fs::create_dir_all(path)?;
    missing
        .into_iter()
        .filter(|above| !above.as_os_str().is_empty())
        .try_for_each(sync_parent)
}

/// Makes the entry of a file or directory durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    sync_directory(parent)
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
