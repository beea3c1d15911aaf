//! A fatal error of the engine: it ends the server, and is told on the next start.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// Name of the note in the data directory.
const FILE: &str = "last-failure";

/// Room for a note, taken while there is some: a full disk is one of the things a note is about.
const ROOM: usize = 4096;

/// Carries the first fatal error of the engine to the server. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub(super) struct Fault {
    reason: Arc<Mutex<Option<String>>>,
    happened: CancellationToken,
}

impl Fault {
    /// Reports a fatal error; the first one counts.
    pub(super) fn report(&self, reason: &str) {
        self.reason.lock().get_or_insert_with(|| reason.to_owned());
        self.happened.cancel();
    }

    /// Waits for a fatal error.
    pub(super) async fn happened(&self) -> String {
        self.happened.cancelled().await;
        self.reason.lock().clone().unwrap_or_default()
    }
}

/// The space that is left for a directory, in words.
pub(crate) fn space_left(directory: &Path) -> String {
    match rustix::fs::statvfs(directory) {
        Ok(space) => {
            let free = space.f_bavail.saturating_mul(space.f_frsize) / (1024 * 1024);
            format!("{free} MiB are free in {}", directory.display())
        }
        Err(error) => format!("the free space in {} is unknown: {error}", directory.display()),
    }
}

/// The note about a fatal error.
#[derive(Debug)]
pub(crate) struct FailureNote {
    path: PathBuf,
}

impl FailureNote {
    /// The note of a data directory.
    pub(crate) fn new(data: &Path) -> Self {
        Self { path: data.join(FILE) }
    }

    /// Reads the note of the last run, if there is one.
    pub(crate) fn read(&self) -> Option<String> {
        let mut text = Vec::new();
        File::open(&self.path)
            .ok()?
            .take(ROOM as u64)
            .read_to_end(&mut text)
            .ok()?;
        let text = String::from_utf8_lossy(&text).trim().to_owned();
        (!text.is_empty()).then_some(text)
    }

    /// Takes the note of the last run, if there is one, and makes room for another.
    pub(super) fn take(&self) -> Option<String> {
        let text = self.read();
        if let Err(error) = self.write(&[]) {
            tracing::warn!(%error, "failed to make room for a note about a failure");
        }
        text
    }

    /// Leaves a note. The disk may be what failed, so this is only tried.
    pub(super) fn leave(&self, text: &str) {
        let text = format!("{} {text}", jiff::Timestamp::now());
        if let Err(error) = self.write(text.as_bytes()) {
            tracing::warn!(%error, "failed to leave a note about this failure");
        }
    }

    /// Overwrites the room with a text and spaces; no other space is needed where it was taken before.
    fn write(&self, text: &[u8]) -> io::Result<()> {
        let mut note = text[..text.len().min(ROOM)].to_vec();
        note.resize(ROOM, b' ');
        // Never truncated: what a full disk takes back it does not give again.
        let file = fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&self.path);
        let mut file = file?;
        file.write_all(&note)?;
        file.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_fault_is_the_one_that_counts() {
        let fault = Fault::default();
        let shared = fault.clone();
        shared.report("the disk is full");
        shared.report("nothing can be written");
        assert_eq!(fault.happened().await, "the disk is full");
    }

    #[test]
    fn a_failure_is_told_once() {
        let directory = tempfile::tempdir().unwrap();
        let note = FailureNote::new(directory.path());
        assert_eq!(note.take(), None);
        note.leave("the disk is full");
        assert!(note.read().unwrap().ends_with("the disk is full"));
        assert!(note.take().unwrap().ends_with("the disk is full"));
        assert_eq!((note.read(), note.take()), (None, None));
    }

    #[test]
    fn a_note_needs_no_space_that_was_not_taken_before() {
        let directory = tempfile::tempdir().unwrap();
        let note = FailureNote::new(directory.path());
        note.take();
        let before = fs::metadata(&note.path).unwrap().len();
        note.leave("short");
        note.leave(&"long ".repeat(10_000));
        assert_eq!(fs::metadata(&note.path).unwrap().len(), before);
    }

    #[test]
    fn the_space_left_names_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        let text = space_left(directory.path());
        assert!(
            text.contains("MiB are free in") && text.contains(directory.path().to_str().unwrap()),
            "{text}"
        );
    }
}
