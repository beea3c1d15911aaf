//! The client of a bucket.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, RetryConfig};
use secrecy::ExposeSecret;
use uuid::Uuid;

use super::config::{Environment, S3Config};
use super::place::StoreError;

/// Most repetitions of a request, which `retry-seconds` bounds too.
const RETRIES_MAX: usize = 10;
/// Begins the names of what is written at the start to see that it can be.
const PROBE: &str = "foundation-probe-";

/// A bucket that is reached, and the part of it that is used.
#[derive(Clone)]
pub(in crate::planes::data) struct Bucket {
    /// Keys of the whole bucket.
    pub(in crate::planes::data) client: Arc<AmazonS3>,
    pub(in crate::planes::data) name: String,
    pub(in crate::planes::data) prefix: String,
    /// Where it is, in words.
    at: String,
    /// Section of the configuration.
    section: &'static str,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket")
            .field("name", &self.name)
            .field("prefix", &self.prefix)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

impl Bucket {
    /// Makes the client; nothing is sent yet.
    pub(super) fn new(
        config: &S3Config,
        environment: Environment<'_>,
        section: &'static str,
    ) -> Result<Self, StoreError> {
        let credentials = config.credentials(environment).map_err(|error| StoreError::Config {
            key: format!("{section}.{}", error.key),
            message: error.message,
        })?;
        let options = ClientOptions::new()
            .with_connect_timeout(Duration::from_secs(config.connect_seconds))
            .with_timeout(Duration::from_secs(config.request_seconds))
            // The configuration has decided already which endpoints may go without TLS.
            .with_allow_http(true);
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&config.bucket)
            .with_region(&config.region)
            .with_virtual_hosted_style_request(!config.path_style)
            .with_access_key_id(credentials.id.expose_secret())
            .with_secret_access_key(credentials.secret.expose_secret())
            .with_retry(RetryConfig {
                max_retries: RETRIES_MAX,
                retry_timeout: Duration::from_secs(config.retry_seconds),
                ..RetryConfig::default()
            })
            .with_client_options(options);
        if let Some(token) = &credentials.token {
            builder = builder.with_token(token.expose_secret());
        }
        let at = if config.endpoint.is_empty() {
            format!("region {}", config.region)
        } else {
            builder = builder.with_endpoint(config.endpoint.trim_end_matches('/'));
            config.endpoint.clone()
        };
        let unreachable = |error: object_store::Error| StoreError::Bucket {
            bucket: config.bucket.clone(),
            at: at.clone(),
            reason: error.to_string(),
            section,
        };
        let client = builder.build().map_err(unreachable)?;
        Ok(Self {
            client: Arc::new(client),
            name: config.bucket.clone(),
            prefix: config.prefix.clone(),
            at,
            section,
        })
    }

    /// Sees that the bucket is there, that it can be listed, written and cleared, and that it keeps a value which is written on
    /// the condition that there is none: the vector index would lose commits without that.
    pub(in crate::planes::data) async fn check(&self) -> Result<(), StoreError> {
        let failed = |reason: String| StoreError::Bucket {
            bucket: self.name.clone(),
            at: self.at.clone(),
            reason,
            section: self.section,
        };
        let prefix = Path::from(self.prefix.as_str());
        let listed = self.client.list(Some(&prefix)).try_next().await;
        listed.map_err(|error| failed(error.to_string()))?;
        let probe = prefix.join(format!("{PROBE}{}", Uuid::new_v4()));
        let put = || {
            let once = PutOptions::from(PutMode::Create);
            self.client.put_opts(&probe, Bytes::from_static(b"probe").into(), once)
        };
        put().await.map_err(|error| failed(error.to_string()))?;
        let again = put().await;
        let removed = self.client.delete(&probe).await;
        match again {
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {}
            Err(error) => return Err(failed(error.to_string())),
            Ok(_) => return Err(failed("it replaces what `If-None-Match: *` protects".to_owned())),
        }
        removed.map_err(|error| failed(error.to_string()))
    }
}
