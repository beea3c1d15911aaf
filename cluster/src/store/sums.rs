//! What the files of a directory are, in a few bytes each: length and checksum by name.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

const BUFFER: usize = 1 << 20;

/// One line for each file below a directory, in the order of their names. The same lines mean the same bytes.
pub(crate) fn of(directory: &Path) -> io::Result<String> {
    let mut lines = "version 1\n".to_owned();
    add(directory, "", &mut lines)?;
    Ok(lines)
}

fn add(directory: &Path, prefix: &str, lines: &mut String) -> io::Result<()> {
    let mut entries = fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            add(&entry.path(), &format!("{name}/"), lines)?;
        } else {
            let (length, sum) = sum(&entry.path())?;
            writeln!(lines, "{sum:08x} {length} {name}").map_err(io::Error::other)?;
        }
    }
    Ok(())
}

fn sum(path: &Path) -> io::Result<(u64, u32)> {
    let mut file = File::open(path)?;
    let (mut hasher, mut length, mut buffer) = (crc32fast::Hasher::new(), 0, vec![0; BUFFER]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((length, hasher.finalize())),
            Ok(read) => {
                hasher.update(&buffer[..read]);
                length += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_a_missing_and_a_new_byte_are_seen() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("below")).unwrap();
        let file = directory.path().join("below/file");
        fs::write(&file, [1, 2, 3]).unwrap();
        let before = of(directory.path()).unwrap();
        assert!(before.ends_with(" 3 below/file\n"), "{before}");
        for bytes in [&[1, 2, 4][..], &[1, 2], &[1, 2, 3, 0]] {
            fs::write(&file, bytes).unwrap();
            assert_ne!(of(directory.path()).unwrap(), before, "{bytes:?}");
        }
        fs::write(&file, [1, 2, 3]).unwrap();
        assert_eq!(of(directory.path()).unwrap(), before);
    }
}
