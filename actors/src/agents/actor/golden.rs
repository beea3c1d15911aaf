//! Samples of what is stored, against the golden files.

use std::time::Duration;

use cluster::prelude::{Timestamp, Uuid, VirtualActor};

use super::AgentActor;
use crate::{
    agents::{
        Schedule, When,
        rows::{QUEUE, QueuedCall, SCHEDULES, STATE, StoredSchedule},
    },
    golden::{check, check_family},
};

const AT: Timestamp = Timestamp::from_millis(1_790_000_000_001);

/// Guarantee 16.
#[test]
fn stored_states_are_readable() {
    check(
        AgentActor::CLASS,
        &STATE,
        &["null".to_owned(), r#"{"count":1}"#.to_owned()],
    );
}

/// Guarantee 16.
#[test]
fn stored_schedules_are_readable() {
    let whens = [
        When::In(Duration::from_millis(1500)),
        When::At(AT),
        When::Every(Duration::from_secs(60)),
        When::Cron("0 9 * * 1-5".to_owned()),
    ];
    let samples = (0_u32..).zip(whens).map(|(failures, when)| StoredSchedule {
        schedule: Schedule {
            id: Uuid::from_u128(7),
            method: "remind".to_owned(),
            args: r#"{"text":"tea"}"#.to_owned(),
            when,
            due: AT,
        },
        failures,
    });
    check_family(AgentActor::CLASS, &SCHEDULES, &samples.collect::<Vec<_>>());
}

/// Guarantee 16.
#[test]
fn stored_queues_are_readable() {
    let call = QueuedCall {
        method: "work".to_owned(),
        args: "[1]".to_owned(),
        due: AT,
        failures: 2,
    };
    check_family(AgentActor::CLASS, &QUEUE, &[call]);
}
