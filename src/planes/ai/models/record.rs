//! What was checked already: a small file beside the models, so that a start does not read 190 MB to hash them.

use std::{collections::BTreeMap, fs::Metadata, path::Path, time::UNIX_EPOCH};

use serde::{Deserialize, Serialize};

const FILE_NAME: &str = "verified.json";

/// Files whose content is known for the size and time given.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::planes::ai) struct Record {
    files: BTreeMap<String, Entry>,
    #[serde(skip)]
    changed: bool,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    bytes: u64,
    modified_nanos: u128,
    sha256: String,
}

impl Record {
    /// Reads the record of `directory`. One that is absent or unreadable knows nothing.
    pub(in crate::planes::ai) fn read(directory: &Path) -> Self {
        let text = std::fs::read(directory.join(FILE_NAME)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Says whether a file of this size and time was found to have this content.
    pub(in crate::planes::ai) fn knows(&self, name: &str, bytes: u64, modified_nanos: u128, sha256: &str) -> bool {
        let known = self.files.get(name);
        known.is_some_and(|entry| {
            entry.bytes == bytes && entry.modified_nanos == modified_nanos && entry.sha256 == sha256
        })
    }

    /// The content recorded for `name`, whatever its size and time were.
    pub(in crate::planes::ai) fn sha256(&self, name: &str) -> Option<&str> {
        self.files.get(name).map(|entry| entry.sha256.as_str())
    }

    /// Records the content of a file.
    pub(in crate::planes::ai) fn remember(&mut self, name: &str, bytes: u64, modified_nanos: u128, sha256: String) {
        self.files.insert(
            name.to_owned(),
            Entry {
                bytes,
                modified_nanos,
                sha256,
            },
        );
        self.changed = true;
    }

    /// Writes the record if it changed. A directory that cannot be written costs a check at the next start, no more.
    pub(in crate::planes::ai) fn save(&self, directory: &Path) {
        if !self.changed {
            return;
        }
        let written = serde_json::to_vec_pretty(self)
            .map_err(std::io::Error::other)
            .and_then(|text| {
                let unfinished = directory.join(format!(".{FILE_NAME}.{}", uuid::Uuid::new_v4()));
                std::fs::write(&unfinished, text)?;
                std::fs::rename(&unfinished, directory.join(FILE_NAME)).inspect_err(|_| {
                    // What is left behind is small and ignored.
                    let _ = std::fs::remove_file(&unfinished);
                })
            });
        if let Err(error) = written {
            tracing::debug!(%error, "the record of checked model files was not written");
        }
    }
}

/// When the file was last changed, in nanoseconds since 1970; 0 where the system does not say.
pub(in crate::planes::ai) fn modified_nanos(metadata: &Metadata) -> u128 {
    let since = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| since.as_nanos())
}
