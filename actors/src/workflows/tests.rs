//! What the engine does, on a cluster in memory with paused time.

mod control;
pub(crate) mod crash;
mod script;
mod steps;
mod timers;
