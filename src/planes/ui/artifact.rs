//! One phase of a run to read: its layout, scores, evidence and versions. The JSON is one click away.

use askama::Template;

use super::{
    block::{Block, Prose},
    evidence::{Bibliography, EvidenceView},
    moment::{self, Moment},
    phase::{PHASES, PhaseInfo, STAGES},
    run::VerdictView,
    shell::{Shell, page},
    summary::{RunSummary, grouped},
};

/// A version of this phase.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionView {
    /// Its number.
    pub version: u32,
    /// Pivots before it; versions of earlier attempts are kept.
    pub attempt: u32,
    /// Its score, 0 to 10, where it was assessed.
    pub score: Option<f64>,
    /// When it was accepted, Unix seconds.
    pub created_at: i64,
}

/// An artifact.
#[derive(Debug, Clone)]
pub struct ArtifactView {
    /// The run it belongs to.
    pub run: RunSummary,
    /// Identifier of its phase.
    pub phase: String,
    /// What the phase is for, one sentence.
    pub purpose: String,
    /// Its version.
    pub version: u32,
    /// Its layout.
    pub blocks: Vec<Block>,
    /// How it was decided, in the words of the record: `ACCEPT`, `REVISE`, `REJECT`; empty where review was off.
    pub review: Option<String>,
    /// Reviews it went through.
    pub reviews: u32,
    /// Mean of its scores, 0 to 10; empty where nothing was assessed.
    pub score: Option<f64>,
    /// Criteria and their scores, 0 to 10.
    pub scores: Vec<(String, f64)>,
    /// For the kill test: the verdict with its criteria.
    pub verdict: Option<VerdictView>,
    /// Claims and their sources.
    pub evidence: Vec<EvidenceView>,
    /// Every version of this phase, newest first, this one included.
    pub versions: Vec<VersionView>,
    /// Identifiers of the phases of this run that can be read, for the contents at the side.
    pub readable: Vec<String>,
    /// Name of the model that wrote it.
    pub model: String,
    /// Tokens spent on it.
    pub tokens: u64,
    /// Milliseconds from the start of the phase to acceptance.
    pub duration_ms: u64,
    /// When it was accepted, Unix seconds.
    pub created_at: i64,
    /// SHA-256 of the stored copy, in hexadecimal.
    pub sha256: String,
}

impl ArtifactView {
    fn info(&self) -> &'static PhaseInfo {
        PhaseInfo::find(&self.phase).unwrap_or(&PHASES[0])
    }

    fn accepted(&self) -> Moment {
        Moment::day_and_time(self.created_at)
    }

    fn took(&self) -> String {
        moment::spoken_length(self.duration_ms)
    }

    fn token_words(&self) -> String {
        grouped(self.tokens)
    }

    fn can_read(&self, phase: &PhaseInfo) -> bool {
        self.readable.iter().any(|id| id == phase.id)
    }

    fn previous(&self) -> Option<&'static PhaseInfo> {
        self.info().previous().filter(|phase| self.can_read(phase))
    }

    fn next(&self) -> Option<&'static PhaseInfo> {
        self.info().next().filter(|phase| self.can_read(phase))
    }

    fn is_current(&self, version: &u32) -> bool {
        self.version == *version
    }

    /// The decision in the page's words.
    fn decision(&self) -> Option<String> {
        let word = match self.review.as_deref()? {
            "ACCEPT" => "Accepted",
            "REVISE" => "Accepted after the last revision",
            "REJECT" => "Rejected by review",
            _ => return None,
        };
        Some(if self.reviews > 1 {
            format!("{word}, {} reviews", self.reviews)
        } else {
            word.to_owned()
        })
    }
}

#[derive(Debug, Template)]
#[template(path = "artifact.html")]
struct ArtifactPage<'a> {
    shell: &'a Shell,
    view: &'a ArtifactView,
    run: &'a RunSummary,
    prose: Prose<'a>,
    bibliography: Bibliography<'a>,
}

/// Renders one phase as a chapter with its scores, evidence and versions beside it.
#[must_use]
pub fn artifact_page(shell: &Shell, view: &ArtifactView) -> String {
    page(&ArtifactPage {
        shell,
        view,
        run: &view.run,
        prose: Prose::new(&view.blocks, 2),
        bibliography: Bibliography::new(view.evidence.iter()),
    })
}
