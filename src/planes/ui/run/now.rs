//! What a live run is doing.

use crate::planes::ui::{moment, phase::PhaseInfo, summary::queued};

/// A step of a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepName {
    /// Earlier decisions and passages are gathered.
    Context,
    /// Pages are searched and read.
    Sources,
    /// The model writes.
    Draft,
    /// The draft is checked.
    Schema,
    /// The draft is reviewed.
    Review,
}

impl StepName {
    const ALL: [Self; 5] = [Self::Context, Self::Sources, Self::Draft, Self::Schema, Self::Review];

    /// Parses the step of a live update.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == text)
    }

    /// The step as live updates name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Context => "context",
            Self::Sources => "sources",
            Self::Draft => "draft",
            Self::Schema => "schema",
            Self::Review => "review",
        }
    }

    /// What it is called before, during and after.
    fn words(self) -> [&'static str; 3] {
        match self {
            Self::Context => ["Gather context", "Gathering context", "Context gathered"],
            Self::Sources => ["Read sources", "Reading sources", "Sources read"],
            Self::Draft => ["Draft", "Drafting", "Drafted"],
            Self::Schema => ["Check against schema", "Checking against schema", "Schema holds"],
            Self::Review => ["Review, accept from 7.0", "Reviewing", "Reviewed"],
        }
    }
}

/// What a live run is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NowView {
    /// Identifier of the phase.
    pub phase: String,
    /// When the phase started, Unix seconds.
    pub started_at: i64,
    /// The step it is in.
    pub step: StepName,
    /// Its draft is reviewed.
    pub reviews: bool,
    /// Sources are looked for in this phase.
    pub searches: bool,
    /// A few words about each step ("4 phases, 5 passages"), in order; empty says nothing.
    pub details: [String; 5],
    /// Requests of others ahead of ours, while the model is busy.
    pub queue: Option<u32>,
    /// Draft being written: 1 for the first, more after revisions.
    pub draft: u32,
    /// Name of the model.
    pub model: String,
}

/// A step in the list.
#[derive(Debug)]
pub(in crate::planes::ui) struct StepRow {
    pub(in crate::planes::ui) id: &'static str,
    pub(in crate::planes::ui) class: &'static str,
    pub(in crate::planes::ui) words: [&'static str; 3],
    pub(in crate::planes::ui) word: &'static str,
    pub(in crate::planes::ui) detail: String,
}

impl NowView {
    pub(in crate::planes::ui) fn phase_name(&self) -> &str {
        PhaseInfo::find(&self.phase).map_or(self.phase.as_str(), |phase| phase.name)
    }

    pub(in crate::planes::ui) fn running_for(&self, now: &i64) -> String {
        moment::clock_length(moment::between(self.started_at, *now))
    }

    pub(in crate::planes::ui) fn queue_words(&self) -> Option<String> {
        self.queue.map(queued)
    }

    pub(in crate::planes::ui) fn draft_words(&self) -> String {
        if self.draft > 1 {
            format!("draft {}", self.draft)
        } else {
            String::new()
        }
    }

    /// The steps; what this phase has not is left out.
    pub(in crate::planes::ui) fn steps(&self) -> Vec<StepRow> {
        let shown = StepName::ALL
            .into_iter()
            .zip(&self.details)
            .filter(|(step, _)| match step {
                StepName::Review => self.reviews,
                StepName::Sources => self.searches,
                StepName::Context | StepName::Draft | StepName::Schema => true,
            });
        shown
            .map(|(step, detail)| {
                let (class, tense) = match step.cmp(&self.step) {
                    std::cmp::Ordering::Less => ("ok", 2),
                    std::cmp::Ordering::Equal => ("cur", 1),
                    std::cmp::Ordering::Greater => ("", 0),
                };
                let words = step.words();
                StepRow {
                    id: step.as_str(),
                    class,
                    words,
                    word: words[tense],
                    detail: detail.clone(),
                }
            })
            .collect()
    }
}
