#![doc = include_str!("../README.md")]

pub mod audit;
pub mod env;
pub mod events;
#[cfg(test)]
mod golden;
pub mod limiter;
pub mod metrics;
pub mod ports;
pub mod records;
pub mod run;
pub mod tenant;
pub mod vectors;
pub mod workflows;
