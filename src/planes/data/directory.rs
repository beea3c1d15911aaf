//! Directories that survive a power loss.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Creates a directory and what is missing above it, and syncs every directory that got a new entry.
pub(super) fn create(directory: &Path) -> io::Result<()> {
    let missing: Vec<_> = directory
        .ancestors()
        .take_while(|ancestor| !ancestor.exists())
        .collect();
    fs::create_dir_all(directory)?;
    for created in missing {
        // The parent of a relative path's first part is the empty path, which means the working directory.
        let parent = created.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_created_and_what_is_there_is_kept() {
        let data = tempfile::tempdir().unwrap();
        let deep = data.path().join("a/b/c");
        create(&deep).unwrap();
        fs::write(deep.join("file"), "x").unwrap();
        create(&deep).unwrap();
        assert!(deep.join("file").exists());
        assert!(create(&deep.join("file")).is_err(), "a file is no directory");
    }
}
