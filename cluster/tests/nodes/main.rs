//! Several nodes, each a process on a host of its own, between which links are cut and processes killed and frozen.
//!
//! Clients write down what they hear; when all is well again, a checker says whether one copy of each actor could have
//! answered so, and whether every durable message took effect once.
//!
//! The short form runs with the other tests, the long one by `script/chaos`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is a test, and the seed must be seen"
)]

mod bridge;
mod client;
mod field;
mod gateways;
mod history;
mod host;
mod lists;
mod nemesis;
mod process;
mod recovery;
mod slots;
mod suite;

/// Runs as a test so that the binary can start itself; without settings there is nothing to do.
#[test]
fn child() {
    process::run();
}
