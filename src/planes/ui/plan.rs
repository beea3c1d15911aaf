//! The plan as a document: typeset to be read and printed.

use askama::Template;

use super::{
    block::{Block, Prose},
    evidence::{Bibliography, EvidenceView},
    moment::Moment,
    phase::{PhaseInfo, STAGES},
    shell::{Shell, page},
    summary::RunSummary,
};

/// A phase of the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct ChapterView {
    /// Identifier of the phase.
    pub phase: String,
    /// Title of the chapter.
    pub title: String,
    /// Score, 0 to 10, where it was assessed.
    pub score: Option<f64>,
    /// Layout.
    pub blocks: Vec<Block>,
    /// Claims and their sources.
    pub evidence: Vec<EvidenceView>,
}

impl ChapterView {
    fn number(&self) -> usize {
        PhaseInfo::find(&self.phase).map_or(0, |phase| phase.number)
    }

    fn prose(&self) -> Prose<'_> {
        Prose::new(&self.blocks, 3)
    }
}

/// The seal of a finished package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealView {
    /// When it was made, Unix seconds.
    pub at: i64,
    /// SHA-256 of the package, in hexadecimal.
    pub sha256: String,
}

/// The plan, or as much of it as there is.
#[derive(Debug, Clone)]
pub struct PlanView {
    /// The run it comes from.
    pub run: RunSummary,
    /// Chapters in the order of the phases.
    pub chapters: Vec<ChapterView>,
    /// Names of the models that wrote it.
    pub models: Vec<String>,
    /// Present once the package is in the object store; without it the page says that the plan is not finished.
    pub seal: Option<SealView>,
}

impl PlanView {
    fn stage_chapters(&self, stage: &str) -> Vec<&ChapterView> {
        let of_stage =
            |chapter: &&ChapterView| PhaseInfo::find(&chapter.phase).is_some_and(|phase| phase.stage == stage);
        self.chapters.iter().filter(of_stage).collect()
    }

    fn sealed_at(&self) -> Option<Moment> {
        self.seal.as_ref().map(|seal| Moment::day_and_time(seal.at))
    }
}

#[derive(Debug, Template)]
#[template(path = "plan.html")]
struct PlanPage<'a> {
    shell: &'a Shell,
    view: &'a PlanView,
    run: &'a RunSummary,
    bibliography: Bibliography<'a>,
    strip: Vec<Cut>,
}

/// A stone of the seal, as an SVG path 704 wide and 12 high.
#[derive(Debug)]
struct Cut {
    class: &'static str,
    path: String,
}

fn strip(run: &RunSummary) -> Vec<Cut> {
    const WIDTH: f64 = 43.5;
    let mut x = 0.0;
    let cut = |stone: super::phase::Stone| {
        if stone.phase.number > 1 {
            x += WIDTH + if stone.phase.opens_stage() { 7.875 } else { 1.6 };
        }
        let path = if stone.phase.is_gate() {
            format!("M{x:.1} 0h{WIDTH}l-7 12h-29.5z")
        } else {
            format!("M{x:.1} 0h{WIDTH}v12h-{WIDTH}z")
        };
        Cut {
            class: if stone.phase.is_gate() && stone.state == super::StoneState::Done {
                "key"
            } else {
                stone.state.class()
            },
            path,
        }
    };
    run.stones().into_iter().map(cut).collect()
}

/// Renders the plan. It reads at any time: chapters appear as phases are accepted, the seal when the package is made.
#[must_use]
pub fn plan_page(shell: &Shell, view: &PlanView) -> String {
    let evidence = view.chapters.iter().flat_map(|chapter| chapter.evidence.iter());
    page(&PlanPage {
        shell,
        view,
        run: &view.run,
        bibliography: Bibliography::new(evidence),
        strip: strip(&view.run),
    })
}
