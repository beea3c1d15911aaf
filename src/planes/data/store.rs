//! Where objects and vectors lie: a directory of this node, a directory that several nodes share, or a bucket.

mod config;
mod place;
mod s3;

pub(crate) use config::Environment;
pub(super) use config::check;
pub use config::{S3Config, StoreConfigError, StoreKind};
pub(crate) use place::Place;
pub use place::StoreError;
pub(super) use s3::Bucket;

#[cfg(test)]
#[path = "../../../tests/support/s3.rs"]
pub(super) mod server;
#[cfg(test)]
pub(super) mod tests;
