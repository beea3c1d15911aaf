//! placeholder

mod consensus;
mod shard;
mod store;
