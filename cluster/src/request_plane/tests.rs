//! Planes on real sockets of this machine.

mod calls;
mod certificates;
mod fixture;
mod hellos;
mod latency;
mod proxy;
mod sessions;
mod strangers;
