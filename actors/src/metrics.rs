//! Names of the domain's metrics. Labels are bounded: class of the workflow and outcome, never the name of a step.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

/// Attempts of steps that ended, by workflow and outcome: `ok`, `retryable` (it is tried again if it has retries left),
/// `failed` (for good), `interrupted` (the execution ended before the attempt).
pub const STEP_ATTEMPTS: &str = "foundation_workflow_step_attempts_total";

/// Time of one attempt, by workflow, in seconds.
pub const STEP_ATTEMPT_TIME: &str = "foundation_workflow_step_attempt_seconds";

/// Says what the metrics are; to be called once there is somebody to hear it.
pub fn describe() {
    describe_counter!(
        STEP_ATTEMPTS,
        Unit::Count,
        "Attempts of workflow steps that ended, by workflow and outcome"
    );
    describe_histogram!(
        STEP_ATTEMPT_TIME,
        Unit::Seconds,
        "Time of one attempt of a workflow step, by workflow"
    );
}

/// Counts an attempt.
pub(crate) fn attempt(workflow: &'static str, outcome: &'static str, duration: Duration) {
    counter!(STEP_ATTEMPTS, "workflow" => workflow, "outcome" => outcome).increment(1);
    histogram!(STEP_ATTEMPT_TIME, "workflow" => workflow).record(duration);
}
