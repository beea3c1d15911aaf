//! The board: what needs a person first, then every run as a row of the wall, or as a table.

use askama::Template;

use super::{
    new_run::NewRunView,
    phase::{PHASES, STAGES},
    shell::{Shell, page},
    summary::{RunState, RunSummary},
};

/// How the board is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// Rows of stones.
    #[default]
    Wall,
    /// Rows of words and numbers.
    Table,
}

impl Layout {
    /// Parses the query parameter `view`; what it does not know is the wall.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text == "table" { Self::Table } else { Self::Wall }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Wall => "wall",
            Self::Table => "table",
        }
    }
}

/// A page of runs.
#[derive(Debug, Clone, Default)]
pub struct RunsView {
    /// How to draw it: query parameter `view`.
    pub layout: Layout,
    /// Status the list is filtered by, as the API names it: query parameter `status`.
    pub status: Option<String>,
    /// The runs of this page, newest first.
    pub rows: Vec<RunSummary>,
    /// This is not the first page: query parameter `cursor` was given.
    pub later_page: bool,
    /// Cursor of the next page, where there is one.
    pub next: Option<String>,
    /// The empty form of the dialog.
    pub form: NewRunView,
}

/// The filter, in the words of the page and of the API.
const FILTERS: [(&str, &str); 7] = [
    ("running", "Running"),
    ("awaiting_approval", "Needs you"),
    ("paused", "Paused"),
    ("completed", "Finished"),
    ("killed", "Killed"),
    ("failed", "Failed"),
    ("cancelled", "Cancelled"),
];

#[derive(Debug)]
struct Filter {
    href: String,
    word: &'static str,
    current: bool,
}

#[derive(Debug, Template)]
#[template(path = "runs.html")]
struct RunsPage<'a> {
    shell: &'a Shell,
    view: &'a RunsView,
    form: &'a NewRunView,
    calls: Vec<&'a RunSummary>,
    groups: Vec<(&'static str, &'static str, Vec<&'a RunSummary>)>,
}

impl RunsPage<'_> {
    fn summary(&self) -> String {
        let count = |group: &str| {
            self.groups
                .iter()
                .filter(|(name, ..)| *name == group)
                .map(|(.., rows)| rows.len())
                .sum::<usize>()
        };
        let mut words = Vec::new();
        for (number, word) in [
            (count("Under way"), "under way"),
            (
                self.calls.len(),
                if self.calls.len() == 1 { "needs you" } else { "need you" },
            ),
            (count("Ended"), "ended"),
        ] {
            if number > 0 {
                words.push(format!("{number} {word}"));
            }
        }
        let paged = if self.view.next.is_some() || self.view.later_page {
            " on this page"
        } else {
            ""
        };
        format!("{}{paged}.", words.join(", "))
    }

    fn empty(&self) -> bool {
        self.view.rows.is_empty()
    }

    fn untouched(&self) -> bool {
        self.empty() && self.view.status.is_none() && !self.view.later_page
    }

    fn is_wall(&self) -> bool {
        self.view.layout == Layout::Wall
    }

    fn filters(&self) -> Vec<Filter> {
        let view = if self.is_wall() { "" } else { "?view=table" };
        let mut filters = vec![Filter {
            href: format!("/runs{view}"),
            word: "All",
            current: self.view.status.is_none(),
        }];
        filters.extend(FILTERS.map(|(status, word)| Filter {
            href: self.address(self.view.layout, Some(status)),
            word,
            current: self.view.status.as_deref() == Some(status),
        }));
        filters
    }

    fn address(&self, layout: Layout, status: Option<&str>) -> String {
        let status = status.filter(|status| FILTERS.iter().any(|(known, _)| known == status));
        let mut query: Vec<String> = status.map(|status| format!("status={status}")).into_iter().collect();
        if layout != Layout::Wall {
            query.push(format!("view={}", layout.as_str()));
        }
        if query.is_empty() {
            "/runs".to_owned()
        } else {
            format!("/runs?{}", query.join("&"))
        }
    }

    fn layout_address(&self, layout: &str) -> String {
        self.address(Layout::parse(layout), self.view.status.as_deref())
    }

    /// Address of the next page, without the cursor, which the template escapes and appends.
    fn next_address(&self) -> String {
        let address = self.layout_address(self.view.layout.as_str());
        let join = if address.contains('?') { '&' } else { '?' };
        format!("{address}{join}cursor=")
    }
}

/// Renders the board. Runs that wait for a person lead as cards; the rest is grouped into under way and ended.
#[must_use]
pub fn runs_page(shell: &Shell, view: &RunsView) -> String {
    let (calls, rest): (Vec<_>, Vec<_>) = view
        .rows
        .iter()
        .partition(|row| row.state == RunState::AwaitingApproval);
    let (past, open): (Vec<_>, Vec<_>) = rest.into_iter().partition(|row| row.state.is_final());
    let groups = [("Under way", "", open), ("Ended", "past", past)];
    let groups = groups.into_iter().filter(|(.., rows)| !rows.is_empty()).collect();
    page(&RunsPage {
        shell,
        view,
        form: &view.form,
        calls,
        groups,
    })
}
