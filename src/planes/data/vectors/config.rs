//! Settings of the vector index.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::planes::data::store::{self, Environment, Place, S3Config, StoreConfigError, StoreError, StoreKind};

/// Where vectors are kept and how the index is looked after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct VectorsConfig {
    /// What kind of place they are kept in.
    pub store: StoreKind,
    /// Directory of the index; a relative one lies below the data directory, a shared one is absolute.
    pub path: PathBuf,
    /// Most memory for what is known of the table's files, in bytes.
    pub cache_bytes: usize,
    /// Number of writes after which small files are merged and old versions removed.
    pub compact_after_writes: NonZeroU32,
    /// Longest time one such pass may take, in seconds; what it did not finish is left to the next one.
    pub compact_seconds: u64,
    /// How long a version stays readable for the queries that began on it, in seconds.
    pub keep_versions_seconds: u32,
    /// The bucket, where the store is one.
    pub s3: S3Config,
}

impl VectorsConfig {
    /// Checks what the types cannot; names the key at fault within the section.
    ///
    /// # Errors
    /// The place cannot be used as it is configured.
    pub fn validate(&self, data: &Path) -> Result<(), StoreConfigError> {
        store::check(self.store, &self.path, &self.s3, data)
    }

    /// Where the index is.
    ///
    /// # Errors
    /// There is no access key for the bucket.
    pub(crate) fn place(&self, data: &Path, environment: Environment<'_>) -> Result<Place, StoreError> {
        Place::new("vector-index", self.store, &self.path, &self.s3, data, environment)
    }
}

impl Default for VectorsConfig {
    fn default() -> Self {
        Self {
            store: StoreKind::default(),
            path: PathBuf::from("vectors"),
            cache_bytes: 128 * 1024 * 1024,
            compact_after_writes: NonZeroU32::new(64).expect("64 is not zero"),
            compact_seconds: 60,
            keep_versions_seconds: 600,
            s3: S3Config::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_in_kebab_case() {
        let text =
            "path = 'index'\ncache-bytes = 1\ncompact-after-writes = 2\ncompact-seconds = 3\nkeep-versions-seconds = 4";
        let config: VectorsConfig = toml::from_str(text).unwrap();
        assert_eq!((config.cache_bytes, config.compact_after_writes.get()), (1, 2));
        assert_eq!(toml::from_str::<VectorsConfig>("").unwrap(), VectorsConfig::default());
        assert!(toml::from_str::<VectorsConfig>("compact-after-writes = 0").is_err());
        assert!(
            toml::from_str::<VectorsConfig>("writes = 1")
                .unwrap_err()
                .to_string()
                .contains("writes")
        );
    }
}
