//! The data plane's adapters: objects over `object_store`, vectors over LanceDB.
//!
//! Each keeps its files in one directory below the data directory and answers to the contract of its port, which
//! tests state once and run on every implementation.

mod directory;
mod objects;
mod vectors;

#[cfg(test)]
mod contract;

pub use objects::{ObjectStorage, ObjectsConfig};
pub use vectors::{LanceVectors, VectorsConfig};
