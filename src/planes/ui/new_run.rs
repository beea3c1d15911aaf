//! The form that starts a run: a dialog on the board, and a page of its own where there is no script.

use askama::Template;

use super::shell::{Shell, page};

/// What the form holds. After a refusal it is filled with what was typed, so that nothing is lost.
#[derive(Debug, Clone, Default)]
pub struct NewRunView {
    /// Field `idea`.
    pub idea: String,
    /// Field `requireReview`.
    pub require_review: bool,
    /// Field `requireApproval`.
    pub require_approval: bool,
    /// Why it was refused, as a sentence.
    pub error: Option<String>,
    /// Hidden field `key`: the `Idempotency-Key` of this form, so that pressing twice starts one run.
    pub key: String,
    /// Most characters an idea may have; 0 leaves it to the server.
    pub idea_limit: u32,
    /// Runs are drafted by the small built-in model: the form says so.
    pub embedded: bool,
}

#[derive(Debug, Template)]
#[template(path = "new_run.html")]
struct NewRunPage<'a> {
    shell: &'a Shell,
    form: &'a NewRunView,
}

/// Renders the form as a page. It posts to `/runs` as `application/x-www-form-urlencoded`; a ticked box sends `true`.
#[must_use]
pub fn new_run_page(shell: &Shell, form: &NewRunView) -> String {
    page(&NewRunPage { shell, form })
}
