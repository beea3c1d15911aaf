//! Samples of what is stored, against the golden files.

use std::collections::BTreeSet;

use cluster::prelude::{Timestamp, VirtualActor};

use super::{
    rows::{Status, StoredTask, TASKS},
    view::Failure,
};
use crate::{
    agents::{AgentActor, AgentCaller},
    golden::check_family,
};

/// Guarantee 16.
#[test]
fn stored_tasks_are_readable() {
    let at = Timestamp::from_millis(1_790_000_000_001);
    let task = |status, error: Option<Failure>, result: Option<&str>| StoredTask {
        job: r#"{"do":"notify","member":"bob","text":"tea"}"#.to_owned(),
        key: error.is_none().then(|| "once".to_owned()),
        by: AgentCaller {
            user: "ann".to_owned(),
            permissions: BTreeSet::from(["agent:use".to_owned()]),
        },
        depth: 1,
        enqueued: at,
        status,
        due: at,
        attempts: 2,
        generation: 3,
        error,
        result: result.map(str::to_owned),
    };
    let failure = Failure {
        code: "member.unknown".to_owned(),
        message: "there is no such member".to_owned(),
    };
    let samples = [
        task(Status::Waiting, None, None),
        task(Status::Running, None, None),
        task(Status::Done, None, Some(r#"{"notified":"bob"}"#)),
        task(Status::Failed, Some(failure), None),
        task(Status::Cancelled, None, None),
    ];
    check_family(AgentActor::CLASS, &TASKS, &samples);
}
