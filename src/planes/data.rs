//! The data plane's adapters: objects over `object_store`, vectors over LanceDB.
//!
//! Each keeps its files in one place, which is a directory of this node, a directory that several nodes share, or a bucket
//! (`store`), and answers to the contract of its port, which tests state once and run on every implementation.

mod directory;
mod objects;
mod store;
mod vectors;

#[cfg(test)]
mod contract;

pub use objects::{ObjectStorage, ObjectsConfig};
pub use store::{S3Config, StoreConfigError, StoreError, StoreKind};
pub use vectors::{LanceVectors, VectorsConfig};
