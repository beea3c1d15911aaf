//! The page of one run, and the parts of it that are fetched again while it is live.

mod now;
mod phases;
mod timeline;
mod verdict;

use askama::Template;

pub use now::{NowView, StepName};
pub use phases::{AttemptView, PhaseView};
pub use timeline::{EventKind, EventView};
pub use verdict::{ApprovalView, CriterionView, VerdictView};

use self::phases::Fall;
use super::{
    moment::{self, Moment},
    phase::{PHASES, STAGES},
    shell::{Shell, page},
    summary::{RunState, RunSummary, months_words},
};

/// Everything the page of a run shows.
#[derive(Debug, Clone)]
pub struct RunView {
    /// Name and state.
    pub summary: RunSummary,
    /// Each artifact is reviewed.
    pub require_review: bool,
    /// The run waits for a person before the package is made.
    pub require_approval: bool,
    /// The phases of the present attempt, in order; missing ones at the end are not started.
    pub phases: Vec<PhaseView>,
    /// Where the estimates come from ("from the last 20 runs on this model"); empty hides it.
    pub eta_basis: String,
    /// What is being done, while the run works.
    pub now: Option<NowView>,
    /// What is to be decided, while the run waits for a person.
    pub approval: Option<ApprovalView>,
    /// Verdict of the kill test of this attempt.
    pub verdict: Option<VerdictView>,
    /// Attempts that ended in a pivot, oldest first.
    pub attempts: Vec<AttemptView>,
    /// Events, newest first; the page shows at most 500.
    pub events: Vec<EventView>,
    /// Sequence number of the newest event, from which the live page goes on.
    pub last_event: u64,
    /// Revenue potential in words, where it was assessed.
    pub revenue_potential: Option<String>,
    /// The parked idea this run left behind exists.
    pub parked: bool,
}

/// Most events a page holds.
const EVENTS: usize = 500;
/// Events that are not folded.
const LATEST: usize = 8;

#[derive(Debug, Template)]
#[template(path = "run.html")]
struct RunPage<'a> {
    shell: &'a Shell,
    view: &'a RunView,
    run: &'a RunSummary,
    fall: Fall,
}

#[derive(Debug, Template)]
#[template(path = "run_pipeline.html")]
struct PipelineFragment<'a> {
    shell: &'a Shell,
    view: &'a RunView,
    run: &'a RunSummary,
    fall: Fall,
}

#[derive(Debug, Template)]
#[template(path = "run_now.html")]
struct NowFragment<'a> {
    shell: &'a Shell,
    view: &'a RunView,
    run: &'a RunSummary,
}

#[derive(Debug, Template)]
#[template(path = "run_timeline.html")]
struct TimelineFragment<'a> {
    shell: &'a Shell,
    view: &'a RunView,
}

impl RunView {
    fn phase(&self, index: &usize) -> PhaseView {
        self.phases.get(*index).cloned().unwrap_or_default()
    }

    fn done(&self) -> usize {
        self.phases.iter().filter(|phase| phase.is_done()).count()
    }

    fn progress_words(&self) -> String {
        format!("Progress, {} of 15 phases done", self.done())
    }

    /// How long it has been going, in words.
    fn elapsed(&self, now: &i64) -> String {
        let end = if self.summary.state.is_final() {
            self.summary.updated_at
        } else {
            *now
        };
        moment::spoken_length(moment::between(self.summary.created_at, end))
    }

    fn ticks(&self) -> bool {
        self.summary.state.is_working()
    }

    fn eta(&self) -> Option<String> {
        let left = self.summary.eta_ms.filter(|_| self.summary.state.is_working())?;
        Some(match moment::rough_length(left) {
            short if left < 30_000 => short.replacen("less", "Less", 1),
            rough => format!("About {rough}"),
        })
    }

    fn started(&self) -> Moment {
        Moment::minute(self.summary.created_at)
    }

    /// When it will be, or was, over.
    fn ends(&self, now: &i64) -> Option<Moment> {
        if self.summary.state.is_final() {
            return Some(Moment::minute(self.summary.updated_at));
        }
        let left = self.summary.eta_ms.filter(|_| self.summary.state.is_working())?;
        Some(Moment::minute(
            now.saturating_add(i64::try_from(left / 1000).unwrap_or(0)),
        ))
    }

    fn shown_events(&self) -> &[EventView] {
        &self.events[..self.events.len().min(LATEST)]
    }

    fn folded_events(&self) -> &[EventView] {
        &self.events[self.events.len().min(LATEST)..self.events.len().min(EVENTS)]
    }

    /// What is between two phases: a title and a sentence.
    fn between(&self) -> (&'static str, &'static str) {
        match self.done() {
            0 => ("Starting", "The first phase begins in a moment."),
            15 => (
                "Making the package",
                "All 15 phases are accepted. Their documents are being put together and sealed.",
            ),
            _ => ("Between two phases", "The next phase begins in a moment."),
        }
    }

    fn can_pause(&self) -> bool {
        self.summary.state.is_working()
    }

    fn is_paused(&self) -> bool {
        self.summary.state == RunState::Paused
    }

    fn is_failed(&self) -> bool {
        self.summary.state == RunState::Failed
    }

    fn is_completed(&self) -> bool {
        self.summary.state == RunState::Completed
    }

    fn is_cancelled(&self) -> bool {
        self.summary.state == RunState::Cancelled
    }

    /// What cancelling keeps, for the question before it.
    fn kept(&self) -> String {
        match self.done() {
            0 => "No phase is done yet.".to_owned(),
            1 => "1 of 15 phases is done and stays readable.".to_owned(),
            done => format!("{done} of 15 phases are done and stay readable."),
        }
    }

    /// The outcome of a run that the kill test stopped.
    fn stopped_words(&self) -> Option<String> {
        let score = self
            .summary
            .verdict_score
            .map(|score| format!(" at {score:.1} of 10"))
            .unwrap_or_default();
        let again = match self.summary.revisit_months {
            Some(months) => format!(" Parked: look again in {}.", months_words(months)),
            None if self.parked => " The idea is parked.".to_owned(),
            None => String::new(),
        };
        match self.summary.state {
            RunState::Killed => Some(format!("Killed{score}.{again}")),
            RunState::PivotsUsedUp => Some(format!("Three pivots did not find a plan{score}.{again}")),
            RunState::Queued { .. }
            | RunState::Running
            | RunState::AwaitingApproval
            | RunState::Paused
            | RunState::Completed
            | RunState::Failed
            | RunState::Cancelled => None,
        }
    }
}

/// Renders the page of a run.
#[must_use]
pub fn run_page(shell: &Shell, view: &RunView) -> String {
    page(&RunPage {
        shell,
        view,
        run: &view.summary,
        fall: Fall::new(view, shell.now),
    })
}

/// Renders the state, the pipeline and the phases again: `/runs/{id}/fragments/pipeline`.
#[must_use]
pub fn pipeline_fragment(shell: &Shell, view: &RunView) -> String {
    page(&PipelineFragment {
        shell,
        view,
        run: &view.summary,
        fall: Fall::new(view, shell.now),
    })
}

/// Renders what is being done or to be decided again, and the verdict: `/runs/{id}/fragments/now`.
#[must_use]
pub fn now_fragment(shell: &Shell, view: &RunView) -> String {
    page(&NowFragment {
        shell,
        view,
        run: &view.summary,
    })
}

/// Renders the events again: `/runs/{id}/fragments/timeline`.
#[must_use]
pub fn timeline_fragment(shell: &Shell, view: &RunView) -> String {
    page(&TimelineFragment { shell, view })
}
