//! Forms that come back with what was typed and what is wrong with it.

use actix_web::http::StatusCode;

use super::shell::sentence;
use crate::{gateway::error::Problem, planes::ui::FormState};

/// What a form shows again that was refused, and the status of the page.
///
/// # Errors
///
/// Fails with a problem that is not the person's to mend in the form.
pub(super) fn refused(
    problem: Problem,
    typed: impl IntoIterator<Item = (&'static str, String)>,
) -> Result<(StatusCode, FormState), Problem> {
    let status = problem.status();
    let is_theirs = matches!(
        status,
        StatusCode::BAD_REQUEST
            | StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::NOT_FOUND
            | StatusCode::CONFLICT
            | StatusCode::UNPROCESSABLE_ENTITY
            | StatusCode::TOO_MANY_REQUESTS
    );
    if !is_theirs || problem.code() == "auth.origin" {
        return Err(problem);
    }
    let mut state = FormState::of(typed);
    for error in problem.errors() {
        let name = error.pointer.trim_start_matches('/').to_owned();
        state.errors.entry(name).or_insert_with(|| sentence(&error.detail));
    }
    if state.errors.is_empty() {
        state.error = Some(sentence(problem.detail()));
    }
    Ok((status, state))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::error::FieldError;

    #[test]
    fn what_is_wrong_stands_beside_its_field() {
        let problem = Problem::unprocessable("body.invalid", "the body does not fit").with_errors(vec![FieldError {
            pointer: "/email".to_owned(),
            detail: "is required".to_owned(),
        }]);
        let (status, state) = refused(problem, [("name", "Ann".to_owned())]).unwrap();
        assert_eq!((status.as_u16(), state.error), (422, None));
        assert_eq!(state.errors["email"], "Is required.");
        assert_eq!(state.values["name"], "Ann");
        let (_, state) = refused(Problem::unauthorized("auth.refused", "the password is wrong"), []).unwrap();
        assert_eq!(state.error.as_deref(), Some("The password is wrong."));
        assert!(refused(Problem::internal(), []).is_err());
    }
}
