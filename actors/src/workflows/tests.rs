//! What the engine does, on a cluster in memory with paused time.

mod control;
mod crash;
mod script;
mod steps;
mod timers;
