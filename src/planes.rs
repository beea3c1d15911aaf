//! The adapters of the ports in `actors::ports`: everything that touches the world outside of the cluster.

pub mod data;
pub mod search;
