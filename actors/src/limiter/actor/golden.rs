//! Samples of what is stored, against the golden files.

use cluster::prelude::VirtualActor;

use super::{CONFIG, Config, Limiter};
use crate::golden::check;

/// Guarantee 16.
#[test]
fn stored_configurations_are_readable() {
    let whole = Config {
        window_ms: Some(60_000),
        max_requests: Some(7),
    };
    check(Limiter::CLASS, &CONFIG, &[Config::default(), whole]);
}
