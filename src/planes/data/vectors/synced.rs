//! Durability of a Lance dataset.
//!
//! Lance writes files once and never changes them, but does not sync them. After each write this syncs the files that are new
//! and the directories they are in, so that an acknowledged write survives a power loss and a commit never outlives its data.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The files of a dataset that are known to be on disk.
#[derive(Debug, Default)]
pub(super) struct Synced {
    files: HashSet<PathBuf>,
}

impl Synced {
    /// Syncs what is new below a directory, files before the directories that name them.
    pub(super) fn sync(&mut self, directory: &Path) -> io::Result<()> {
        let mut present = HashSet::with_capacity(self.files.len());
        self.sync_below(directory, &mut present)?;
        self.files = present;
        Ok(())
    }

    /// Answers whether anything was synced.
    fn sync_below(&self, directory: &Path, present: &mut HashSet<PathBuf>) -> io::Result<bool> {
        let mut changed = false;
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                changed |= self.sync_below(&path, present)?;
            } else {
                if !self.files.contains(&path) {
                    match File::open(&path).and_then(|file| file.sync_all()) {
                        Ok(()) => changed = true,
                        // A compaction that was cut short may still be removing what it wrote.
                        Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                        Err(error) => return Err(error),
                    }
                }
                present.insert(path);
            }
        }
        if changed {
            File::open(directory)?.sync_all()?;
        }
        Ok(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_known_after_a_sync_and_forgotten_when_it_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("data");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("1"), "a").unwrap();
        fs::write(directory.path().join("2"), "b").unwrap();
        let mut synced = Synced::default();
        synced.sync(directory.path()).unwrap();
        assert_eq!(synced.files.len(), 2);
        assert!(
            !synced.sync_below(directory.path(), &mut HashSet::new()).unwrap(),
            "nothing is new"
        );
        fs::remove_file(inner.join("1")).unwrap();
        synced.sync(directory.path()).unwrap();
        assert_eq!(synced.files.len(), 1);
    }
}
