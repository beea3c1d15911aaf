//! Pages for what went wrong: what, why, what now.

use askama::Template;

use super::shell::{Shell, page};

/// A fault in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultView {
    /// HTTP status, shown small.
    pub status: u16,
    /// What happened, as a short title.
    pub title: String,
    /// Why, and what now, in one or two sentences.
    pub text: String,
    /// Address and label of the way out.
    pub way_out: (String, String),
    /// Id of the request, to find it in the log.
    pub request_id: Option<String>,
}

impl FaultView {
    fn new(status: u16, title: &str, text: String, way_out: (&str, &str)) -> Self {
        let way_out = (way_out.0.to_owned(), way_out.1.to_owned());
        Self {
            status,
            title: title.to_owned(),
            text,
            way_out,
            request_id: None,
        }
    }

    /// Adds the id of the request.
    #[must_use]
    pub fn with_request(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }

    /// 404 for a run that is not there, or belongs to another tenant.
    #[must_use]
    pub fn no_run(id: &str, tenant: &str) -> Self {
        let text = format!(
            "There is no run {} in the workspace {tenant}. It may be in another one, or deleted.",
            super::summary::shorten(id, 40)
        );
        Self::new(404, "No such run", text, ("/runs", "All runs"))
    }

    /// 404 for a phase that has no artifact yet, or a version that does not exist.
    #[must_use]
    pub fn no_artifact(run: &str) -> Self {
        let text =
            "This phase has not been accepted yet, or it never had that version. The run page shows how far it is.";
        let mut fault = Self::new(
            404,
            "Nothing to read here yet",
            text.to_owned(),
            ("", "Back to the run"),
        );
        fault.way_out.0 = format!("/runs/{run}");
        fault
    }

    /// 404 for any other address.
    #[must_use]
    pub fn no_page() -> Self {
        let text = "Nothing lives at this address. The link may be old, or a letter got lost on the way.";
        Self::new(404, "No such page", text.to_owned(), ("/runs", "All runs"))
    }

    /// 409: the run was not in a state to do this. `said` is what happened, as a sentence.
    #[must_use]
    pub fn conflict(run: &str, said: &str) -> Self {
        let mut fault = Self::new(
            409,
            "The run moved on first",
            format!("{said} Nothing was lost."),
            ("", "Open the run"),
        );
        fault.way_out.0 = format!("/runs/{run}");
        fault
    }

    /// 403: the identity may not do this.
    #[must_use]
    pub fn forbidden() -> Self {
        let text = "Your role does not allow this. An admin of the workspace can change that.";
        Self::new(403, "Not with this role", text.to_owned(), ("/runs", "All runs"))
    }

    /// 429: too many requests, with the seconds to wait.
    #[must_use]
    pub fn too_many(seconds: u64) -> Self {
        Self::new(
            429,
            "Too many requests",
            format!("This page opens again in {seconds} s."),
            ("/runs", "All runs"),
        )
    }

    /// 503: not started because the server is at its limit.
    #[must_use]
    pub fn overloaded() -> Self {
        let text = "The server is at its limit and did not start this. Try again in a few seconds.";
        Self::new(503, "At the limit", text.to_owned(), ("/runs", "All runs"))
    }

    /// 504 and the like: nobody can tell whether it was saved.
    #[must_use]
    pub fn unknown() -> Self {
        let text = "We cannot tell whether this was saved: the answer got lost on its way. Reload the run to see.";
        Self::new(504, "Outcome unknown", text.to_owned(), ("/runs", "All runs"))
    }

    /// 500: a fault of the server.
    #[must_use]
    pub fn internal() -> Self {
        let text =
            "The server made a mistake while it built this page. It is in the log under the id below. Your runs go on.";
        Self::new(500, "A fault of the server", text.to_owned(), ("/runs", "All runs"))
    }

    /// 400 and 422: the request was not understood. `said` is the reason as a sentence.
    #[must_use]
    pub fn invalid(said: &str) -> Self {
        Self::new(400, "Not understood", said.to_owned(), ("/runs", "All runs"))
    }
}

#[derive(Debug, Template)]
#[template(path = "fault.html")]
struct FaultPage<'a> {
    shell: &'a Shell,
    view: &'a FaultView,
}

#[derive(Debug, Template)]
#[template(path = "fault_alone.html")]
struct FaultAlone<'a> {
    shell: &'a Shell,
    view: &'a FaultView,
}

/// Renders a fault. Without a person in the shell it stands alone, without navigation.
#[must_use]
pub fn fault_page(shell: &Shell, view: &FaultView) -> String {
    if shell.person.is_some() {
        page(&FaultPage { shell, view })
    } else {
        page(&FaultAlone { shell, view })
    }
}
