//! The vector index: LanceDB in a local directory.
//!
//! # Layout
//! `current.json` names the table in use and the embedder its vectors are of; the table is a Lance dataset beside it. Vectors
//! of different models cannot be compared, so an index is bound to one embedder: opened with another, all stored texts are
//! embedded anew into a second table, `current.json` is replaced atomically, and the first table is dropped. A crash at any
//! moment leaves either the old index or the new one in use, and the other is removed at the next start.
//!
//! Search is exact: rows are filtered by tenant and scope first, then compared one by one. Writes are serial, synced before
//! they are acknowledged, and the files they leave are compacted now and then.

mod config;
mod current;
mod index;
mod rebuild;
mod rows;
mod synced;

pub use config::VectorsConfig;
pub use index::LanceVectors;
