//! Samples of what is stored, against the golden files.

use cluster::prelude::VirtualActor;

use super::{EVENTS, EventLog, LAST, PUBLISHED};
use crate::{
    golden::{check, check_family},
    records::sample,
};

/// Guarantee 16.
#[test]
fn stored_events_are_readable() {
    check_family(EventLog::CLASS, &EVENTS, &sample::events());
    check(EventLog::CLASS, &LAST, &[1, 70_000]);
    check(EventLog::CLASS, &PUBLISHED, &[0, 300]);
}
