//! The named limits of a workflow instance. Each has an error with a stable code.

use std::time::Duration;

use cluster::prelude::{ActorError, Result};

/// Longest step name, in characters.
pub const STEP_NAME_CHARS: usize = 256;
/// Longest stored output of a step, in bytes of JSON.
pub const STEP_OUTPUT_BYTES: usize = 1024 * 1024;
/// Longest output of a whole run, in bytes of JSON.
pub const OUTPUT_BYTES: usize = 1024 * 1024;
/// Longest parameters of an instance, in bytes of JSON.
pub const PARAMS_BYTES: usize = 1024 * 1024;
/// Longest payload of an event, in bytes of JSON.
pub const EVENT_BYTES: usize = 1024 * 1024;
/// Longest type of an event, in characters.
pub const EVENT_TYPE_CHARS: usize = 100;
/// Most events that wait for somebody to wait for them.
pub const BUFFERED_EVENTS: usize = 100;
/// Most steps of an instance. Sleeps and waits do not count.
pub const STEPS: u32 = 1024;
/// Longest sleep, and longest wait for an event.
pub const SLEEP: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Checks the name of a step.
pub(super) fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.chars().count() > STEP_NAME_CHARS || name.chars().any(char::is_control) {
        return Err(ActorError::invalid(
            "workflow.step-name",
            format!("a step name has 1 to {STEP_NAME_CHARS} characters and no control characters"),
        ));
    }
    Ok(())
}

/// Checks the type of an event.
pub(super) fn check_event_type(event_type: &str) -> Result<()> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if event_type.is_empty() || event_type.len() > EVENT_TYPE_CHARS || !event_type.chars().all(legal) {
        return Err(ActorError::invalid(
            "workflow.event-type",
            format!("an event type has 1 to {EVENT_TYPE_CHARS} letters, digits, dots, dashes or underscores"),
        ));
    }
    Ok(())
}

/// Checks how long a step wants to sleep or wait.
pub(super) fn check_sleep(duration: Duration) -> Result<()> {
    if duration > SLEEP {
        return Err(ActorError::invalid("workflow.sleep", "a sleep is at most 365 days"));
    }
    Ok(())
}

/// Checks the length of a JSON text; `what` names it in the error.
pub(super) fn check_bytes(what: &str, text: &str, most: usize) -> Result<()> {
    if text.len() > most {
        return Err(ActorError::too_large(
            "workflow.too-large",
            format!("the {what} has {} bytes, the limit is {most}", text.len()),
        ));
    }
    Ok(())
}

/// The error of an instance that begins one step too many.
pub(super) fn too_many_steps() -> String {
    format!("the limit of {STEPS} steps has been reached")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_name_has_up_to_256_characters_and_no_control_characters() {
        assert!(check_name(&"é".repeat(256)).is_ok());
        assert!(check_name(&"a".repeat(257)).is_err());
        assert!(check_name("").is_err());
        assert!(check_name("a\nb").is_err());
        assert!(check_name("phase 1 / draft: #2").is_ok());
    }

    #[test]
    fn a_sleep_is_at_most_365_days() {
        assert!(check_sleep(SLEEP).is_ok());
        assert!(check_sleep(SLEEP + Duration::from_millis(1)).is_err());
    }

    #[test]
    fn a_step_output_of_one_mebibyte_fits_and_one_byte_more_does_not() {
        assert!(check_bytes("output", &"a".repeat(STEP_OUTPUT_BYTES), STEP_OUTPUT_BYTES).is_ok());
        let error = check_bytes("output", &"a".repeat(STEP_OUTPUT_BYTES + 1), STEP_OUTPUT_BYTES).unwrap_err();
        assert_eq!(error.code(), "workflow.too-large");
    }

    #[test]
    fn the_step_limit_has_a_stable_text() {
        assert_eq!(too_many_steps(), "the limit of 1024 steps has been reached");
    }
}
