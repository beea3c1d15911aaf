//! A place as it is opened.

use std::path::{Path, PathBuf};

use super::config::{Environment, S3Config, StoreKind};
use super::s3::Bucket;

/// Where something lies.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// A directory of the file system.
    Directory {
        /// The directory.
        path: PathBuf,
        /// Whether other nodes use it too.
        is_shared: bool,
    },
    /// A part of a bucket.
    #[expect(private_interfaces, reason = "only the data plane looks inside")]
    Bucket(Bucket),
}

impl Place {
    /// The place of a section. A relative path lies below the data directory. Nothing is read or written yet.
    ///
    /// # Errors
    /// There is no access key for the bucket.
    pub(crate) fn new(
        section: &'static str,
        kind: StoreKind,
        path: &Path,
        s3: &S3Config,
        data: &Path,
        environment: Environment<'_>,
    ) -> Result<Self, StoreError> {
        match kind {
            StoreKind::Directory | StoreKind::SharedDirectory => Ok(Self::Directory {
                path: data.join(path),
                is_shared: kind.is_shared(),
            }),
            StoreKind::S3 => Bucket::new(s3, environment, section).map(Self::Bucket),
        }
    }
}

/// Why a place cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The configuration lacks something.
    #[error("`{key}`: {message}")]
    Config {
        /// The key.
        key: String,
        /// What is missing.
        message: String,
    },
    /// The bucket does not do what is needed.
    #[error(
        "failed to use the bucket {bucket} at {at}: {reason}; look at `{section}.s3` (bucket, endpoint, region, path-style) and \
         at what its access key may do: list, read, write and delete"
    )]
    Bucket {
        /// Name of the bucket.
        bucket: String,
        /// Where it was looked for.
        at: String,
        /// What went wrong.
        reason: String,
        /// Section of the configuration.
        section: &'static str,
    },
}
