//! Samples of what is stored, against the golden files.

use cluster::prelude::VirtualActor;

use super::{KEYS, PARKED, Tenant};
use crate::{golden::check_family, records::sample};

/// Guarantee 16.
#[test]
fn parked_ideas_are_readable() {
    check_family(Tenant::CLASS, &PARKED, &sample::parked_ideas());
    check_family(Tenant::CLASS, &KEYS, &["00000000000000000001-parked-1".to_owned()]);
}
