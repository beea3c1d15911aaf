//! What is stored of a chat.

use std::collections::BTreeSet;

use cluster::prelude::{Key, Keys, Uuid};
use serde::{Deserialize, Serialize};

use crate::agents::AgentCaller;

/// Messages as JSON, by their places.
pub(super) const MESSAGES: Keys<String> = Keys::new("chat/messages/");
/// What is being answered, waits for it, and was answered last.
pub(super) const TURNS: Key<Turns> = Key::new("chat/turns");
/// What was said in the present or the last answer: chunks, by the number of the first one.
pub(super) const CHUNKS: Keys<Vec<String>> = Keys::new("chat/chunks/");
/// Calls of tools that have no result yet, by their ids.
pub(super) const CALLS: Keys<StoredCall> = Keys::new("chat/calls/");
/// What was said long ago.
pub(super) const SUMMARY: Key<Summary> = Key::new("chat/summary");
/// The tools that the person lets go without being asked.
pub(super) const ALLOWED: Key<BTreeSet<String>> = Key::new("chat/allowed");

/// The suffix of a number, such that keys are ordered as numbers are.
pub(super) fn suffix(number: u64) -> String {
    format!("{number:020}")
}

/// Who is answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Turns {
    pub(super) running: Option<Turn>,
    /// In order.
    pub(super) waiting: Vec<Turn>,
    pub(super) last: Option<Ended>,
}

/// A request and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Turn {
    /// Id of the request.
    pub(super) request: String,
    /// Id of the message that answers.
    pub(super) message: String,
    /// Place of that message.
    pub(super) place: u64,
    /// Who asks.
    pub(super) caller: AgentCaller,
    /// Whether the client did not ask for it by a request: a decision about a tool has begun it.
    pub(super) is_continuation: bool,
    /// Attempts so far, the present one included.
    pub(super) attempt: u32,
    /// Steps so far.
    pub(super) steps: u32,
    /// Chunks of what is finished: another attempt begins behind them.
    pub(super) chunks: u64,
    /// The call of a tool that is being made.
    pub(super) call: Option<String>,
}

/// An answer that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) request: String,
    /// Place of the message that answers.
    pub(super) place: u64,
    pub(super) is_continuation: bool,
    pub(super) outcome: Outcome,
    /// What went wrong.
    pub(super) error: Option<String>,
    /// The schedule that forgets it.
    pub(super) forget: Uuid,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Outcome {
    Completed,
    Aborted,
    Error,
}

impl Outcome {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Aborted => "aborted",
            Self::Error => "error",
        }
    }
}

/// A call of a tool that has no result yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoredCall {
    pub(super) tool: String,
    /// JSON.
    pub(super) input: String,
    /// Place of the message that it is a part of.
    pub(super) place: u64,
    pub(super) state: CallState,
}

/// Whether a call may be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum CallState {
    /// It waits for the person, until the schedule `expiry`.
    Waiting { approval: String, expiry: Uuid },
    /// It is made on behalf of `by`.
    Ready { by: AgentCaller },
}

/// What was said up to a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Summary {
    /// The last place that it covers.
    pub(super) place: u64,
    pub(super) text: String,
}
