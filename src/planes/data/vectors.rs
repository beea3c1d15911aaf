//! The vector index: LanceDB in a directory, a shared directory or a bucket.
//!
//! # Layout
//! `model-<digest>-<dimensions>/<tenant>.lance`: a Lance dataset for each tenant, below a directory for the embedding model,
//! because vectors of different models cannot be compared. Rows are derived from artifacts: with another model, or where they
//! were lost, the index actor of the tenant makes them again (`actors::vectors`).
//!
//! # Writers
//! One writer commits to a table, the index actor of the tenant; the [`fence`] keeps out one that was superseded, in the commit
//! itself. Writes of a process are serial, synced before they are acknowledged, and the files they leave are compacted now and
//! then.
//!
//! # Readers
//! Any node reads, and every query looks for the latest version first. Search is exact: rows are filtered by tenant and scope,
//! then compared one by one.

mod bucket;
mod config;
mod connection;
mod fence;
mod index;
mod rows;
mod synced;
mod table;

pub use config::VectorsConfig;
pub use index::LanceVectors;
