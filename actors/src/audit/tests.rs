//! The chain on a test cluster, and what tampering with it comes to.

mod chain;
mod export;
mod harness;
mod properties;
mod retention;
mod tampering;
