//! The foundation server as a library.

pub mod planes;
