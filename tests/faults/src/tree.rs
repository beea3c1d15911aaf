//! The files of a directory.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::{fs, io};

/// One file: its path below the directory, its inode and size.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    pub(crate) path: Vec<u8>,
    pub(crate) inode: u64,
    pub(crate) size: u64,
}

/// All files below a directory, in order of their paths.
pub(crate) fn files(directory: &Path) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    let mut rest = vec![directory.to_owned()];
    while let Some(next) = rest.pop() {
        for entry in fs::read_dir(&next)? {
            let entry = entry?;
            let path = entry.path();
            let data = entry.metadata()?;
            if data.is_dir() {
                rest.push(path);
            } else {
                let below = path.strip_prefix(directory).map_err(io::Error::other)?;
                found.push(Found {
                    path: below.as_os_str().as_bytes().to_vec(),
                    inode: data.ino(),
                    size: data.len(),
                });
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}
