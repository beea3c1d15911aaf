//! The observability plane's adapters: the key with which the cluster signs its audit chains.

mod config;
mod key;

pub use config::AuditConfig;
pub use key::{ClusterKey, InvalidKey};
