//! Samples of what is stored, against the golden files.

use std::collections::BTreeSet;

use cluster::prelude::{Uuid, VirtualActor};

use super::rows::{
    ALLOWED, CALLS, CHUNKS, CallState, Ended, MESSAGES, Outcome, SUMMARY, StoredCall, Summary, TURNS, Turn, Turns,
};
use crate::{
    agents::{AgentActor, AgentCaller},
    golden::{check, check_family},
};

fn caller() -> AgentCaller {
    AgentCaller {
        user: "ann".to_owned(),
        permissions: BTreeSet::from(["run:create".to_owned()]),
    }
}

/// Guarantee 16.
#[test]
fn stored_messages_and_chunks_are_readable() {
    let message = r#"{"id":"m1","role":"user","parts":[{"type":"text","text":"hi"}]}"#;
    check_family(AgentActor::CLASS, &MESSAGES, &[message.to_owned()]);
    let chunks = [r#"{"type":"start"}"#, r#"{"type":"finish"}"#].map(str::to_owned);
    check_family(AgentActor::CLASS, &CHUNKS, &[chunks.to_vec()]);
}

/// Guarantee 16.
#[test]
fn stored_turns_are_readable() {
    let turn = |call: Option<&str>| Turn {
        request: "r1".to_owned(),
        message: "msg-1".to_owned(),
        place: 7,
        caller: caller(),
        is_continuation: call.is_some(),
        attempt: 2,
        steps: 3,
        chunks: 40,
        call: call.map(str::to_owned),
    };
    let ended = |outcome, error: Option<&str>| Ended {
        request: "r0".to_owned(),
        place: 5,
        is_continuation: false,
        outcome,
        error: error.map(str::to_owned),
        forget: Uuid::from_u128(9),
    };
    let samples = [
        Turns::default(),
        Turns {
            running: Some(turn(Some("call-1"))),
            waiting: vec![turn(None)],
            last: Some(ended(Outcome::Completed, None)),
        },
        Turns {
            last: Some(ended(Outcome::Aborted, None)),
            ..Turns::default()
        },
        Turns {
            last: Some(ended(Outcome::Error, Some("no model"))),
            ..Turns::default()
        },
    ];
    check(AgentActor::CLASS, &TURNS, &samples);
}

/// Guarantee 16.
#[test]
fn stored_calls_are_readable() {
    let waiting = CallState::Waiting {
        approval: "approval-1".to_owned(),
        expiry: Uuid::from_u128(3),
    };
    let samples = [waiting, CallState::Ready { by: caller() }].map(|state| StoredCall {
        tool: "remind_me".to_owned(),
        input: r#"{"text":"tea","minutes":5}"#.to_owned(),
        place: 1,
        state,
    });
    check_family(AgentActor::CLASS, &CALLS, &samples);
}

/// Guarantee 16.
#[test]
fn stored_summaries_and_permissions_are_readable() {
    let summary = Summary {
        place: 12,
        text: "They spoke of tea.".to_owned(),
    };
    check(AgentActor::CLASS, &SUMMARY, &[summary]);
    let allowed = BTreeSet::from(["remind_me".to_owned()]);
    check(AgentActor::CLASS, &ALLOWED, &[BTreeSet::new(), allowed]);
}
