//! What a cluster of several nodes needs of the places of files and vectors.

use super::Config;

/// Files or vectors lie where only one node can reach them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a cluster of several nodes cannot keep {what} in a directory of one of them: set {keys} to \"s3\" and name a bucket, or to \
     \"shared-directory\" and `path` beside it to a directory that every node has mounted"
)]
pub struct NotShared {
    what: &'static str,
    keys: &'static str,
}

impl Config {
    /// Refuses places that only one node can use. This is the one place that decides: whoever starts a node asks it if the node
    /// is configured to join others, or finds that the cluster has others.
    ///
    /// # Errors
    /// Says which keys to set.
    pub fn check_shared(&self) -> Result<(), NotShared> {
        let (what, keys) = match (self.files.store.is_shared(), self.vector_index.store.is_shared()) {
            (true, true) => return Ok(()),
            (false, true) => ("files", "`files.store`"),
            (true, false) => ("vectors", "`vector-index.store`"),
            (false, false) => ("files and vectors", "`files.store` and `vector-index.store`"),
        };
        Err(NotShared { what, keys })
    }

    /// Checks the places themselves; names the key at fault.
    pub(super) fn check_stores(&self) -> Result<(), (String, String)> {
        let data = &self.db.path;
        for (section, checked) in [
            ("files", self.files.validate(data)),
            ("vector-index", self.vector_index.validate(data)),
        ] {
            checked.map_err(|error| (format!("{section}.{}", error.key), error.message))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ConfigError, Layers, load};
    use super::*;

    fn with(flags: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        load(&Layers {
            flags: flags.iter().map(own).collect(),
            ..Layers::default()
        })
    }

    #[test]
    fn several_nodes_need_shared_files_and_shared_vectors() {
        let files = [
            ("files.path", "/mnt/shared/objects"),
            ("files.store", "shared-directory"),
        ];
        let vectors = [("vector-index.s3.bucket", "plans"), ("vector-index.store", "s3")];
        let refused = |flags: &[(&str, &str)]| with(flags).unwrap().check_shared().unwrap_err().to_string();

        let neither = refused(&[]);
        assert!(neither.contains("`files.store` and `vector-index.store`"), "{neither}");
        assert!(
            neither.contains("\"shared-directory\""),
            "it says what to set: {neither}"
        );
        assert!(refused(&files).contains("keep vectors in"));
        assert!(refused(&vectors).contains("keep files in"));
        let both = [files.as_slice(), vectors.as_slice()].concat();
        assert_eq!(with(&both).unwrap().check_shared(), Ok(()));
    }

    #[test]
    fn a_wrong_place_is_named_with_its_section() {
        let key = |flags: &[(&str, &str)]| with(flags).unwrap_err().key().map(str::to_owned);
        assert_eq!(key(&[("files.store", "s3")]).as_deref(), Some("files.s3.bucket"));
        assert_eq!(
            key(&[("vector-index.store", "shared-directory")]).as_deref(),
            Some("vector-index.path")
        );
        assert_eq!(key(&[("files.store", "nfs")]).as_deref(), Some("files.store"));
    }
}
