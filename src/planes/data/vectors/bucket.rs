//! Lance over the client that objects use.
//!
//! Lance's own support of S3 brings three more SDKs and reads the environment by itself. What it needs is a store, and that is
//! here already, with its bounds and its access key.

use async_trait::async_trait;
use lance_core::Result;
use lance_io::object_store::{
    DEFAULT_CLOUD_IO_PARALLELISM, DEFAULT_DOWNLOAD_RETRY_COUNT, ObjectStore, ObjectStoreParams, ObjectStoreProvider,
};
use url::Url;

use crate::planes::data::store::Bucket;

/// The scheme of addresses that lead here.
pub(super) const SCHEME: &str = "s3";

/// Answers every address of the scheme with one bucket.
#[derive(Debug)]
pub(super) struct BucketProvider(pub(super) Bucket);

impl BucketProvider {
    /// Address of a place in the bucket.
    pub(super) fn address(&self, place: &str) -> String {
        let Self(Bucket { name, prefix, .. }) = self;
        let slash = if prefix.is_empty() { "" } else { "/" };
        format!("{SCHEME}://{name}/{prefix}{slash}{place}")
    }
}

#[async_trait]
impl ObjectStoreProvider for BucketProvider {
    async fn new_store(&self, base_path: Url, params: &ObjectStoreParams) -> Result<ObjectStore> {
        Ok(ObjectStore::new(
            self.0.client.clone(),
            base_path,
            params.block_size,
            None,
            false,
            true,
            DEFAULT_CLOUD_IO_PARALLELISM,
            DEFAULT_DOWNLOAD_RETRY_COUNT,
            None,
        ))
    }
}
