//! What the code of an error means, and what to do: a reference that errors of the API lead to.

use askama::Template;

use super::shell::{Shell, page};

/// Codes about one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProblemsView {
    /// What they are about.
    pub title: &'static str,
    /// The codes.
    pub rows: Vec<ProblemView>,
}

/// One code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProblemView {
    /// The code, which is also its anchor on the page.
    pub code: &'static str,
    /// HTTP statuses that it comes with.
    pub statuses: &'static [u16],
    /// What it means.
    pub meaning: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

impl ProblemView {
    fn statuses(&self) -> String {
        let statuses: Vec<_> = self.statuses.iter().map(u16::to_string).collect();
        statuses.join(", ")
    }

    /// A text without the marks that show names in the documents.
    fn plain(&self, text: &str) -> String {
        text.replace('`', "")
    }
}

#[derive(Debug, Template)]
#[template(path = "problems.html")]
struct ProblemsPage<'a> {
    shell: &'a Shell,
    chapters: &'a [ProblemsView],
}

/// Renders the reference.
#[must_use]
pub fn problems_page(shell: &Shell, chapters: &[ProblemsView]) -> String {
    page(&ProblemsPage { shell, chapters })
}
