//! Derive macros of the `cluster` crate.
