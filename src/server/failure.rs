//! A fatal error of the engine: it ends the server, and is told on the next start.

use std::{fs, io, path::PathBuf, sync::Arc};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// Name of the note in the data directory.
const FILE: &str = "last-failure";

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
            Ok(()) => {}
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
        assert!(note.take().unwrap().ends_with("the disk is full"));
        assert_eq!(note.take(), None);
    }
}
