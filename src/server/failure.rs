//! What stopped the server the last time, told on the next start.

use std::{fs, io, path::PathBuf};

/// Name of the note in the data directory.
const FILE: &str = "last-failure";

/// The note about a fatal error.
#[derive(Debug)]
pub(super) struct FailureNote {
    path: PathBuf,
}

impl FailureNote {
    pub(super) fn new(data: &std::path::Path) -> Self {
        Self { path: data.join(FILE) }
    }

    /// Takes the note of the last run, if there is one.
    pub(super) fn take(&self) -> Option<String> {
        let text = fs::read_to_string(&self.path).ok()?;
        match fs::remove_file(&self.path) {
            Ok(()) => {},
            Err(error) => tracing::warn!(%error, "failed to remove the note about the last failure"),
        }
        Some(text.trim().to_owned())
    }

    /// Leaves a note. The disk may be what failed, so this is only tried.
    pub(super) fn leave(&self, text: &str) {
        if let Err(error) = self.write(text) {
            tracing::warn!(%error, "failed to leave a note about this failure");
        }
    }

    fn write(&self, text: &str) -> io::Result<()> {
        fs::write(&self.path, format!("{} {text}\n", jiff::Timestamp::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_once() {
        let directory = tempfile::tempdir().unwrap();
        let note = FailureNote::new(directory.path());
        assert_eq!(note.take(), None);
        note.leave("the disk is full");
        assert!(note.take().unwrap().ends_with("the disk is full"));
        assert_eq!(note.take(), None);
    }
}
