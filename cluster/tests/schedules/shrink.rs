//! Makes a failing schedule small.

use crate::{
    plan::Plan,
    run::{self, Outcome},
    world::Tracing,
};

/// Most runs that are spent on it.
const RUNS: usize = 400;

/// Leaves out events as long as the schedule still fails.
pub(crate) fn shrink(plan: &Plan) -> (Plan, Outcome) {
    let mut smallest = plan.clone();
    let mut outcome = run::run(plan, Tracing::Kept);
    let (mut runs, mut chunk) = (0, plan.events.len().div_ceil(2));
    while chunk > 0 && runs < RUNS {
        let mut from = 0;
        while from < smallest.events.len() && runs < RUNS {
            let mut keep = smallest.numbers();
            keep.drain(from..(from + chunk).min(keep.len()));
            let candidate = smallest.keep(&keep);
            let tried = run::run(&candidate, Tracing::Kept);
            runs += 1;
            if tried.violation.is_some() {
                (smallest, outcome) = (candidate, tried);
            } else {
                from += chunk;
            }
        }
        chunk /= 2;
    }
    (smallest, outcome)
}
