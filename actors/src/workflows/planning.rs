//! The planning run: 15 phases from an idea to a finished plan.

pub mod document;
pub mod package;
pub mod phase;
mod phases;
pub mod schema;
pub mod verdict;

pub use phases::opportunity;
