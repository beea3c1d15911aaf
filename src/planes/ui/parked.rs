//! Ideas that a kill test stopped, waiting for another day.

use askama::Template;

use super::{
    moment::{Moment, months_later},
    phase::PhaseInfo,
    shell::{Shell, page},
    summary::{headline, months_words},
};

/// A parked idea.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedIdeaView {
    /// UUID of the parked idea.
    pub id: String,
    /// The idea as it was given.
    pub idea: String,
    /// The idea as refined before it was stopped.
    pub refined_idea: Option<String>,
    /// Run that stopped.
    pub run_id: Option<String>,
    /// Identifier of the phase that stopped it.
    pub source_phase: String,
    /// Why.
    pub reason: String,
    /// Months after which to look again.
    pub revisit_months: Option<u32>,
    /// Why then.
    pub revisit_note: Option<String>,
    /// When it was parked, Unix seconds.
    pub created_at: i64,
    /// Run it was promoted to.
    pub promoted_run_id: Option<String>,
}

impl ParkedIdeaView {
    fn title(&self) -> String {
        headline(&self.idea)
    }

    fn parked_at(&self, now: &i64) -> Moment {
        Moment::near(self.created_at, *now)
    }

    fn phase_name(&self) -> &str {
        PhaseInfo::find(&self.source_phase).map_or(self.source_phase.as_str(), |phase| phase.name)
    }

    fn due_at(&self) -> Option<i64> {
        self.revisit_months.map(|months| months_later(self.created_at, months))
    }

    fn due(&self) -> Option<Moment> {
        self.due_at().map(Moment::month)
    }

    fn months(&self) -> String {
        self.revisit_months.map(months_words).unwrap_or_default()
    }

    /// The date to look again has come and nobody has.
    fn is_due(&self, now: &i64) -> bool {
        self.promoted_run_id.is_none() && self.due_at().is_some_and(|due| due <= *now)
    }
}

/// A page of parked ideas.
#[derive(Debug, Clone, Default)]
pub struct ParkedView {
    /// The ideas of this page, newest first.
    pub rows: Vec<ParkedIdeaView>,
    /// Cursor of the next page, where there is one.
    pub next: Option<String>,
}

#[derive(Debug, Template)]
#[template(path = "parked.html")]
struct ParkedPage<'a> {
    shell: &'a Shell,
    view: &'a ParkedView,
}

/// Renders the parked ideas. "Start again" posts to `/parked/{id}/promote`.
#[must_use]
pub fn parked_page(shell: &Shell, view: &ParkedView) -> String {
    page(&ParkedPage { shell, view })
}
