#![doc = include_str!("../README.md")]

pub mod env;
pub mod events;
pub mod metrics;
pub mod ports;
pub mod records;
pub mod run;
pub mod tenant;
pub mod workflows;
