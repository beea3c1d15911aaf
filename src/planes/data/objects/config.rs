//! Settings of the object store.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::planes::data::store::{self, Environment, Place, S3Config, StoreConfigError, StoreError, StoreKind};

/// Where objects are kept and how large one may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ObjectsConfig {
    /// What kind of place they are kept in.
    pub store: StoreKind,
    /// Directory of the objects; a relative one lies below the data directory, a shared one is absolute.
    pub path: PathBuf,
    /// Most bytes of one object's body.
    pub max_bytes: u64,
    /// The bucket, where the store is one.
    pub s3: S3Config,
}

impl Default for ObjectsConfig {
    fn default() -> Self {
        Self {
            store: StoreKind::default(),
            path: PathBuf::from("objects"),
            max_bytes: 256 * 1024 * 1024,
            s3: S3Config::default(),
        }
    }
}

impl ObjectsConfig {
    /// Checks what the types cannot; names the key at fault within the section.
    ///
    /// # Errors
    /// The place cannot be used as it is configured.
    pub fn validate(&self, data: &Path) -> Result<(), StoreConfigError> {
        store::check(self.store, &self.path, &self.s3, data)
    }

    /// Where the objects are, in words.
    pub(crate) fn described(&self, data: &Path) -> String {
        match self.store {
            StoreKind::Directory | StoreKind::SharedDirectory => data.join(&self.path).display().to_string(),
            StoreKind::S3 => format!("s3://{}/{}", self.s3.bucket, self.s3.prefix),
        }
    }

    /// Where the objects are, to be opened.
    ///
    /// # Errors
    /// There is no access key for the bucket.
    pub(crate) fn place(&self, data: &Path, environment: Environment<'_>) -> Result<Place, StoreError> {
        Place::new("files", self.store, &self.path, &self.s3, data, environment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_in_kebab_case() {
        let config: ObjectsConfig =
            toml::from_str("store = 's3'\npath = 'files'\nmax-bytes = 10\ns3.bucket = 'plans'").unwrap();
        assert_eq!((config.path.to_str(), config.max_bytes), (Some("files"), 10));
        assert_eq!((config.store, config.s3.bucket.as_str()), (StoreKind::S3, "plans"));
        assert_eq!(toml::from_str::<ObjectsConfig>("").unwrap(), ObjectsConfig::default());
        assert!(toml::from_str::<ObjectsConfig>("max_bytes = 10").is_err());
        assert!(toml::from_str::<ObjectsConfig>("store = 'nfs'").is_err());
    }
}
