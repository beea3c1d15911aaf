//! Nodes that are killed, lose what they did not sync, and come back.
//!
//! A child process runs a node on a real disk under mixed traffic and says over a pipe what each client was told. The
//! parent kills it, makes a power loss of the kill, starts it again, and compares: what was acknowledged must be a
//! prefix of what is there, no durable message lost or doubled, no alarm forgotten, no deleted row back.
//!
//! The bounded form runs with the other tests, the long one by `script/crash`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "this is a test, and the seed must be seen"
)]

mod actors;
mod canary;
mod ledger;
mod machine;
mod process;
mod rounds;
mod told;

/// Runs as a test so that the binary can start itself; without a directory there is nothing to do.
#[test]
fn child() {
    process::run();
}
