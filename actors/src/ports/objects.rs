//! The object store: whole values under keys, checksummed.

use bytes::Bytes;
use futures_util::future::BoxFuture;

/// An object store. A written object is complete or absent, and reading one verifies its checksum.
pub trait Objects: Send + Sync + 'static {
    /// Writes an object, replacing one with the same key. Returns after it is durable.
    fn put(
        &self,
        key: String,
        content_type: &'static str,
        body: Bytes,
    ) -> BoxFuture<'static, Result<ObjectMeta, ObjectError>>;

    /// Reads an object and verifies it.
    fn get(&self, key: String) -> BoxFuture<'static, Result<(ObjectMeta, Bytes), ObjectError>>;

    /// Removes an object; removing an absent one succeeds.
    fn delete(&self, key: String) -> BoxFuture<'static, Result<(), ObjectError>>;

    /// Removes all objects whose keys begin with `folder` and a slash. Returns how many there were.
    fn delete_below(&self, folder: String) -> BoxFuture<'static, Result<u64, ObjectError>>;
}

/// What is stored beside an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Key of the object.
    pub key: String,
    /// Length in bytes.
    pub size: u64,
    /// MIME type.
    pub content_type: String,
    /// Lower-case hexadecimal SHA-256 of the body.
    pub sha256: String,
}

/// Why an object could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// There is no object with that key.
    #[error("there is no object {0}")]
    NotFound(String),
    /// The key is empty, too long, or has a segment that is empty, `.` or `..`.
    #[error("{0:?} is not an object key")]
    InvalidKey(String),
    /// The body read is not the body written.
    #[error("object {0} does not match its checksum")]
    Corrupt(String),
    /// The store could not be reached.
    #[error("the object store failed: {0}")]
    Failed(String),
}
