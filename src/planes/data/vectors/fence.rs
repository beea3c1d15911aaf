//! The fence: commits to a table are its present writer's alone.
//!
//! The table names its writer, a number, in its own manifest. A commit in Lance is a new manifest, made from the latest one and
//! put on the condition that there is none of its version. So the manifest that is about to be put shows who the writer was
//! when it was made, and if another writer takes over in between, the condition fails and it is made anew. This looks at it:
//! whoever is no longer named commits nothing, however long ago the work began. A writer takes over by naming itself in a
//! commit that follows directly the version in which it found a lesser number.
//!
//! Where files lie in a directory it also syncs them: what the manifest names before it is put, and the manifest after that.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use lance_core::Error;
use lance_io::object_store::ObjectStore;
use lance_table::format::{IndexMetadata, Manifest, Transaction};
use lance_table::io::commit::{
    CommitError, CommitHandler, ConditionalPutCommitHandler, ManifestLocation, ManifestNamingScheme, ManifestWriter,
};
use object_store::path::Path;
use parking_lot::Mutex;

use super::synced::Synced;

/// Key of the writer's number in the configuration of a table.
pub(super) const WRITER: &str = "foundation.writer";

/// Lets one writer commit, for as long as the table names it.
pub(super) struct Fence {
    writer: u64,
    /// The version in which it is to take over; 0 once it has.
    claims: AtomicU64,
    /// The writer that was found in its place.
    successor: AtomicU64,
    /// Directory of the table and what of it is on disk.
    files: Option<(PathBuf, Arc<Mutex<Synced>>)>,
}

impl fmt::Debug for Fence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fence")
            .field("writer", &self.writer)
            .finish_non_exhaustive()
    }
}

impl Fence {
    pub(super) fn new(writer: u64, files: Option<PathBuf>) -> Self {
        Self {
            writer,
            claims: AtomicU64::new(0),
            successor: AtomicU64::new(0),
            files: files.map(|files| (files, Arc::default())),
        }
    }

    /// Allows the commit that takes over, as this version and no other.
    pub(super) fn claim(&self, version: u64) {
        self.claims.store(version, Ordering::SeqCst);
    }

    /// The claim has succeeded.
    pub(super) fn claimed(&self) {
        self.claims.store(0, Ordering::SeqCst);
    }

    /// The writer that has taken over from this one, if a commit has found one.
    pub(super) fn successor(&self) -> Option<u64> {
        Some(self.successor.load(Ordering::SeqCst)).filter(|writer| *writer > 0)
    }

    fn check(&self, manifest: &Manifest) -> Result<(), CommitError> {
        let refused = |reason: String| CommitError::OtherError(Error::io(reason));
        let claims = self.claims.load(Ordering::SeqCst);
        if claims > 0 && claims != manifest.version {
            return Err(refused(format!("version {claims} was taken by another commit")));
        }
        let named = writer_of(manifest);
        if named != self.writer {
            self.successor.store(named, Ordering::SeqCst);
            return Err(refused(format!("writer {named} has taken over from {}", self.writer)));
        }
        Ok(())
    }

    async fn sync(&self) -> Result<(), CommitError> {
        let Some((directory, synced)) = self.files.clone() else {
            return Ok(());
        };
        let failed = |reason: String| CommitError::OtherError(Error::io(reason));
        let shown = directory.display().to_string();
        tokio::task::spawn_blocking(move || synced.lock().sync(&directory))
            .await
            .map_err(|error| failed(error.to_string()))?
            .map_err(|error| failed(format!("failed to sync {shown}: {error}")))
    }
}

/// The writer that a manifest names; 0 is none.
pub(super) fn writer_of(manifest: &Manifest) -> u64 {
    let named = manifest.config.get(WRITER).and_then(|number| number.parse().ok());
    named.unwrap_or_default()
}

#[async_trait]
impl CommitHandler for Fence {
    fn is_version_not_found_definitive(&self) -> bool {
        ConditionalPutCommitHandler.is_version_not_found_definitive()
    }

    fn propagate_commit_error_after_success(&self) -> bool {
        ConditionalPutCommitHandler.propagate_commit_error_after_success()
    }

    async fn commit(
        &self,
        manifest: &mut Manifest,
        indices: Option<Vec<IndexMetadata>>,
        base_path: &Path,
        object_store: &ObjectStore,
        manifest_writer: ManifestWriter,
        naming_scheme: ManifestNamingScheme,
        transaction: Option<Transaction>,
    ) -> Result<ManifestLocation, CommitError> {
        self.check(manifest)?;
        self.sync().await?;
        let location = ConditionalPutCommitHandler
            .commit(
                manifest,
                indices,
                base_path,
                object_store,
                manifest_writer,
                naming_scheme,
                transaction,
            )
            .await?;
        self.sync().await?;
        Ok(location)
    }
}
