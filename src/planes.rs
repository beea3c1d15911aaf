//! The planes: what meets the outside world. Each adapter implements a port trait of the `actors` crate.

pub mod ai;
pub mod communication;
pub mod data;
pub mod events;
pub mod observability;
pub mod passwords;
pub mod search;
pub mod ui;
