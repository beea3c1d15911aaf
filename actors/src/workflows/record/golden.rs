//! Samples of what is stored, against the golden files.

use cluster::prelude::Timestamp;

use super::{
    BufferedEvent, EVENTS, INSTANCE, Instance, OUTPUT, PARAMS, REQUEST, STEPS, Status, StepRecord, StepState, Timer,
};
use crate::golden::{check, check_family};

/// The records of the engine are the same in all classes of workflows.
const CLASS: &str = "run";

const STATUSES: [Status; 8] = [
    Status::Queued,
    Status::Running,
    Status::Paused,
    Status::Errored,
    Status::Terminated,
    Status::Complete,
    Status::Waiting,
    Status::WaitingForPause,
];

/// Guarantee 16.
#[test]
fn stored_instances_are_readable() {
    let at = Timestamp::from_millis(1_790_000_000_123);
    let instance = |(number, status): (u64, Status)| Instance {
        status,
        error: (number > 0).then(|| "an error".into()),
        created_at: at,
        steps: 300,
        paused_at: (number > 1).then_some(at),
        paused_ms: 70_000,
        events: number,
        cleanup: number % 2 == 1,
    };
    let instances: Vec<_> = (0..).zip(STATUSES).map(instance).collect();
    check(CLASS, &INSTANCE, &instances);

    let timer = Timer { at, paused_ms: 7 };
    let states = [
        StepState::Retrying {
            timer,
            message: "a fault".into(),
        },
        StepState::Sleeping { timer },
        StepState::Waiting { timer },
        StepState::Done {
            output: "{\"a\":1}".into(),
        },
        StepState::Failed {
            message: "a fault".into(),
        },
    ];
    let steps = states.map(|state| StepRecord { attempts: 3, state, at });
    check_family(CLASS, &STEPS, &steps);
    let event = BufferedEvent {
        event_type: "approval".into(),
        payload: "{}".into(),
    };
    check_family(CLASS, &EVENTS, &[event]);
    check(CLASS, &OUTPUT, &["\"Completed\"".to_owned(), "\"Killed\"".to_owned()]);
}

/// Guarantee 16.
#[test]
fn stored_parameters_are_readable() {
    let full = r#"{"tenant":"acme","run_id":"run-1","idea":"an idea","config":{"requireReview":true,"requireApproval":false},"origin":{"parked_idea_id":"parked-1","reason":"too early","refined_idea":"a refined idea","summary":"{}"}}"#;
    check(CLASS, &PARAMS, &[full.to_owned()]);
    check(CLASS, &REQUEST, &["0197f3c2-7d11-7a20-b5de-0c4d9a6a2f10".to_owned()]);
    let params: crate::workflows::planning::RunParams = serde_json::from_str(full).unwrap();
    assert_eq!(serde_json::to_string(&params).unwrap(), full);
}
