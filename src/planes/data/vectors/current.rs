//! Which table is in use, and which embedder its vectors are of.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use actors::ports::{EmbedderInfo, VectorError};
use serde::{Deserialize, Serialize};

use super::synced::Synced;

/// Name of the record in the directory of the index.
const RECORD: &str = "current.json";
/// The only format there has been.
const FORMAT: u32 = 1;
/// Begins the name of every table; what follows is a number that grows with each rebuild.
const TABLE_PREFIX: &str = "artifacts-";

/// The record that makes a table the one in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Current {
    format: u32,
    generation: u64,
    model: String,
    dimensions: usize,
}

impl Current {
    /// The first table of an index.
    pub(super) fn first(embedder: EmbedderInfo) -> Self {
        Self {
            format: FORMAT,
            generation: 1,
            model: embedder.model,
            dimensions: embedder.dimensions,
        }
    }

    /// The table after this one, for another embedder.
    pub(super) fn next(&self, embedder: EmbedderInfo) -> Self {
        Self {
            generation: self.generation + 1,
            ..Self::first(embedder)
        }
    }

    /// Name of the table.
    pub(super) fn table(&self) -> String {
        format!("{TABLE_PREFIX}{}", self.generation)
    }

    /// The embedder whose vectors the table has.
    pub(super) fn embedder(&self) -> EmbedderInfo {
        EmbedderInfo {
            model: self.model.clone(),
            dimensions: self.dimensions,
        }
    }

    /// Reads the record of an index, if it has one.
    pub(super) fn read(directory: &Path) -> Result<Option<Self>, VectorError> {
        let path = directory.join(RECORD);
        let failed = |reason: String| VectorError::Failed(format!("failed to read {}: {reason}", path.display()));
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error.to_string())),
        };
        let current: Self = serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))?;
        if current.format != FORMAT {
            return Err(failed(format!(
                "format {} is not known to this version, which writes {FORMAT}",
                current.format
            )));
        }
        Ok(Some(current))
    }

    /// Makes this table the one in use, after all that is in the directory is on disk.
    pub(super) async fn adopt(&self, directory: &Path) -> Result<(), VectorError> {
        let (current, directory) = (self.clone(), directory.to_owned());
        let adopting = move || {
            Synced::default()
                .sync(&directory)
                .map_err(|error| VectorError::Failed(format!("failed to sync {}: {error}", directory.display())))?;
            current.write(&directory)
        };
        tokio::task::spawn_blocking(adopting)
            .await
            .unwrap_or_else(|error| Err(VectorError::Failed(error.to_string())))
    }

    /// Replaces the record: atomically, and durably once it returns.
    fn write(&self, directory: &Path) -> Result<(), VectorError> {
        let replace = || -> io::Result<()> {
            let staged = directory.join("current.json.new");
            let mut file = File::create(&staged)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_all()?;
            fs::rename(&staged, directory.join(RECORD))?;
            File::open(directory)?.sync_all()
        };
        replace().map_err(|error| {
            VectorError::Failed(format!("failed to write {RECORD} in {}: {error}", directory.display()))
        })
    }
}

/// Tells whether a table is one of ours.
pub(super) fn is_generation(table: &str) -> bool {
    table
        .strip_prefix(TABLE_PREFIX)
        .is_some_and(|number| number.parse::<u64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embedder(model: &str) -> EmbedderInfo {
        EmbedderInfo {
            model: model.into(),
            dimensions: 4,
        }
    }

    #[test]
    fn the_record_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(Current::read(directory.path()), Ok(None));
        let first = Current::first(embedder("one"));
        first.write(directory.path()).unwrap();
        assert_eq!(Current::read(directory.path()), Ok(Some(first.clone())));
        let next = first.next(embedder("two"));
        next.write(directory.path()).unwrap();
        assert_eq!(Current::read(directory.path()), Ok(Some(next.clone())));
        assert_eq!(
            (first.table(), next.table()),
            ("artifacts-1".into(), "artifacts-2".into())
        );
        assert_eq!(next.embedder(), embedder("two"));
    }

    #[test]
    fn a_record_of_another_format_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let newer = Current {
            format: 2,
            ..Current::first(embedder("one"))
        };
        newer.write(directory.path()).unwrap();
        let error = Current::read(directory.path()).unwrap_err().to_string();
        assert!(error.contains("format 2 is not known"), "{error}");
    }

    #[test]
    fn only_our_tables_are_recognised() {
        assert!(is_generation("artifacts-12"));
        assert!(!is_generation("artifacts-"));
        assert!(!is_generation("artifacts-new"));
        assert!(!is_generation("other-1"));
    }
}
