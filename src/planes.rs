//! The planes: what meets the outside world. Each implements port traits of the `actors` crate.

pub mod ai;
