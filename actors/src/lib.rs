#![doc = include_str!("../README.md")]

pub mod account;
pub mod agents;
pub mod api_key;
pub mod audit;
pub mod email;
pub mod env;
pub mod events;
#[cfg(test)]
mod golden;
pub mod identity;
pub mod limiter;
pub mod line;
pub mod mcp_session;
pub mod membership;
pub mod metrics;
pub mod ports;
pub mod records;
pub mod role;
pub mod run;
#[cfg(test)]
mod scene;
pub mod secret;
pub mod session;
pub mod tenant;
pub mod user;
pub mod vectors;
pub mod workflows;

pub use role::SYSTEM_TENANT;
