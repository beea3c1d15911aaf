//! Settings of the object store.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where objects are kept and how large one may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ObjectsConfig {
    /// Directory of the objects; a relative one lies below the data directory.
    pub path: PathBuf,
    /// Most bytes of one object's body.
    pub max_bytes: u64,
}

impl Default for ObjectsConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::from("objects"),
            max_bytes: 256 * 1024 * 1024,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_in_kebab_case() {
        let config: ObjectsConfig = toml::from_str("path = 'files'\nmax-bytes = 10").unwrap();
        assert_eq!((config.path.to_str(), config.max_bytes), (Some("files"), 10));
        assert_eq!(toml::from_str::<ObjectsConfig>("").unwrap(), ObjectsConfig::default());
        assert!(toml::from_str::<ObjectsConfig>("max_bytes = 10").is_err());
    }
}
