//! What a scripted endpoint says to a planning run: good answers, with the scores of each attempt's kill test given.
//!
//! Used by path: `#[path = "support/planner.rs"] mod planner;`.
#![allow(dead_code, reason = "each test binary uses another part of it")]
#![expect(clippy::unwrap_used, reason = "it is part of a test")]
#![expect(unreachable_pub, reason = "a test binary has no other module to reach it from")]

use actors::workflows::planning::{phase::PhaseId, sample};

/// Scores that mean GO.
pub const GO: [f64; 6] = [8.0; 6];
/// Scores that mean PIVOT.
pub const PIVOT: [f64; 6] = [8.0, 3.0, 8.0, 8.0, 8.0, 8.0];
/// Scores that mean KILL.
pub const KILL: [f64; 6] = [1.0; 6];

/// What a request is about, read from its idempotency key.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Pivots before it.
    pub attempt: usize,
    /// The phase.
    pub phase: PhaseId,
    /// `draft`, `review-1` or `tiebreak`.
    pub step: String,
    /// Which call of the step with this name, 1 for the first.
    pub occurrence: usize,
}

/// Reads an idempotency key.
pub fn asked(key: &str) -> Asked {
    let parts: Vec<&str> = key.split('/').collect();
    let [_class, _tenant, _run, attempt, phase, step, occurrence, _number, _call] = parts[..] else {
        panic!("{key} is not the key of a phase")
    };
    Asked {
        attempt: attempt.parse().unwrap(),
        phase: PhaseId::parse(phase).unwrap(),
        step: step.to_owned(),
        occurrence: occurrence.parse().unwrap(),
    }
}

/// A good answer; the kill test of each attempt has these scores, the last ones for all that follow.
pub fn answer(key: &str, scores: &[[f64; 6]]) -> String {
    let Asked {
        attempt,
        phase,
        step,
        occurrence,
    } = asked(key);
    let seed = 1 + attempt * 40 + phase.number() as usize + occurrence * 400;
    match (step.as_str(), phase) {
        ("draft", PhaseId::KillTest) => sample::kill_test(scores[attempt.min(scores.len() - 1)], seed),
        ("draft", phase) => sample::full(phase.phase(), seed),
        (_, phase) => sample::review(phase.phase(), 8.0, seed),
    }
    .to_string()
}
